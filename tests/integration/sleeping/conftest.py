"""A lane asleep, before real Envoy; the objects are hand-made, so that each moment can be stood still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from provisioner.routing.router.holds import Limits
from tests.support.routing import LIMITS
from tests.support.sleeping import Bedroom


@pytest.fixture
def bedroom(request: pytest.FixtureRequest) -> Iterator[Bedroom]:
    """Not started yet; a test may name the waker's limits by `indirect` parameters."""
    limits: Limits = getattr(request, "param", LIMITS)
    with ExitStack() as stack:
        yield Bedroom(stack, limits)

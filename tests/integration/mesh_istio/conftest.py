from __future__ import annotations

from collections.abc import Iterator

import pytest

from provisioner.chain.model import Driver
from tests.support.meshed import Meshed, meshed


@pytest.fixture
def mesh() -> Iterator[Meshed]:
    """A chain that is routed by Istio."""
    with meshed(Driver.ISTIO) as found:
        yield found

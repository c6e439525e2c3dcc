"""Releases at a real Envoy, behind which are payment, the lane pr-4 and that of the release."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest

from provisioner.chain.model import Entry
from provisioner.chain.strategy import Strategy
from tests.support.releasing import BY_COOKIE, ENTRY, Releasing, Releasings


@pytest.fixture
def releasing(world: Any) -> Releasing:
    """Of the test's own; one copy, no release yet."""
    made = Releasing(world)
    made.bring()
    return made


@pytest.fixture(scope="module")
def worlds(new_world: Callable[[ExitStack], Any]) -> Iterator[Releasings]:
    """A release at an entry with a strategy, with one copy; each is made once, and lasts as long as the
    module."""

    def made(entry: Entry = ENTRY, strategy: Strategy = BY_COOKIE) -> Releasing:
        found = Releasing(new_world(stack), entry, strategy)
        found.bring()
        return found

    with ExitStack() as stack:
        yield cache(made)

"""Embedded systems for the tests: up once for a module, in a folder of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devcluster.dev import control
from devcluster.dev.state import State
from devcluster.dev.system import Asked


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    """A system that is up, with its stand-in forge."""
    state = State(tmp_path_factory.mktemp("system"))
    control.up(state, Asked(forge=True), lambda _: None)
    yield state
    control.down(state)

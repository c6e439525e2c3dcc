"""Waiting for a condition, with a deadline; never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE = 0.02


def until(condition: Callable[[], T], what: str, seconds: float = 20.0) -> T:
    """The first true answer of `condition`. AssertionError that says `what` did not come true in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {seconds:g} s still not: {what} (last: {found!r})"
        time.sleep(PAUSE)

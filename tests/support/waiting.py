"""Waiting for a condition, with a deadline; never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE = 0.01
SECONDS = 60.0  # for what takes a moment, but on a machine that has much else to do


def until(condition: Callable[[], T], what: str, seconds: float = SECONDS) -> T:
    """The first true answer of `condition`. AssertionError that says `what` did not come true in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {seconds:g} s still not: {what} (last: {found!r})"
        time.sleep(PAUSE)

"""Turns a burst of changes into two: the first at once, the rest together a moment after. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

QUIET_SECONDS = 0.2


class Debounce(Generic[K]):
    """Not for several threads at once. Times are monotonic seconds."""

    def __init__(self, quiet: float = QUIET_SECONDS) -> None:
        self._quiet = quiet
        self._last: dict[K, float] = {}
        self._waiting: dict[K, float] = {}

    def note(self, key: K, now: float) -> None:
        """Something changed: due at once, or a quiet time after the last time it was taken."""
        self._waiting.setdefault(key, max(now, self._last.get(key, now - self._quiet) + self._quiet))

    def take(self, now: float) -> list[K]:
        """The keys that are due, which are then no longer waiting."""
        due = [key for key, when in self._waiting.items() if when <= now]
        for key in due:
            del self._waiting[key]
            self._last[key] = now
        if len(self._last) > 2 * len(self._waiting) + 1000:
            self._forget(now)
        return due

    def _forget(self, now: float) -> None:
        self._last = {key: when for key, when in self._last.items() if when + self._quiet > now}

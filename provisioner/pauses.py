"""How long to wait before a watch is opened again.

Not at all after one that lasted; longer and longer after those that failed or ended as soon as they began,
as behind a proxy that cuts them: an API server must not be asked in a tight loop.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

FIRST, LONGEST = 0.2, 5.0  # seconds, doubling
BRIEF = 1.0  # a watch that ended within so many seconds has not lasted


class Pauses:
    """`clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._next = FIRST

    def begin(self) -> None:
        """A watch is opened now."""
        self._began = self._clock()

    def after(self, *, failed: bool) -> float:
        """The seconds to wait, now that the watch has ended or failed; spread, so that many do not come back
        at once."""
        if not failed and self._clock() - self._began >= BRIEF:
            self._next = FIRST
            return 0.0
        pause = self._next
        self._next = min(LONGEST, pause * 2)
        return pause * (0.5 + random.random() / 2)

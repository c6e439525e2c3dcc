"""Waiting longer after each failure, as kubelets do, but in a developer's seconds.

Kubernetes waits 10 s doubling to 5 minutes before it starts a crashing container again, and forgets after
10 minutes without a crash; here it is 1 s doubling to 30 s, forgotten after a minute.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST, LONGEST, FORGOTTEN_AFTER = 1.0, 30.0, 60.0  # seconds
LONGEST_PULL = 10.0  # seconds; an image is looked for more often, since pushing a commit makes it appear


@dataclass
class Backoff:
    """Delays of 1, 2, 4 ... seconds up to `longest`."""

    longest: float = LONGEST
    failures: int = 0

    def next(self, ran_for: float = 0.0) -> float:
        """The delay after one more failure, of something that had run well for `ran_for` seconds."""
        if ran_for >= FORGOTTEN_AFTER:
            self.failures = 0
        self.failures += 1
        return min(FIRST * 2.0 ** (self.failures - 1), self.longest)

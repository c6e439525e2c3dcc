"""How long a process that died waits until it is started again; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

FIRST = 1.0  # seconds
LONGEST = 30.0  # seconds
STEADY = 10.0  # seconds of life after which a death counts as the first again


@dataclass(frozen=True)
class Backoff:
    """How often in a row a process died young."""

    deaths: int = 0

    def died(self, lived: float) -> Backoff:
        """After a death at the age of `lived` seconds."""
        return replace(self, deaths=1 if lived >= STEADY else self.deaths + 1)

    @property
    def delay(self) -> float:
        """Seconds until the next start: 1, 2, 4, ... 30."""
        return min(LONGEST, FIRST * 2.0 ** min(self.deaths - 1, 10)) if self.deaths else 0.0

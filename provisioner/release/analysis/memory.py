"""What an analysis remembers from one measurement to the next: JSON in the release's status. Pure.

Whatever is not as it was written, such as a status that somebody edited, counts as nothing: the analysis
begins anew then, which costs a window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from provisioner.lane.model import moment, stamp
from provisioner.release.analysis.judging import Streak

Json = dict[str, Any]

_EARLY = 0.95  # a job may come a little before its time


@dataclass(frozen=True)
class Memory:
    """`at`: the newest measurement; `begun`: the first one with requests in the lane; `good`: since when all
    metrics have been good without a break. `earlier` is the last value of each metric at the baseline."""

    at: datetime | None = None
    begun: datetime | None = None
    good: datetime | None = None
    streaks: Mapping[str, Streak] = field(default_factory=dict)
    earlier: Mapping[str, float] = field(default_factory=dict)
    counters: Json = field(default_factory=dict)

    def due(self, interval: timedelta, now: datetime) -> bool:
        """Whether it is time for a measurement; also where the clock was put back."""
        return self.at is None or not timedelta(0) <= now - self.at < interval * _EARLY

    def early(self, window: timedelta, now: datetime) -> bool:
        """Whether not even one window has passed, so that little data is no wonder."""
        return self.begun is None or now - self.begun < window

    def since(self, weighed: datetime | None, now: datetime) -> float:
        """For how many seconds all has been good with the share as it is, that is since `weighed`."""
        if self.good is None:
            return 0.0
        start = max(self.good, weighed) if weighed else self.good
        return max(0.0, (now - start).total_seconds())

    def to_json(self) -> Json:
        times = {"at": self.at, "begun": self.begun, "good": self.good}
        return {
            **{name: stamp(time) for name, time in times.items() if time},
            "streaks": {name: [one.failures, one.inconclusive] for name, one in self.streaks.items()},
            "earlier": dict(self.earlier),
            "counters": self.counters,
        }


def recall(state: object) -> Memory:
    """What `to_json` wrote; an empty memory for anything else."""
    if not isinstance(state, Mapping):
        return Memory()
    try:
        return Memory(
            at=_instant(state.get("at")),
            begun=_instant(state.get("begun")),
            good=_instant(state.get("good")),
            streaks={name: Streak(*map(int, two)) for name, two in (state.get("streaks") or {}).items()},
            earlier={name: float(value) for name, value in (state.get("earlier") or {}).items()},
            counters=dict(state.get("counters") or {}),
        )
    except (AttributeError, TypeError, ValueError):
        return Memory()


def instant(text: object) -> datetime:
    """The time that `stamp` wrote; ValueError for anything else, such as one without its zone."""
    found = moment(str(text))
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return found


def _instant(text: object) -> datetime | None:
    return instant(text) if text else None

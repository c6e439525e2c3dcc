"""Counters of the Envoys at a chain's entry, made into what happened in a window of time. Pure.

An Envoy counts from its start on, so what matters is by how much a count grew between two readings. A counter
that shrank was started again and has counted all of its value since; so has one of an Envoy that started
after the reading before. One that was running unseen then is only noted, since its count may be of last week.
What grew is kept in slots that together cover the window, the release's and the baseline's side by side, so
that both are always looked at over the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from provisioner.lane.model import stamp
from provisioner.release.analysis.memory import instant

Json = dict[str, Any]

SLOTS = 12  # in a window, at most: what is kept has to fit into an object's status
RELEASE, BASELINE = "release", "baseline"
SIDES = (RELEASE, BASELINE)
INFINITE = float("inf")
# Envoy's buckets of milliseconds, in seconds, as long as its bootstrap names no others:
# https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/metrics/v3/stats.proto
BOUNDS = (
    *(0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
    *(300.0, 600.0, 1800.0, 3600.0, INFINITE),
)


@dataclass(frozen=True)
class Counts:
    """Requests of one side: all of them, those that failed (5xx), and how many took at most each bound of
    time in seconds and more than the bound before; the bounds that nobody met are left out."""

    total: float = 0.0
    failed: float = 0.0
    buckets: Mapping[float, float] = field(default_factory=dict)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.total + other.total, self.failed + other.failed, _merged(self.buckets, other.buckets, 1)
        )

    def since(self, before: Counts) -> Counts:
        """By how much it grew; all of it where any of it shrank."""
        grown = _merged(self.buckets, before.buckets, -1)
        total, failed = self.total - before.total, self.failed - before.failed
        if min(total, failed, *grown.values()) < 0:
            return self
        return Counts(total, failed, grown)

    @property
    def success(self) -> float | None:
        """The part that did not fail; None where nothing was counted."""
        return 1 - self.failed / self.total if self.total > 0 else None

    def quantile(self, part: float) -> float | None:
        """The time in seconds within which this part of the requests was answered, by a straight line
        through its bucket; the greatest finite bound where it lies beyond. None where nothing was timed."""
        return quantile(self.buckets, part)

    def to_json(self) -> Json:
        buckets = {str(bound): count for bound, count in self.buckets.items()}
        return {"total": self.total, "failed": self.failed, "buckets": buckets}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Counts:
        """What `to_json` wrote; KeyError, TypeError or ValueError for anything else."""
        buckets = {float(bound): float(count) for bound, count in kept["buckets"].items()}
        return cls(float(kept["total"]), float(kept["failed"]), buckets)


Both = Mapping[str, Counts]  # by side


@dataclass(frozen=True)
class Reading:
    """What one Envoy has counted since it started."""

    envoy: str  # its pod's uid
    started: datetime
    sides: Both


@dataclass(frozen=True)
class Slot:
    """What was counted after `start` and up to `end`."""

    start: datetime
    end: datetime
    sides: Both


@dataclass(frozen=True)
class Book:
    """The newest reading of each Envoy, when it was taken, and the slots of the window."""

    at: datetime | None = None
    readings: Mapping[str, Reading] = field(default_factory=dict)
    slots: tuple[Slot, ...] = ()

    def entered(
        self, read: Iterable[Reading], present: Iterable[str], now: datetime, window: timedelta
    ) -> Book:
        """The book with new readings. Of `present` Envoys that could not be read the last reading is kept, so
        that nothing of theirs is lost once they can be."""
        new = {one.envoy: one for one in read}
        alive = set(present)
        kept = {name: one for name, one in self.readings.items() if name in alive}
        if self.at is None:
            return Book(now, new)
        slot = Slot(self.at, now, {side: self._grown(side, new.values()) for side in SIDES})
        return Book(now, {**kept, **new}, _within(_appended(self.slots, slot, window), now, window))

    def _grown(self, side: str, read: Iterable[Reading]) -> Counts:
        found = Counts()
        for one in read:
            before = self.readings.get(one.envoy)
            if before is not None and before.started == one.started:
                found += one.sides[side].since(before.sides[side])
            elif self.at is not None and one.started > self.at:
                found += one.sides[side]
        return found

    def counted(self, side: str) -> Counts:
        """What a side got within the window."""
        return sum((one.sides[side] for one in self.slots), Counts())

    def lifetime(self, side: str) -> Counts:
        """What a side got since the Envoys started."""
        return sum((one.sides[side] for one in self.readings.values()), Counts())

    @property
    def seconds(self) -> float:
        """How much time the slots cover."""
        return (self.slots[-1].end - self.slots[0].start).total_seconds() if self.slots else 0.0

    def to_json(self) -> Json:
        if self.at is None:
            return {}
        return {
            "at": stamp(self.at),
            "readings": {
                name: {"started": stamp(one.started), **_sides(one.sides)}
                for name, one in self.readings.items()
            },
            "slots": [
                {"start": stamp(one.start), "end": stamp(one.end), **_sides(one.sides)} for one in self.slots
            ],
        }


def recall(kept: object) -> Book:
    """What `to_json` wrote; an empty book for anything else."""
    if not isinstance(kept, Mapping) or "at" not in kept:
        return Book()
    try:
        return Book(
            instant(kept["at"]),
            {
                name: Reading(name, instant(one["started"]), _both(one))
                for name, one in kept["readings"].items()
            },
            tuple(Slot(instant(one["start"]), instant(one["end"]), _both(one)) for one in kept["slots"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return Book()


def quantile(buckets: Mapping[float, float], part: float) -> float | None:
    """As `Counts.quantile`, of any buckets."""
    wanted, passed, lower = part * sum(buckets.values()), 0.0, 0.0
    for bound in sorted({*BOUNDS, *buckets}):
        count = buckets.get(bound, 0.0)
        if count > 0 and passed + count >= wanted:
            return lower if bound == INFINITE else lower + (bound - lower) * (wanted - passed) / count
        passed, lower = passed + count, bound
    return None


def _appended(slots: tuple[Slot, ...], new: Slot, window: timedelta) -> tuple[Slot, ...]:
    """The slots with a new one, which the last one takes in while that is short."""
    last = slots[-1] if slots else None
    if last is None or new.end - last.start > window / SLOTS:
        return (*slots, new)
    both = {side: last.sides[side] + new.sides[side] for side in SIDES}
    return (*slots[:-1], Slot(last.start, new.end, both))


def _within(slots: tuple[Slot, ...], now: datetime, window: timedelta) -> tuple[Slot, ...]:
    return tuple(one for one in slots if now - window < one.end <= now)


def _merged(one: Mapping[float, float], other: Mapping[float, float], sign: int) -> dict[float, float]:
    found = {bound: one.get(bound, 0.0) + sign * other.get(bound, 0.0) for bound in {**one, **other}}
    return {bound: count for bound, count in sorted(found.items()) if count}


def _sides(both: Both) -> Json:
    return {side: both[side].to_json() for side in SIDES}


def _both(kept: Mapping[str, Any]) -> Both:
    return {side: Counts.from_json(kept[side]) for side in SIDES}

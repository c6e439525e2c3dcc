"""When a lane sleeps. Pure.

A lane sleeps while nobody pushed to it or used it for `lifecycle.idle`, unless it is pinned. Both are told by
`Lane.status.activeAt`, so whatever renews that wakes it: a push, a request that the waker holds, a person. A
release's lane never sleeps. It
also sleeps when it was asked to make room for another (`restAskedAt`), until it is used again.

    awake      its copies run
    dozing     its phase is Sleeping, and the router sends its requests to the waker; its copies still run,
               for those that are on their way
    asleep     its copies have no pods

Use counts only as far as it was seen: `seen_since` is when that began.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from provisioner.chain.model import Chain
from provisioner.lane.model import Lane, Phase, moment
from provisioner.status import timeline

SPARE = timedelta(minutes=5)  # a lane that nobody used for so long may be asked to make room
RENEWAL = timedelta(seconds=60)  # a note of use is renewed when it is so old


class Rest(StrEnum):
    AWAKE = "awake"
    DOZING = "dozing"
    ASLEEP = "asleep"

    @property
    def resting(self) -> bool:
        return self is not Rest.AWAKE

    @property
    def replicas(self) -> int:
        """How many pods each of the lane's workloads has."""
        return 0 if self is Rest.ASLEEP else 1


@dataclass(frozen=True)
class Sleep:
    """What a lane does, and until when if time alone changes that."""

    rest: Rest
    until: datetime | None = None

    def seconds(self, now: datetime) -> float | None:
        """After how many seconds time alone changes it; None: it does not."""
        return None if self.until is None else max(0.0, (self.until - now).total_seconds())


AWAKE = Sleep(Rest.AWAKE)


def is_idle(lane: Lane, chain: Chain, now: datetime) -> bool:
    """Whether the lane's time of idleness is over. What was not converged on yet is no idleness."""
    idle, noted = chain.lifecycle.idle, lane.status.get("activeAt")
    if lane.pinned or lane.release or not noted or timeline.pushed(lane):
        return False
    if was_asked(lane):
        return True
    return idle is not None and now - moment(noted) > idle


def was_asked(lane: Lane) -> bool:
    """Whether the lane was asked to make room, and not used since."""
    asked, noted = lane.status.get("restAskedAt"), lane.status.get("activeAt")
    return bool(asked and noted) and moment(str(asked)) >= moment(str(noted))


def longest_idle(lanes: Iterable[Lane], now: datetime) -> Lane | None:
    """The lane that should make room: the one that nobody used for longest, if that is long enough. None also
    while one that was asked has not fallen asleep yet: its room may do."""
    shown = [(found, lane) for lane in lanes if (found := signs(lane)) is not None and not found.sleeps]
    if any(found.asked for found, _ in shown):
        return None
    spare = [(found.active_at, lane) for found, lane in shown if now - found.active_at >= SPARE]
    return min(spare, key=lambda one: (one[0], one[1].name))[1] if spare else None


@dataclass(frozen=True)
class Signs:
    """What a Lane shows of its sleep: when it was used last, whether it sleeps now, and whether it was asked
    to since it was used."""

    active_at: datetime
    sleeps: bool
    asked: bool = False

    def call_for_change(self, chain: Chain, now: datetime) -> bool:
        """Whether it has to be looked at, since it sleeps and should not, or should and does not."""
        idle = chain.lifecycle.idle
        return self.sleeps != (self.asked or (idle is not None and now - self.active_at > idle))


def signs(lane: Lane) -> Signs | None:
    """None for a lane that has nothing to put to sleep, or has to be looked at for other reasons."""
    noted, services = lane.status.get("activeAt"), lane.status.get("services") or ()
    if lane.phase in (Phase.TERMINATING, Phase.PENDING, "") or lane.pinned or not noted:
        return None
    if lane.release:
        return None
    if timeline.pushed(lane) or not any(one["inLane"] for one in services):
        return None
    return Signs(moment(noted), lane.phase == Phase.SLEEPING, was_asked(lane))


def is_due(lane: Lane, chain: Chain, now: datetime) -> bool:
    """Whether a lane has to be looked at because it sleeps and should not, or should and does not."""
    shown = signs(lane)
    return shown is not None and shown.call_for_change(chain, now)


def going_on(lane: Lane, now: datetime, drain: timedelta) -> Sleep:
    """What an idle lane does: first its requests are led away, then its copies go."""
    if lane.phase != Phase.SLEEPING:
        return Sleep(Rest.DOZING, now + drain)
    began = timeline.last(lane.status.get("timeline") or (), timeline.Happening.ASLEEP)
    ends = moment(began["at"]) + drain if began else now
    return Sleep(Rest.DOZING, ends) if now < ends else Sleep(Rest.ASLEEP)


def may_begin(seen_since: datetime | None, chain: Chain, now: datetime) -> Sleep | None:
    """None when use has been seen for as long as the lane has to be idle; else how long it stays awake."""
    idle = chain.lifecycle.idle or timedelta()
    if seen_since is None:
        return Sleep(Rest.AWAKE, now + max(idle / 4, RENEWAL))
    return None if now - seen_since > idle else Sleep(Rest.AWAKE, seen_since + idle)


def renewal(chain: Chain) -> timedelta:
    """How old a note of use may get before it is renewed: a lane in use must never look idle."""
    idle = chain.lifecycle.idle
    return RENEWAL if idle is None else min(RENEWAL, idle / 3)

"""Requests that wait until the copy of a lane is awake, and what becomes of each.

Envoy holds the request itself; here is only the wait for its end:

    PASSED    the copy has a ready pod: the request goes there, also to an ancestor's. Or the lane is awake,
              and has no copy of this service, or none that can start, and is loose: the baseline answers, as
              it does any such lane
    LATE      it has none within the time
    CROWDED   so many requests wait already that this one does not
    RELEASED  nobody is there to answer, and nothing to wait for
    LEFT      this router ends; Envoy asks again, and finds the next one

All that wait for the same copy are one entry that is looked at when something changes, so a thousand of them
cost what one does.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from enum import StrEnum

from provisioner.lane.model import Mode
from provisioner.routing.envoy.endpoints import BASELINE
from provisioner.routing.intent import Endpoint, Standing, State
from provisioner.routing.router import metrics
from provisioner.routing.router.activity import Activity
from provisioner.routing.router.state import RoutingState

LOOK_SECONDS = 1.0  # a wake that could not be noted is noted again after this


@dataclass(frozen=True)
class Target:
    """A lane's copy of a service at one of its ports."""

    chain: str
    namespace: str
    service: str
    port: int
    lane: str


class Result(StrEnum):
    PASSED = "passed"
    LATE = "late"
    CROWDED = "crowded"
    RELEASED = "released"
    LEFT = "left"


@dataclass(frozen=True)
class Ending:
    """How a wait ended; `endpoint` is where the request goes, if it passed, and `served` who that is."""

    result: Result
    endpoint: Endpoint | None = None
    served: str = ""


@dataclass(frozen=True)
class Limits:
    """For how many seconds a request is held at most, and how many requests at the same time."""

    seconds: float
    requests: int


@dataclass
class _Wait:
    """Those who wait for one copy: how many, and the end that they share."""

    end: asyncio.Future[Ending]
    held: int = 0


def ending(standing: Standing, lane: str) -> Ending | None:
    """What those who wait for a lane's copy do now; None: wait on."""
    copy = standing.copy
    if copy is not None and copy.state is State.ASLEEP:
        return None
    if copy is not None and copy.endpoints:
        return Ending(Result.PASSED, random.choice(copy.endpoints), copy.origin or lane)
    if standing.baseline and (copy is None or copy.mode is Mode.LOOSE):
        return Ending(Result.PASSED, random.choice(standing.baseline), BASELINE)
    return Ending(Result.RELEASED)


class Holds:
    """Lives on the router's loop, where `run` looks at what changes."""

    def __init__(self, state: RoutingState, activity: Activity, limits: Limits) -> None:
        self._state, self._activity, self._limits = state, activity, limits
        self._waits: dict[Target, _Wait] = {}
        self._held = 0

    async def wait(self, target: Target) -> Ending:
        """Wakes the lane where that is needed, and waits for what becomes of a request."""
        if found := self._look(target):
            return found
        self._activity.wake(target.chain, target.lane)
        if self._held >= self._limits.requests:
            return Ending(Result.CROWDED)
        return await self._hold(target)

    async def run(self) -> None:
        """Ends waits until it is cancelled."""
        changed = asyncio.Event()
        self._state.join(changed)
        try:
            while True:
                await _set_within(changed, LOOK_SECONDS)
                changed.clear()
                self._look_at_all()
        finally:
            self._state.leave(changed)
            self._leave()

    async def _hold(self, target: Target) -> Ending:
        wait = self._waits.setdefault(target, _Wait(asyncio.get_running_loop().create_future()))
        self._count(wait, 1)
        try:
            return await asyncio.wait_for(asyncio.shield(wait.end), self._limits.seconds)
        except TimeoutError:
            return Ending(Result.LATE)
        finally:
            self._count(wait, -1)
            if not wait.held and self._waits.get(target) is wait:
                del self._waits[target]

    def _count(self, wait: _Wait, change: int) -> None:
        wait.held += change
        self._held += change
        metrics.HELD.set(self._held)

    def _look_at_all(self) -> None:
        for target, wait in list(self._waits.items()):
            if found := self._look(target):
                wait.end.set_result(found)
                del self._waits[target]
            else:
                self._activity.wake(target.chain, target.lane)

    def _leave(self) -> None:
        for wait in self._waits.values():
            wait.end.set_result(Ending(Result.LEFT))
        self._waits.clear()

    def _look(self, target: Target) -> Ending | None:
        where = (target.chain, target.namespace, target.service)
        standing = self._state.standing(where, target.lane, target.port)
        return None if standing is None else ending(standing, target.lane)


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    """Returns when it is set, or after `seconds`."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        pass

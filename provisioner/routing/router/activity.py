"""Notes in the cluster which lanes are used: `Lane.status.activeAt`, from which idle and ttl count.

A note on a lane that sleeps is what wakes it: its time of idleness is over, and the worker brings it back.
Who uses a lane uses its ancestors, too: they sleep after the last of their descendants, and wake with them.
Each lane is written at most once in a short time, however many requests it has, and nothing else of its
status is touched. What cannot be written is left out: the next report, or the next request, says it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from provisioner.errors import LanewayError
from provisioner.lane import sleeping
from provisioner.lane.model import moment
from provisioner.routing.router import metrics
from provisioner.routing.router.state import RoutingState

Json = dict[str, Any]
Key = tuple[str, str]  # chain, lane

SEEN = timedelta(seconds=20)  # how often it is noted that a chain's use is seen at all
BRIDGE = timedelta(seconds=5)  # until then the watch has told what was written

log = structlog.get_logger()


class Notes(Protocol):
    """`provisioner.lane.usage`: how it is written. Both block, and raise LanewayError."""

    def active(self, lane: Json, at: datetime) -> None: ...
    def seen(self, chain: str, at: datetime) -> None: ...


class Activity:
    """Lives on the router's loop, where `run` writes what the others note."""

    def __init__(self, state: RoutingState, notes: Notes, clock: Callable[[], datetime]) -> None:
        self._state, self._notes, self._clock = state, notes, clock
        self._noted: dict[Key, datetime] = {}
        self._seen: dict[str, datetime] = {}
        self._wakes: dict[Key, None] = {}
        self._uses: dict[Key, None] = {}
        self._chains: dict[str, None] = {}
        self._work = asyncio.Event()

    def report(self, chain: str, addresses: Iterable[str]) -> None:
        """An Envoy of the chain told which pods had requests since its last report."""
        if not self._is_recent(self._seen.get(chain), SEEN):
            self._chains[chain] = None
        used = {one for key in self._state.users(addresses) for one in self._line(key)}
        self._uses.update(dict.fromkeys(key for key in sorted(used) if self._is_due(key)))
        self._work.set()

    def wake(self, chain: str, lane: str) -> None:
        """A request waits for a lane that sleeps, or for one of its ancestors."""
        for key in self._line((chain, lane)):
            if self._is_due(key) and key not in self._wakes:
                metrics.WAKES.labels(chain).inc()
                self._wakes[key] = None
                self._work.set()

    def _line(self, key: Key) -> list[Key]:
        """A lane and its ancestors: who uses a lane needs what they lend it."""
        return [key, *((key[0], one) for one in self._state.ancestors(*key))]

    async def run(self) -> None:
        """Writes until it is cancelled."""
        while True:
            await self._work.wait()
            await self.settle()

    async def settle(self) -> None:
        """Writes what there is to write; whoever is waited for goes first."""
        while self._wakes or self._uses:
            await self._write(next(iter(self._wakes or self._uses)))
        for chain in tuple(self._chains):
            await self._tell_seen(chain)
        if not (self._wakes or self._uses or self._chains):
            self._work.clear()

    async def _write(self, key: Key) -> None:
        lane, now = self._state.lane(*key), self._clock()
        self._noted[key] = now
        try:
            if lane is not None:
                await asyncio.to_thread(self._notes.active, lane, now)
        except LanewayError as error:
            self._noted.pop(key, None)
            log.warning("router.use_not_noted", chain=key[0], lane=key[1], error=str(error))
        finally:
            self._wakes.pop(key, None)
            self._uses.pop(key, None)
            self._forget(now)

    async def _tell_seen(self, chain: str) -> None:
        now = self._seen[chain] = self._clock()
        try:
            await asyncio.to_thread(self._notes.seen, chain, now)
        except LanewayError as error:
            del self._seen[chain]
            log.warning("router.sight_not_noted", chain=chain, error=str(error))
        finally:
            self._chains.pop(chain, None)

    def _is_due(self, key: Key) -> bool:
        """Whether the last note, by this router or another, is old enough. One from the future, after a clock
        was put back, is no note."""
        lane = self._state.lane(*key)
        if lane is None:
            return False
        if self._is_recent(self._noted.get(key), BRIDGE):
            return False
        noted = (lane.get("status") or {}).get("activeAt")
        return noted is None or not self._is_recent(moment(noted), self._pace(key[0]))

    def _pace(self, chain: str) -> timedelta:
        """How old a note may be before it is renewed."""
        known = self._state.chains.get(chain)
        return sleeping.renewal(known) if known else sleeping.RENEWAL

    def _is_recent(self, at: datetime | None, pace: timedelta) -> bool:
        return at is not None and abs(self._clock() - at) < pace

    def _forget(self, now: datetime) -> None:
        """The Lane itself says by now when it was noted."""
        old = [key for key, at in self._noted.items() if abs(now - at) > BRIDGE]
        for key in old:
            del self._noted[key]

"""The routes of a lane in the course of one convergence, where the chain is routed by a mesh.

Before anything else the routes are made to fit the copies that are ready now: that must not wait for git. A
service that leaves the lane loses its route first, and its copy once requests that were on their way have had
`drain_seconds`; the status notes until when. For a chain of the built-in router all of this does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from provisioner.chain.model import Chain
from provisioner.copies import live
from provisioner.copies.plan import Plan, Snapshot, identity
from provisioner.errors import PermanentError
from provisioner.lane.model import Lane, moment, stamp
from provisioner.routing import drivers, probe, routed, settle
from provisioner.routing.mesh import BUILT_IN, Finding, Settled
from provisioner.world import World

Json = dict[str, Any]

ASK_AGAIN_SECONDS = 2.0  # a mesh follows a new route within a second or two; then ever less often, up to:
ASK_SELDOM_SECONDS = 300.0

# in a lane's status: the version of the routes that the mesh follows; or which it does not, and since when
CONFIRMED, UNCONFIRMED = "routesConfirmed", "routesUnconfirmed"

log = structlog.get_logger()


class LaneRoutes:
    """Of one lane, in one run."""

    def __init__(self, chain: Chain, lane: Lane, world: World) -> None:
        self._chain, self.lane, self._world = chain, lane, world
        self._leaving = _noted(lane)
        self._outside = {*self._leaving, *_outside(lane)}
        self._settled = BUILT_IN
        self._parent = ""
        self._unconfirmed: datetime | None = None  # since when the mesh is asked about these routes in vain
        self._routed_by = chain.driver.value
        self.meshed = drivers.mesh(chain.driver) is not None
        self.due = self.meshed or settle.former(chain, lane) is not None

    def follow(self) -> Lane:
        """Makes the routes fit the copies that are ready now; gives the Lane as it is then. Raises
        TemporaryError."""
        self._parent, self._routed_by = self.lane.parent, self._chain.driver.value
        try:
            self._settled = settle.settle(self._chain, self.lane, self._world, self._outside)
        except PermanentError as error:
            # another driver's routes may be there still: who forgets by whom never takes them away
            self._routed_by = self.lane.status.get(settle.ROUTED_BY, self._routed_by)
            log.warning("lane.unrouted", lane=self.lane.object_name, reason=error.reason, error=str(error))
            found = Finding("", error.reason, str(error), blocks=True)
            stale = error.reason != settle.NOT_INSTALLED  # what is not served, nobody has routes by
            self._settled = Settled((found,), meshed=self.meshed, stale=stale)
        self.lane = self._settled.lane or self.lane
        return self.lane

    def release(self, made: Plan, before: Snapshot, lane: Lane) -> tuple[Plan, Lane]:
        """Takes away the routes of services that leave the lane with this plan; the plan without the removal
        of copies that may still have requests, as those have whose routes could not be changed, and the Lane
        as it is then."""
        if not self.meshed:
            return made, lane
        self.lane = lane
        there = {live.service_of(one) for one in before.owned}
        gone = there - {live.service_of(one) for one in made.desired}
        until = self._world.now() + timedelta(seconds=self._world.settings.drain_seconds)
        self._leaving = {name: self._leaving.get(name, until) for name in gone}
        if gone != self._outside & there or lane.parent != self._parent:
            self._outside = gone
            self.follow()
        now, stale = self._world.now(), self._settled.stale
        self._leaving = {name: until for name, until in self._leaving.items() if stale or until > now}
        return _without(made, before, self._leaving), self.lane

    def told(self, found: Json, now: datetime) -> Json:
        """The lane's status with what is to be said of its routes."""
        routed_by = {settle.ROUTED_BY: self._routed_by}
        if not self.meshed:
            return found | routed_by if self._routed_by != self._chain.driver else found
        confirmed = self._confirmed(now)
        told = routed.told(found, self.lane, self._settled, now) | routed_by
        told |= confirmed
        if not self._leaving:
            return told
        leaving = [{"name": name, "until": stamp(until)} for name, until in sorted(self._leaving.items())]
        return told | {"leaving": leaving}

    def _confirmed(self, now: datetime) -> Json:
        """The version of the routes if the mesh follows them, as far as somebody here can ask it, or since
        when it does not: they are asked about once, and again while they have no effect."""
        through, there = self._world.settings.probe_through, self._settled
        before = {key: self.lane.status[key] for key in (CONFIRMED, UNCONFIRMED) if key in self.lane.status}
        if not through:
            return {}
        if there.intent is None or there.version == before.get(CONFIRMED):
            return before
        said = probe.ask(probe.questions(there.intent, self.lane.name), through)
        if not said:
            return {CONFIRMED: there.version}
        self._settled = replace(there, findings=tuple(sorted({*there.findings, *said})))
        known = before.get(UNCONFIRMED, {})
        since = known["since"] if known.get("version") == there.version else stamp(now)
        self._unconfirmed = moment(since)
        return {UNCONFIRMED: {"version": there.version, "since": since}}

    def again(self, now: datetime) -> float | None:
        """After how many seconds the next copy may be removed, or the mesh is to be asked again."""
        waits = ((until - now).total_seconds() for until in self._leaving.values())
        # while routes are stale time alone frees no copy
        left = [max(0.0, seconds) for seconds in waits if seconds > 0 or not self._settled.stale]
        if self._unconfirmed is not None:
            asked = (now - self._unconfirmed).total_seconds()
            left.append(min(ASK_SELDOM_SECONDS, max(ASK_AGAIN_SECONDS, asked)))
        return min(left, default=None)


def _noted(lane: Lane) -> dict[str, datetime]:
    """The services that are leaving the lane, and until when their copies stay."""
    return {one["name"]: moment(one["until"]) for one in lane.status.get("leaving") or ()}


def _outside(lane: Lane) -> set[str]:
    """The services of which the last run made no copy: what of one is left is about to go."""
    return {one["name"] for one in lane.status.get("services") or () if not one.get("inLane")}


def _without(made: Plan, before: Snapshot, held: Mapping[str, datetime]) -> Plan:
    services = {identity(one): live.service_of(one) for one in before.owned}
    kept = tuple(
        one for one in made.removals if services.get((one.kind, one.namespace, one.name)) not in held
    )
    return replace(made, removals=kept)

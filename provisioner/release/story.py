"""The story of a release: it goes one step further, as far as what is true now allows.

`advance` reads what is true, asks the machine what to do, and does that in one order:

1. a Release that must not vanish is held
2. its lane is made as it has to be, or is let end
3. the status is written, which is what moves requests
4. in a mesh, routes follow the status
5. the baseline gets its images, all services right after one another
6. a Release that need not be held is let go

Every write is conditional on what was read, so whoever overslept gets a conflict and reads anew; whatever was
done half is seen by the next run as what is left to do. It never waits: `Outcome.again` says when to look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from provisioner import labels
from provisioner.chain.model import Chain
from provisioner.errors import PermanentError
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane, Mode
from provisioner.release import analysis, baseline, machine, reading, store, urging
from provisioner.release.baseline import Order
from provisioner.release.model import Phase, Release, object_name
from provisioner.release.observed import Decision, Measured, Seen
from provisioner.release.reading import View
from provisioner.routing import drivers, mesh, settle
from provisioner.status import announce
from provisioner.world import World

Json = dict[str, Any]
Measure = Callable[[Release, Chain, World, datetime], Measured]

BLOCKED_SECONDS = 30.0  # after this long is looked again whether somebody has mended what is in the way
REFUSED_SECONDS = 5.0  # after this long a write is tried again that the cluster has refused
_GOING_UP = (Phase.PROGRESSING, Phase.PAUSED)
_MEASURED = (*_GOING_UP, Phase.FINISHING)

log = structlog.get_logger()


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `before` and `after` are the Release when it was read and as it is now, None where it
    is gone; `again` says after how many seconds to look though nothing happens. `lane`: its lane was written
    and has to converge."""

    name: str
    before: Release | None = None
    after: Release | None = None
    again: float | None = None
    lane: bool = False

    @property
    def told(self) -> bool:
        """Whether its status says something new."""
        return self.before is not None and self.after is not None and self.before.status != self.after.status

    @property
    def ended(self) -> bool:
        """Whether it is over since this run: the next one in the queue may begin."""
        return self.told and self.after is not None and self.after.phase.over

    @property
    def fell(self) -> bool:
        """Whether this run took its share of the requests away."""
        return (
            self.told
            and self.before is not None
            and self.after is not None
            and self.before.weight > self.after.weight == 0
        )


def advance(chain: Chain, name: str, world: World, measure: Measure = analysis.measure) -> Outcome:
    """Takes one release as far as it gets now. Raises TemporaryError when it must be tried again; what only
    a person can change is said in the release's status, and looked at again from time to time."""
    return lanes.on_conflict(lambda: _advance(chain, name, world, measure))


def _advance(chain: Chain, name: str, world: World, measure: Measure) -> Outcome:
    release = store.read(world.cluster, chain.name, name)
    if release is None:
        return Outcome(object_name(chain.name, name))
    run = _Run(release, chain, world)
    try:
        return run.advance(measure)
    except PermanentError as problem:
        return run.blocked(problem)


class _Run:
    """One step of one release."""

    def __init__(self, release: Release, chain: Chain, world: World) -> None:
        self._release, self._chain, self._world = release, chain, world
        self._cluster = world.cluster
        self._meshed = drivers.mesh(chain.driver) is not None

    def advance(self, measure: Measure) -> Outcome:
        view = reading.view(self._release, self._chain, self._world, self._routes())
        decision = machine.advance(self._release, view.seen, self._world.now())
        if self._is_measured(decision):
            measured = measure(self._release, self._chain, self._world, self._world.now())
            view = replace(view, seen=replace(view.seen, measured=measured))
            decision = machine.advance(self._release, view.seen, self._world.now())
        return self._carry_out(view, decision)

    def blocked(self, problem: PermanentError) -> Outcome:
        """Says what keeps it from going on; nothing else of its status changes, so that its share stays.
        Where somebody has asked it to end, that goes all the same: it is one write, and needs nothing else.
        """
        release = self._release
        if (release.aborted or release.going) and release.weight and release.phase in _GOING_UP:
            status = machine.advance(release, Seen(lane=True), self._world.now()).status
            after = store.write_status(self._cluster, release, status)
            announce.release_news(self._cluster, release, status)
            return Outcome(release.object_name, release, after, again=0.0)
        log.warning("release.blocked", release=release.object_name, reason=problem.reason, error=str(problem))
        message = f"it cannot go on: {problem}"
        told = {"phase": release.phase.value, **release.status, "message": message}
        after = store.write_status(self._cluster, release, told)
        if release.status.get("message") != message:
            self._tell(problem.reason, message)
        return Outcome(release.object_name, release, after, BLOCKED_SECONDS)

    def _tell(self, reason: str, message: str) -> None:
        about = announce.about_release(self._release)
        announce.tell(self._cluster, about, reason, message, self._world.now(), warning=True)

    def _is_measured(self, decision: Decision) -> bool:
        """Whether what is measured can matter: what ends the release anyway does not wait for that."""
        return bool(self._release.weight and decision.weight) and decision.phase in _MEASURED

    def _routes(self) -> str:
        """What is wrong with the lane's routes in a mesh: before the first share whether there is room for
        one; later whether it has an effect, for which the routes are brought up to date."""
        if not self._meshed or self._release.phase.over:
            return ""
        if self._release.phase is Phase.PENDING:
            return settle.trial(self._chain, self._release, self._world)
        return self._settled()

    def _settled(self) -> str:
        lane = reading.own_lane(self._release, self._cluster)[0]
        if lane is None or not lane.release:
            return ""
        settled = settle.settle(self._chain, lane, self._world)
        services = {self._chain.entry.service, *(one.service for one in self._release.changes)}
        return mesh.unshared(settled.findings, services)

    def _carry_out(self, view: View, decision: Decision) -> Outcome:
        release, cluster = self._release, self._cluster
        if decision.hold and not release.going:
            release = store.hold(cluster, release)
        written = self._make_lane(view.lane, decision)
        after = store.write_status(cluster, release, decision.status)
        announce.release_news(cluster, self._release, decision.status)
        if self._meshed and after.status != self._release.status:
            self._settled()
        refused = self._write_baseline(view, decision)
        if not decision.hold:
            after = store.let_go(cluster, after)
        log.info("release.advanced", release=release.object_name, phase=after.phase, weight=after.weight)
        times = (decision.again, REFUSED_SECONDS if refused else None)
        again = min((one for one in times if one is not None), default=None)
        return Outcome(release.object_name, self._release, after, again, written)

    def _make_lane(self, lane: Lane | None, decision: Decision) -> bool:
        """Whether its lane was written: made, resized, or let end as one that nothing holds open."""
        release = self._release
        if decision.lane is None:
            wanted = lane and replace(lane, release="", fixed=())
        elif lane is None:
            wanted = Lane(
                release.chain, release.name, mode=Mode.MEMBERS, release=release.name, fixed=decision.lane
            )
        else:
            wanted = replace(lane, mode=Mode.MEMBERS, release=release.name, fixed=decision.lane)
        if wanted is None or wanted == lane:
            return False
        lanes.write(self._cluster, wanted, _owner(release))
        return True

    def _write_baseline(self, view: View, decision: Decision) -> bool:
        """Whether the cluster refuses what is to be written. Several images are written only when none is
        refused: all of them are tried without effect first."""
        services = {service.name: service for service in self._chain.services}
        orders = [Order(services[one.service], view.found[one.service], one) for one in decision.patches]
        try:
            for order in orders:
                baseline.rehearse(order, self._cluster)
            for order in orders:
                baseline.carry_out(order, self._cluster)
            for name in sorted(urging.due(self._release, decision, view.seen)):
                baseline.urge(services[name], view.found[name], self._cluster)
        except PermanentError as error:
            log.warning("release.refused", release=self._release.object_name, error=str(error))
            self._tell("BaselineRefused", str(error))
            return True
        return False


def _owner(release: Release) -> Json:
    """The reference by which a release's lane goes with its Release."""
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "Release",
        "name": release.object_name,
        "uid": release.uid,
        "controller": True,
    }

"""Brings the routes of one lane to where they should be, in a chain that is routed by a mesh.

`settle` reads which copies are ready, asks the driver what has to be, and writes what differs; `withdraw`
takes all routes of a lane away. Neither does anything for a chain of the built-in router, not even a
request. What is written in which order, and under which condition, is in `routing.writing`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from provisioner import labels
from provisioner.chain.model import Chain
from provisioner.chain.model import Driver as Named
from provisioner.cluster import Cluster, NotFoundError
from provisioner.errors import PermanentError
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane, Mode
from provisioner.release import store as releases
from provisioner.release.model import Phase, Release
from provisioner.routing import drivers, lineage, mesh, mesh_intent, share
from provisioner.routing.intent import ChainIntent, State
from provisioner.routing.mesh import BUILT_IN, Driver, Existing, Responder, Settled
from provisioner.routing.slices import Slice, read_slice
from provisioner.routing.writing import Writing
from provisioner.settings import Settings
from provisioner.world import World

Json = dict[str, Any]

NOT_OF_A_LANE = f"!{labels.LANE}"

ROUTED_BY = "routedBy"  # in a lane's status: the driver that made its routes
NOT_INSTALLED = "MeshNotInstalled"
MOST_ROUNDS = 3

log = structlog.get_logger()


def settle(chain: Chain, lane: Lane, world: World, leaving: Collection[str] = ()) -> Settled:
    """Makes the lane's routes what they should be now; services that are `leaving` the lane lose theirs, and
    those that another driver made for it go. Raises TemporaryError when it must be tried again,
    PermanentError when the mesh is not installed."""
    before, driver = former(chain, lane), drivers.mesh(chain.driver)
    if before is not None:
        _withdraw(before, chain, lane, world)
    if driver is None:
        return BUILT_IN
    job = _Settling(driver, chain, lane, world)
    return lanes.on_conflict(lambda: job.settle(leaving))


def withdraw(chain: Chain, lane: Lane, world: World) -> None:
    """Takes the lane's routes away, by whichever driver they were made."""
    for driver in (former(chain, lane), drivers.mesh(chain.driver)):
        if driver is not None:
            _withdraw(driver, chain, lane, world)


def forget(chain: Chain, lane: str, world: World) -> None:
    """Takes out what shared routes still say of a lane that is gone: where somebody took its finalizer away
    the rest went with it. Where lanes share nothing, nothing is asked."""
    driver = drivers.mesh(chain.driver)
    if driver is not None and driver.shares:
        _withdraw(driver, chain, Lane(chain.name, lane), world)


def trial(chain: Chain, release: Release, world: World) -> str:
    """Why a release could take no requests with the routes that users have in the mesh now, and what to do;
    empty where it could. Writes nothing. Raises as `settle`."""
    driver = drivers.mesh(chain.driver)
    if driver is None:
        return ""
    own = [{"name": one.service, "inLane": True} for one in release.changes]
    status = {"services": own}
    lane = Lane(chain.name, release.name, mode=Mode.MEMBERS, release=release.name, uid="none", status=status)
    return _Settling(driver, chain, lane, world).trial(release)


def former(chain: Chain, lane: Lane) -> Driver | None:
    """The driver by which a lane is routed still, where the chain has another one by now."""
    by = lane.status.get(ROUTED_BY, chain.driver)
    return drivers.mesh(Named(by)) if by != chain.driver else None


def _withdraw(driver: Driver, chain: Chain, lane: Lane, world: World) -> None:
    """Shared objects may be restored in several steps, each over what the one before it left."""
    job = _Settling(driver, chain, lane, world)
    for _ in range(MOST_ROUNDS if driver.finalizer else 1):
        if not lanes.on_conflict(job.withdraw).changed:
            break


class _Settling:
    """Of one lane with one driver. Each `settle` and `withdraw` looks at the cluster anew."""

    def __init__(self, driver: Driver, chain: Chain, lane: Lane, world: World) -> None:
        self._driver, self._chain, self._lane, self._cluster = driver, chain, lane, world.cluster
        self._responder = _responder(world.settings)
        self._withdraws = False

    def settle(self, leaving: Collection[str]) -> Settled:
        # before all that routes are made from: who read that too early finds these written since, and starts
        # again, instead of writing over what somebody made from what was so later
        existing = self._existing()
        find = partial(lanes.read, self._cluster, self._chain.name)
        above, _ = lineage.line(self._lane.name, self._lane.parent, find)
        family = [self._lane, *above.values()]
        slices = [
            one
            for one in _slices(self._chain, family, self._cluster)
            if one.lane != self._lane.name or one.service not in leaving
        ]
        return self._bring(existing, slices, family)

    def withdraw(self) -> Settled:
        self._withdraws = True
        return self._bring(self._existing(), [], [])

    def trial(self, release: Release) -> str:
        existing = self._existing()
        names = {one.service for one in release.changes}
        slices = mesh_intent.everywhere(self._chain, existing.services, self._lane.name, names)
        status = {"phase": Phase.PROGRESSING.value, "weight": 50}
        taking = replace(release, status=status)
        intent = mesh_intent.build(self._chain, existing.services, slices, [self._lane], taking)
        found = self._driver.compile(intent, replace(existing, owned=())).findings
        return mesh.unshared(found, {*names, self._chain.entry.service})

    def _bring(self, existing: Existing, slices: list[Slice], family: list[Lane]) -> Settled:
        release = None if self._withdraws else self._release()
        intent = mesh_intent.build(self._chain, existing.services, slices, family, release)
        compiled = self._driver.compile(intent, existing)
        if (compiled.shared or (self._driver.finalizer and compiled.own)) and family:
            self._lane = lanes.hold(self._cluster, self._lane)
        writing = Writing(self._cluster)
        owned = writing.write(compiled, existing)
        refused = {found for one in owned if (found := self._driver.accepted(one))}
        findings = {*compiled.findings, *writing.findings, *refused}
        if writing.changed:
            log.info("lane.routed", lane=self._lane.object_name, routes=len(owned))
        ready = _with_a_copy(intent, self._lane.name)
        routed = ready - {one.service for one in findings if one.blocks}
        said, version = tuple(sorted(findings)), _version(owned)
        return Settled(said, writing.changed, True, routed, self._lane, intent, version, writing.stale)

    def _release(self) -> Release | None:
        """The release that may take untagged requests, where these routes have to know of it."""
        if not (self._lane.release or self._driver.heeds_releases):
            return None
        try:
            return share.running(releases.every(self._cluster, self._chain.name))
        except NotFoundError:
            return None  # a cluster that does not know releases has none

    def _existing(self) -> Existing:
        of_lane = f"{labels.CHAIN}={self._lane.chain},{labels.LANE}={self._lane.name}"
        return Existing(
            lanes={self._lane.name: self._lane},
            services=self._listed(("Service",), NOT_OF_A_LANE),
            theirs=self._listed(self._driver.reads, NOT_OF_A_LANE),
            owned=self._listed(self._driver.owns, of_lane),
            responder=self._responder,
            named=self._named(),
        )

    def _named(self) -> frozenset[str]:
        if not (self._lane.release and self._driver.heeds_releases) or self._withdraws:
            return frozenset()
        return frozenset(one.name for one in lanes.every(self._cluster, self._chain.name))

    def _listed(self, kinds: Iterable[str], selector: str) -> tuple[Json, ...]:
        return tuple(
            one
            for kind in kinds
            for namespace in self._chain.namespaces
            for one in self._list(kind, namespace, selector)
        )

    def _list(self, kind: str, namespace: str, selector: str) -> list[Json]:
        needed = next((one for one in self._driver.requires if one.kind == kind), None)
        try:
            return self._cluster.list(kind, namespace, selector)
        except NotFoundError as error:
            if needed is None:
                raise
            if needed.optional or self._withdraws:
                return []  # what a cluster does not serve, nobody can have routes by
            raise PermanentError(
                f"this cluster does not serve {needed.path}, which routing by {self._chain.driver} needs; "
                f"install the definition {needed.definition} with version {needed.version}",
                reason=NOT_INSTALLED,
            ) from error


def _responder(settings: Settings) -> Responder | None:
    """Where requests for a missing copy of a strict lane are answered; None where nothing does."""
    name, ports = settings.responder_service, (settings.responder_port, settings.responder_grpc_port)
    return Responder(name, settings.namespace, *ports) if name else None


def _with_a_copy(intent: ChainIntent, lane: str) -> frozenset[str]:
    """The services at which a copy answers the lane's requests, its own or an ancestor's."""
    return frozenset(
        service.name
        for service in intent.services
        for port in service.ports
        for copy in port.copies
        if copy.lane == lane and copy.state is State.READY
    )


def _version(owned: Iterable[Json]) -> str:
    """Changes with what a lane owns in the mesh."""
    hashes = sorted(one["metadata"]["annotations"][labels.SPEC_HASH] for one in owned)
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:12]


def _slices(chain: Chain, family: Iterable[Lane], cluster: Cluster) -> list[Slice]:
    """The EndpointSlices of the lanes' copies."""
    names = ",".join(sorted(one.name for one in family))
    selector = f"{labels.CHAIN}={chain.name},{labels.LANE} in ({names})"
    return [
        found
        for namespace in chain.namespaces
        for obj in cluster.list("EndpointSlice", namespace, selector)
        if (found := read_slice(obj))
    ]

"""Reads all that a release is decided by: its lane, its copies, the baseline, and who else wants to release.

Nothing is written. What `story` is to write is written only over what was read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from provisioner.chain.model import Chain, Service
from provisioner.cluster import Cluster
from provisioner.lane.model import Lane, moment, object_name
from provisioner.release import baseline, copied, entering, refusals, store, workloads
from provisioner.release.found import Found
from provisioner.release.model import Phase, Reason, Release
from provisioner.release.observed import Seen
from provisioner.routing import drivers
from provisioner.status.readiness import Clock
from provisioner.world import World

_BEFORE_THE_END = (Phase.PENDING, Phase.PROGRESSING, Phase.PAUSED)


@dataclass(frozen=True)
class View:
    """What is true now, and the objects that it was read from. `lane` is the release's own, None where it has
    none; `found` are the workloads of the baseline, by service."""

    seen: Seen
    lane: Lane | None = None
    found: Mapping[str, Found] = field(default_factory=dict)


def view(release: Release, chain: Chain, world: World, routes: str = "") -> View:
    """All that is seen of a release; of one that is over, only its lane. `routes` is what was found to be
    wrong with its lane's, in a mesh. Raises ClusterError."""
    return _Reader(release, chain, world).view(routes)


class _Reader:
    def __init__(self, release: Release, chain: Chain, world: World) -> None:
        self._release, self._chain, self._cluster = release, chain, world.cluster
        self._now = world.now()
        self._drain = timedelta(seconds=world.settings.drain_seconds)
        self._clock = Clock(self._now, timedelta(seconds=world.settings.image_pending_seconds))

    def view(self, routes: str) -> View:
        lane, taken = own_lane(self._release, self._cluster)
        if self._release.phase.over:
            return View(Seen(lane=lane is not None), lane)
        known = {service.name: service for service in self._chain.services}
        released = [known[one.service] for one in self._release.changes if one.service in known]
        found = baseline.read(released, self._cluster)
        refused, refusal = self._refusal(released, found)
        refusal = refusal or taken or routes
        readable = [
            one for one in released if one.name in found and not workloads.refusal(one, found[one.name])
        ]
        seen = Seen(
            copies=copied.read(self._chain, lane, self._cluster, self._clock) if lane else {},
            baseline={one.name: workloads.read(one, found[one.name], self._clock) for one in readable},
            lane=lane is not None,
            drained=lane is None or self._has_long_been(0),
            emptied=self._has_long_been(100),
            refusal=refusal,
            refused=refused,
            ahead=self._ahead(),
            callers=self._callers(bool(refusal)),
            warnings=refusals.warnings(released, found),
        )
        return View(seen, lane, found)

    def _refusal(self, released: list[Service], found: Mapping[str, Found]) -> tuple[Reason, str]:
        """Why it cannot run at all; looked at as long as that can end it. The baseline only counts before it
        began: later it is a change, about which somebody is asked."""
        release, chain = self._release, self._chain
        if release.phase not in _BEFORE_THE_END:
            return Reason.REFUSED, ""
        if why := refusals.of_chain(chain, release.changes) or drivers.release_refusal(
            chain, release.strategy
        ):
            return Reason.REFUSED, why
        if release.phase is Phase.PENDING and (why := refusals.of_baseline(released, found)):
            return Reason.REFUSED, why
        return Reason.NOT_ATTACHED, entering.refusal(chain, release.changes, self._cluster)

    def _callers(self, refused: bool) -> tuple[str, ...]:
        """Who does not pass the entry: looked for until it begins, and told as it was then."""
        if refused or self._release.phase is not Phase.PENDING:
            return tuple(self._release.status.get("callers") or ())
        return entering.callers(self._chain, self._release.changes, self._cluster)

    def _ahead(self) -> str:
        """The release of the chain that runs before this one: one that has begun, or is older."""
        if self._release.phase is not Phase.PENDING:
            return ""
        others = [
            one
            for one in store.every(self._cluster, self._chain.name)
            if one.uid != self._release.uid and not one.phase.over
        ]
        mine = _turn(self._release)
        return next((one.name for one in sorted(others, key=_turn) if _turn(one) < mine), "")

    def _has_long_been(self, weight: int) -> bool:
        """Whether the lane has had that share for as long as requests of before may be on their way."""
        since = self._release.status.get("weightAt")
        if self._release.weight != weight:
            return False
        return since is None or self._now - moment(since) >= self._drain


def own_lane(release: Release, cluster: Cluster) -> tuple[Lane | None, str]:
    """The lane that belongs to this very Release; and why the release cannot have one, where its name is
    taken by another."""
    found = cluster.get("Lane", object_name(release.chain, release.name))
    if found is None:
        return None, ""
    owners = {one["uid"] for one in found["metadata"].get("ownerReferences") or ()}
    if release.uid in owners:
        return Lane.from_object(found), ""
    if owners:
        return None, ""  # an earlier release of the name had it, and the cluster collects it
    return (
        None,
        f"lane {release.name} is there already, and not this release's; give the release another name",
    )


def _turn(release: Release) -> tuple[bool, str, str]:
    """Whose turn it is: those that have begun are first, then the oldest."""
    return (release.phase is Phase.PENDING, *store.age(release))

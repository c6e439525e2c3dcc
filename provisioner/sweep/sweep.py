"""The nightly clean-up: whatever was lost or late, afterwards the lanes are those that are held open.

`survey` says what has to be done; here it is done, one lane after the other, by conditional writes. What ends
is buried before it is taken out of its Lane, as a closing that was delivered would be. A lane without members
then closes the usual way: it converges, and takes its routes away before its copies. A real run does what a
dry run at the same moment says, since both begin with the same survey.

One sweep runs at a time (a Lease); two would do no harm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import structlog

from provisioner import labels
from provisioner.chain.model import Chain
from provisioner.copies.plan import Removal
from provisioner.errors import ConflictError
from provisioner.events import ForgeEvent
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane
from provisioner.lane.record import record
from provisioner.release.model import Release
from provisioner.status import announce
from provisioner.sweep import lease, retention, survey
from provisioner.sweep.lease import Held, Place
from provisioner.sweep.retention import Action, Ended, Finding
from provisioner.sweep.rows import Stale
from provisioner.sweep.survey import Survey
from provisioner.world import World

Json = dict[str, Any]
Enqueue = Callable[[str, str], object]  # chain, lane or release

LEASE = "laneway-sweep"

log = structlog.get_logger()


@dataclass(frozen=True)
class Report:
    """What a sweep did, or would do. `brake` is empty unless it went on; `forgotten` counts old facts in
    ledgers."""

    dry_run: bool
    lanes: int
    brake: str
    findings: tuple[Finding, ...]
    forgotten: int

    def counts(self) -> Counter[tuple[Action, retention.Why]]:
        """How often each thing was found."""
        return Counter((one.action, one.why) for one in self.findings)

    def to_json(self) -> Json:
        return {
            "dryRun": self.dry_run,
            "lanes": self.lanes,
            "brake": self.brake,
            "findings": [one.to_json() for one in self.findings],
            "forgotten": self.forgotten,
        }


def sweep(
    chains: Iterable[Chain],
    world: World,
    *,
    dry_run: bool,
    confirm: bool,
    enqueue: Enqueue,
    advance: Enqueue = lambda chain, name: None,
) -> Report:
    """Sweeps all lanes once. `enqueue` is asked for the convergences that are due, `advance` for a look at
    each release that is not over.

    Raises lease.HeldError when another sweep runs, ConflictError when this one lost its Lease, ClusterError.
    """
    known = {chain.name: chain for chain in chains}
    if dry_run:
        return _report(survey.take(known.values(), world, confirm=confirm), dry_run=True)
    place = Place(world.settings.namespace, LEASE)
    with lease.hold(world.cluster, place, world.now) as held:
        found = survey.take(known.values(), world, confirm=confirm, alive=held.renew)
        _Sweeper(known, world, held, enqueue).carry_out(found)
        for chain, name in found.releases.active:
            advance(chain, name)
        report = _report(found, dry_run=False)
        announce.tell(world.cluster, held.found, *_summary(report), world.now())
    log.info("sweep.done", lanes=report.lanes, brake=report.brake, **_counted(report))
    return report


class _Sweeper:
    def __init__(self, chains: Mapping[str, Chain], world: World, held: Held, enqueue: Enqueue) -> None:
        self._chains, self._world, self._held, self._enqueue = chains, world, held, enqueue

    def carry_out(self, found: Survey) -> None:
        for chain in self._chains.values():
            self._bury(chain, [stale for stale in found.stale if stale.lane.chain == chain.name])
        for stale in found.stale:
            self._held.renew()
            self._drop(stale)
        for lane in found.unlabelled:
            self._label(lane)
        for lane in found.releases.orphaned:
            self._disown(lane)
        for release in found.releases.old:
            self._held.renew()
            self._remove(_removal(release))
        for chain_name, event in found.missing:
            self._held.renew()
            self._take_in(self._chains[chain_name], event)
        for removal in found.lost:
            self._held.renew()
            self._remove(removal)
        for chain_name, lane_name in found.converge:
            self._enqueue(chain_name, lane_name)
        self._forget(found.old)

    def _bury(self, chain: Chain, stale: Iterable[Stale]) -> None:
        due = {
            (one.lane.name, member): at
            for one in stale
            for member, at in retention.tombstones(one.endings).items()
        }
        self._world.ledger(chain).bury_all(due)

    def _drop(self, stale: Stale) -> None:
        """Takes out the members that ended; those that came or changed since they were judged stay."""
        seen = [stale.lane]
        written = lanes.on_conflict(lambda: self._without(stale, seen.pop() if seen else None))
        self._enqueue(stale.lane.chain, stale.lane.name)
        if written is not None:
            self._tell(written, stale.endings)

    def _take_in(self, chain: Chain, event: ForgeEvent) -> None:
        """As if the delivery that was lost had come."""
        for found in record(event, chain, self._world):
            self._enqueue(chain.name, found.lane)

    def _without(self, stale: Stale, seen: Lane | None) -> Lane | None:
        """Writes the lane as it was seen, or, after a conflict, as it is now; None when nothing is to do."""
        lane = seen or lanes.read(self._world.cluster, stale.lane.chain, stale.lane.name)
        if lane is None or lane.uid != stale.lane.uid:
            return None
        left = retention.without(lane, stale.endings)
        return None if left.members == lane.members else lanes.write(self._world.cluster, left)

    def _tell(self, lane: Lane, endings: Sequence[Ended]) -> None:
        reason = endings[-1].why.value
        message = "; ".join(f"{one.member.key} left: {one.message}" for one in endings)
        announce.tell(self._world.cluster, announce.about(lane), reason, message, self._world.now())
        log.info("sweep.dropped", lane=lane.object_name, reason=reason, message=message)

    def _disown(self, lane: Lane) -> None:
        """Lets a lane end whose release is gone. One that was written meanwhile is looked at next time."""
        try:
            lanes.write(self._world.cluster, replace(lane, release="", fixed=()))
        except ConflictError as error:
            log.info("sweep.spared", kind="Lane", name=lane.object_name, why=error.message)
        self._enqueue(lane.chain, lane.name)

    def _label(self, lane: Lane) -> None:
        metadata = {"labels": labels.of_lane(lane.chain, lane.name), "uid": lane.uid}
        self._world.cluster.merge("Lane", lane.object_name, {"metadata": metadata})

    def _remove(self, removal: Removal) -> None:
        """An object that was written meanwhile is somebody's; the next sweep looks at it again."""
        try:
            self._world.cluster.delete(
                removal.kind,
                removal.name,
                removal.namespace,
                uid=removal.uid,
                resource_version=removal.resource_version,
            )
        except ConflictError as error:
            log.info("sweep.spared", kind=removal.kind, name=removal.name, why=error.message)

    def _forget(self, old: Mapping[str, int]) -> None:
        before = self._world.now() - timedelta(days=self._world.settings.tombstone_days)
        for name in old:
            self._world.ledger(self._chains[name]).prune(before)


def _removal(release: Release) -> Removal:
    return Removal("Release", "", release.object_name, release.uid, release.resource_version)


def _report(found: Survey, *, dry_run: bool) -> Report:
    return Report(dry_run, found.lanes, found.brake, found.findings, sum(found.old.values()))


def _summary(report: Report) -> tuple[str, str]:
    """Reason and message of the Event that tells of a sweep."""
    told = ", ".join(f"{key} {count}" for key, count in _counted(report).items()) or "nothing to do"
    if report.brake:
        return "SweepStopped", f"nothing was removed: {report.brake}; to confirm: laneway sweep --confirm"
    return "Swept", f"{report.lanes} lanes: {told}"


def _counted(report: Report) -> dict[str, int]:
    counts = sorted(report.counts().items())
    return {f"{action.replace(' ', '_')}:{why}": count for (action, why), count in counts}

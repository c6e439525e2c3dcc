"""Folds a forge's event into the cluster, which makes it durable before anything else happens."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from provisioner.chain.model import Chain
from provisioner.events import ForgeEvent, Kind
from provisioner.lane import decision
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane, object_name
from provisioner.world import World

log = structlog.get_logger()


@dataclass(frozen=True)
class Recorded:
    """A lane that has to converge; `written` is the Lane itself where the event has just changed it."""

    lane: str
    written: Lane | None = None


def record(event: ForgeEvent, chain: Chain, world: World) -> tuple[Recorded, ...]:
    """Writes what the event means for its lane. Returns the lanes that have to converge.

    Where its forge can be asked, what it says of the pull request now counts instead of the event. Safe to
    run concurrently and repeatedly: the Lane is written conditionally, a tombstone before it.
    """
    event = world.forges.latest(event, chain)
    name = decision.lane_of(event, chain)
    if event.kind is Kind.DELETED and _exists(event, chain, world):
        log.info("event.outlived", repository=event.repository, ref=event.ref)
        return (Recorded(name),)
    return lanes.on_conflict(lambda: _record(name, event, chain, world))


def _record(name: str, event: ForgeEvent, chain: Chain, world: World) -> tuple[Recorded, ...]:
    lane = lanes.read(world.cluster, chain.name, name)
    ledger = world.ledger(chain)
    tombstones = ledger.read(name).tombstones if _may_open(lane, event) else {}
    made = decision.fold(lane, event, chain, tombstones)
    log.info("event.recorded", lane=object_name(chain.name, name), reason=made.reason, message=made.message)
    if made.tombstone:
        ledger.bury(name, *made.tombstone)
    if made.waiting:
        ledger.wait(name, decision.member_key(event), event)
    if made.lane is None:
        return () if lane is None else (Recorded(name),)
    written = lanes.write(world.cluster, made.lane)
    return (Recorded(name, written),)


def _exists(event: ForgeEvent, chain: Chain, world: World) -> bool:
    """Whether the branch that was deleted is there (again): then the delivery is late, and its time, which is
    the receiver's, says nothing."""
    repository = chain.repository(event.repository)
    return repository is not None and event.ref in world.repositories.heads(repository)


def _may_open(lane: Lane | None, event: ForgeEvent) -> bool:
    """Whether the event could bring in a pull request that the lane does not hold: only then are tombstones
    worth reading."""
    known = lane is not None and lane.member(decision.member_key(event)) is not None
    return event.kind in (Kind.OPENED, Kind.UPDATED) and not known

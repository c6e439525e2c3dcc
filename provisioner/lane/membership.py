"""Holds the members in a Lane's spec against what is known elsewhere, before a lane converges or closes.

A member leaves its lane by an ending, and every ending is noted in the ledger before the Lane is written. So
two things can be told from the spec, the status of the last run and the ledger alone: a member that ended and
is still there leaves, and one that is not there any more and never ended was taken out by hand and is put
back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import structlog

from provisioner.chain.model import Chain
from provisioner.lane import decision
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane, Member
from provisioner.status import announce
from provisioner.status.timeline import Happening
from provisioner.world import World

log = structlog.get_logger()


def agreed(lane: Lane, chain: Chain, world: World, *, just_ended: bool) -> Lane:
    """The lane with the members that it should have, written where its spec said otherwise.

    `just_ended`: the caller has taken the last member out himself. Raises ConflictError when the Lane was
    written meanwhile, ClusterError.

    Once a spec was observed the ledger has nothing to add to it: who notes an ending after that finds the
    Lane himself. Before that, an `opened` that was folded in at the same moment as its `closed` elsewhere may
    have written its Lane without knowing of it.
    """
    if lane.release:
        return lane
    candidates = decision.absent(lane, chain)
    if just_ended and len(candidates) <= 1:
        return lane
    if lane.status.get("observedGeneration") == lane.generation or not (lane.members or candidates):
        return lane
    tombstones = world.ledger(chain).read(lane.name).tombstones
    back = decision.still_open(candidates, tombstones)
    left = decision.still_open(lane.members, tombstones)
    if not back and left == lane.members:
        return lane
    return _written(replace(lane, members=left), back, world)


def taken_out(lane: Lane, chain: Chain, tombstones: Mapping[str, datetime]) -> tuple[Member, ...]:
    """The members that somebody took out of the spec by hand. Pure."""
    return decision.still_open(decision.absent(lane, chain), tombstones)


def _written(lane: Lane, back: tuple[Member, ...], world: World) -> Lane:
    for member in back:
        lane = lane.with_member(member)
    written = lanes.write(world.cluster, lane)
    if back:
        _tell(written, back, world)
    return written


def _tell(lane: Lane, back: tuple[Member, ...], world: World) -> None:
    keys = ", ".join(member.key for member in back)
    message = f"{keys} was taken out of spec.members and is open; to end a lane, close its pull request"
    log.warning("lane.members_put_back", lane=lane.object_name, members=keys)
    announce.tell(world.cluster, announce.about(lane), Happening.PUT_BACK, message, world.now(), warning=True)

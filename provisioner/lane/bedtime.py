"""Asks the cluster whether an idle lane may sleep: one request, and only when it would begin to."""

from __future__ import annotations

from datetime import timedelta

from provisioner.chain.model import Chain
from provisioner.lane import sleeping, usage
from provisioner.lane.model import Lane, Phase
from provisioner.lane.sleeping import AWAKE, Sleep
from provisioner.world import World


def sleep(chain: Chain, lane: Lane, world: World) -> Sleep:
    """What a lane does now, which has copies."""
    now = world.now()
    if not sleeping.is_idle(lane, chain, now):
        return AWAKE
    if lane.phase != Phase.SLEEPING and not sleeping.was_asked(lane):
        seen_since = usage.seen_since(world.cluster, world.settings.namespace, chain.name, now)
        if (stays := sleeping.may_begin(seen_since, chain, now)) is not None:
            return stays
    return sleeping.going_on(lane, now, timedelta(seconds=world.settings.drain_seconds))

"""Asks the cluster whether a lane may start, in as few requests as the chain's limits allow.

With `lifecycle.when_full: sleep` a lane that has to wait asks the longest idle one to make room, and looks
again.

One request as long as the chain has no more lanes than it may have, and no other limit; else the lanes of the
chain, or, where there is a limit for all of them, of all chains. A lane that was let in is never asked about.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import structlog

from provisioner import labels, snapshot
from provisioner.chain.model import Chain, WhenFull
from provisioner.cluster import NotFoundError
from provisioner.errors import ConflictError
from provisioner.lane import admission, sleeping, usage
from provisioner.lane import store as lanes
from provisioner.lane.admission import Holding, Limit, Wait
from provisioner.lane.model import Lane
from provisioner.world import World

log = structlog.get_logger()


def wait(chain: Chain, lane: Lane, pods: int, world: World) -> Wait | None:
    """Why a lane that wants so many pods has to wait; None when it may start, or runs already. A release's is
    bounded by its baseline alone."""
    if lane.release or admission.is_admitted(lane) or _is_roomy(chain, world):
        return None
    total = world.settings.max_lanes_total
    others = lanes.every(world.cluster, "" if total else chain.name)
    held = [holding for one in others if one.uid != lane.uid and (holding := admission.holding(one))]
    turned_away = admission.waiting([*held, *_own(lane, pods)], {chain.name: admission.rules(chain)}, total)
    found = turned_away.get((chain.name, lane.name))
    if found is not None and snapshot.has_copies(chain, lane, world.cluster):
        return None  # it was let in; its status, which said so, was lost
    if found is not None and chain.lifecycle.when_full is WhenFull.SLEEP and found.limit is not Limit.TOO_BIG:
        _make_room(chain, lane, found, others, world)
    return found


def _make_room(chain: Chain, lane: Lane, wait: Wait, others: Iterable[Lane], world: World) -> None:
    """Asks the longest idle lane of the chain to sleep, of the same author where that is the limit. Use that
    was not seen is no idleness."""
    now, authors = world.now(), {member.author for member in lane.members}
    rivals = [
        one
        for one in others
        if one.chain == chain.name
        and (wait.limit is not Limit.AUTHOR or authors & {member.author for member in one.members})
    ]
    idle = sleeping.longest_idle(rivals, now)
    if idle is None:
        return
    seen = usage.seen_since(world.cluster, world.settings.namespace, chain.name, now)
    if seen is None or now - seen < sleeping.SPARE:
        return
    log.info("lane.makes_room", lane=idle.object_name, asked_by=lane.object_name)
    try:
        usage.ask_to_rest(world.cluster, idle, now)
    except (ConflictError, NotFoundError):
        pass  # it is gone, which makes room as well


def again(chain: Chain) -> float | None:
    """After how many seconds a lane that waits looks again by itself: another may have become idle."""
    return sleeping.SPARE.total_seconds() / 5 if chain.lifecycle.when_full is WhenFull.SLEEP else None


def _is_roomy(chain: Chain, world: World) -> bool:
    """Whether a look at each lane can be spared, since all of them together are within the only limit."""
    rules = admission.rules(chain)
    if rules.per_author or rules.pods or world.settings.max_lanes_total:
        return False
    return not world.cluster.exceeds(rules.lanes, "Lane", f"{labels.CHAIN}={chain.name}")


def _own(lane: Lane, pods: int) -> Iterable[Holding]:
    found = admission.holding(lane)
    return () if found is None else (replace(found, pods=pods),)

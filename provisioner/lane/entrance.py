"""Asks the cluster whether a lane may start, in as few requests as the chain's limits allow.

One request as long as the chain has no more lanes than it may have, and no other limit; else the lanes of the
chain, or, where there is a limit for all of them, of all chains. A lane that was let in is never asked about.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from provisioner import labels, snapshot
from provisioner.chain.model import Chain
from provisioner.lane import admission
from provisioner.lane import store as lanes
from provisioner.lane.admission import Holding, Wait
from provisioner.lane.model import Lane
from provisioner.world import World


def wait(chain: Chain, lane: Lane, pods: int, world: World) -> Wait | None:
    """Why a lane that wants so many pods has to wait; None when it may start, or runs already."""
    if admission.is_admitted(lane) or _is_roomy(chain, world):
        return None
    total = world.settings.max_lanes_total
    others = lanes.every(world.cluster, "" if total else chain.name)
    held = [holding for one in others if one.uid != lane.uid and (holding := admission.holding(one))]
    turned_away = admission.waiting([*held, *_own(lane, pods)], {chain.name: admission.rules(chain)}, total)
    found = turned_away.get((chain.name, lane.name))
    if found is not None and snapshot.has_copies(chain, lane, world.cluster):
        return None  # it was let in; its status, which said so, was lost
    return found


def _is_roomy(chain: Chain, world: World) -> bool:
    """Whether a look at each lane can be spared, since all of them together are within the only limit."""
    rules = admission.rules(chain)
    if rules.per_author or rules.pods or world.settings.max_lanes_total:
        return False
    return not world.cluster.exceeds(rules.lanes, "Lane", f"{labels.CHAIN}={chain.name}")


def _own(lane: Lane, pods: int) -> Iterable[Holding]:
    found = admission.holding(lane)
    return () if found is None else (replace(found, pods=pods),)

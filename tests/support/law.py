"""The law of lanes, as a function: the lanes are exactly the open members, and own exactly what they should.

It is judged by the cluster alone. That a lane owns what its plan names is shown by converging it once more
with a cluster that takes no writes: whatever such a run would write is a breach.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from provisioner import snapshot
from provisioner.chain.model import Chain
from provisioner.cluster import Cluster
from provisioner.errors import LanewayError
from provisioner.labels import CHAIN, LANE, SERVICE
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane
from provisioner.reconcile import converge
from provisioner.world import World

Json = dict[str, Any]
Heads = Mapping[str, str]  # member key -> sha of its head

_MADE = ("NetworkPolicy", "Service", "Deployment", "StatefulSet")
OWNABLE = (*_MADE, "ReplicaSet", "Pod", "ConfigMap", "Secret")
_DEPENDENT = ("ReplicaSet", "Pod")  # have their workload for an owner


@dataclass(frozen=True)
class Truth:
    """What the forge and git say: lane name -> the pull requests that are open, at their heads."""

    open: Mapping[str, Heads]


def breaches(chain: Chain, world: World, truth: Truth) -> list[str]:
    """Every way in which the cluster breaks the law for one chain; empty when it holds."""
    strays = [one for namespace in chain.namespaces for one in strays_in(namespace, world.cluster)]
    return [*missing(chain, world, truth), *strays]


def missing(chain: Chain, world: World, truth: Truth) -> list[str]:
    """The breaches of a chain's lanes, without looking for what belongs to none."""
    names = lanes_of(chain, world.cluster).keys() | truth.open.keys()
    return [one for name in sorted(names) for one in of_lane(chain, world, name, truth.open.get(name))]


def of_lane(chain: Chain, world: World, name: str, heads: Heads | None) -> list[str]:
    """The breaches of one lane; `heads` None: it must not be there."""
    lane = lanes.read(world.cluster, chain.name, name)
    held = None if lane is None else {member.key: member.sha for member in lane.members}
    if lane is None or heads is None:
        return [] if held == heads else [f"lane {name}: open is {heads}, there is {held}"]
    found = [] if held == dict(heads) else [f"lane {name}: open is {dict(heads)}, it is held by {held}"]
    return [*found, *_copies(chain, lane, world.cluster), *_work(chain, name, world)]


def _copies(chain: Chain, lane: Lane, cluster: Cluster) -> Iterator[str]:
    """Where what has the lane's label is not of the services that its status says are in it: told without
    the plan, so that a plan that forgets something is seen."""
    selector = snapshot.of_lane(lane)
    owned = {
        one["metadata"]["labels"].get(SERVICE, "")
        for namespace in chain.namespaces
        for kind in OWNABLE
        for one in cluster.list(kind, namespace, selector)
    }
    inside = {one["name"] for one in lane.status.get("services") or () if one["inLane"]}
    if owned != inside:
        yield f"lane {lane.name} has copies of {sorted(owned)}; its services are {sorted(inside)}"


def strays_in(namespace: str, cluster: Cluster) -> list[str]:
    """What says that it is of a lane, by label or owner, and is not of one that is there."""
    known = {one["metadata"]["uid"]: Lane.from_object(one) for one in cluster.list("Lane")}
    return [
        breach for kind in OWNABLE for one in cluster.list(kind, namespace) if (breach := _stray(one, known))
    ]


def lanes_of(chain: Chain, cluster: Cluster) -> dict[str, Lane]:
    """The chain's lanes by name."""
    found = (Lane.from_object(one) for one in cluster.list("Lane"))
    return {lane.name: lane for lane in found if lane.chain == chain.name}


def _stray(one: Json, known: Mapping[str, Lane]) -> str:
    what = f"{one['kind']} {one['metadata']['name']}"
    owners = [owner["uid"] for owner in _owners(one) if owner["kind"] == "Lane"]
    if any(uid not in known for uid in owners):
        return f"{what} is owned by a Lane that is gone"
    marks = one["metadata"].get("labels") or {}
    if LANE not in marks or one["kind"] in _DEPENDENT:
        return ""
    if [(known[uid].chain, known[uid].name) for uid in owners] != [(marks.get(CHAIN), marks[LANE])]:
        return f"{what} says that it is of lane {marks.get(CHAIN)}.{marks[LANE]}, which does not own it"
    return ""


def _owners(one: Json) -> list[Json]:
    found: list[Json] = one["metadata"].get("ownerReferences") or []
    return found


def _work(chain: Chain, name: str, world: World) -> Iterator[str]:
    """What one more convergence would write."""
    try:
        converge(chain, name, replace(world, cluster=_Untouchable(world.cluster)))
    except AssertionError as error:
        yield f"lane {name} is not done: {error}"
    except LanewayError as error:
        yield f"lane {name} cannot converge: {error}"


class _Untouchable(Cluster):
    """A cluster that may be read."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster._client)

    def _request(self, method: str, path: str, *rest: Any, **options: Any) -> Json:
        if method != "GET":
            raise AssertionError(f"it would {method} {path}: {str(rest)[:300]}")
        return super()._request(method, path, *rest, **options)

"""Reads what one lane's reconciliation needs to know of the cluster, in a number of requests that grows
neither with the services nor with the lanes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain
from provisioner.cluster import Cluster, NotFoundError
from provisioner.copies import autoscaling, live, rollouts
from provisioner.copies.plan import Snapshot
from provisioner.copies.refusals import CLONEABLE
from provisioner.lane.model import Lane

Json = dict[str, Any]

POLICY = "NetworkPolicy"
_NOT_OF_A_LANE = f"!{labels.LANE}"

HasNone = Callable[[str, str], bool]  # kind, namespace: whether there is known to be no such object


def unknown(kind: str, namespace: str) -> bool:
    """What somebody knows who watches nothing."""
    return False


def read(
    chain: Chain,
    lane: Lane,
    cluster: Cluster,
    *,
    owns_nothing: bool = False,
    wants_copies: bool = True,
    has_none: HasNone = unknown,
) -> Snapshot:
    """The baseline of the chain's namespaces and what the lane owns there, also if somebody took the labels
    off it; nothing where neither matters. NetworkPolicies are not asked for where `has_none` knows of
    none."""
    kinds = _kinds(chain)
    free = {one for one in chain.namespaces if has_none(POLICY, one)}

    def listed(wanted: Iterable[str], selector: str) -> tuple[Json, ...]:
        return tuple(
            item
            for kind in wanted
            for namespace in chain.namespaces
            if not (kind == POLICY and namespace in free)
            for item in _list(cluster, kind, namespace, selector)
        )

    if owns_nothing and not wants_copies:
        return Snapshot(lane)
    workloads = listed(kinds, _NOT_OF_A_LANE)
    services = listed(("Service",), _NOT_OF_A_LANE)
    policies = listed((POLICY,), _NOT_OF_A_LANE)
    scalers = (autoscaling.KIND,) if lane.release else ()
    mine = (POLICY, "Service", *_copied(chain), *scalers)
    stripped = tuple(one for one in (*workloads, *services, *policies) if live.is_of(one, lane.uid))
    return Snapshot(
        lane=lane,
        workloads=tuple(one for one in workloads if not live.is_of(one, lane.uid)),
        services=tuple(one for one in services if not live.is_of(one, lane.uid)),
        policies=tuple(one for one in policies if not live.is_of(one, lane.uid)),
        budgets=listed(("PodDisruptionBudget",), ""),
        claims=listed(("PersistentVolumeClaim",), _NOT_OF_A_LANE) if _use_claims(workloads) else (),
        owned=() if owns_nothing else (*listed(mine, of_lane(lane)), *stripped),
        pods=(),
        autoscalers=listed(scalers, _NOT_OF_A_LANE),
    )


def _list(cluster: Cluster, kind: str, namespace: str, selector: str) -> list[Json]:
    """A cluster that does not know Rollouts has none, which the lane is told by name."""
    try:
        return cluster.list(kind, namespace, selector)
    except NotFoundError:
        if kind != rollouts.KIND:
            raise
        return []


def has_copies(chain: Chain, lane: Lane, cluster: Cluster) -> bool:
    """Whether the lane owns a workload."""
    return any(True for _ in copies(chain, lane, cluster))


def copies(chain: Chain, lane: Lane, cluster: Cluster) -> Iterator[Json]:
    """The workloads that the lane owns, as many as are asked for."""
    for kind in _copied(chain):
        for namespace in chain.namespaces:
            yield from cluster.list(kind, namespace, of_lane(lane))


def pods(chain: Chain, lane: Lane, cluster: Cluster) -> tuple[Json, ...]:
    """The lane's pods; only worth reading while something is not ready."""
    return tuple(
        pod for namespace in chain.namespaces for pod in cluster.list("Pod", namespace, of_lane(lane))
    )


def of_lane(lane: Lane) -> str:
    """The label selector of what a lane owns."""
    return f"{labels.CHAIN}={lane.chain},{labels.LANE}={lane.name}"


def _kinds(chain: Chain) -> tuple[str, ...]:
    """The kinds of workload that the chain is made of and that can be cloned; with Rollouts Deployments, too,
    which may hold their templates."""
    used = {service.workload.kind for service in chain.services}
    more = {"Deployment"} if rollouts.KIND in used else set()
    return tuple(kind for kind in CLONEABLE if kind in used | more)


def _copied(chain: Chain) -> tuple[str, ...]:
    """The kinds of workload that its copies are."""
    return tuple(kind for kind in _kinds(chain) if kind != rollouts.KIND)


def _use_claims(workloads: Iterable[Json]) -> bool:
    """Whether a pod template names a claim; otherwise nobody needs to know their access modes."""
    return any(
        "persistentVolumeClaim" in volume
        for workload in rollouts.resolved(workloads)
        for volume in workload["spec"]["template"]["spec"].get("volumes") or ()
    )

"""What has to be written and removed so that a lane owns what it should. Pure.

`make` holds the copies that are wanted against what the lane owns now. It promises:

- An object is written only when its wanted form changed (the hash noted on it tells, also of what went) or
  somebody changed what Laneway wrote; a second run over the outcome of the first writes nothing.
- A service that cannot be cloned is a problem of its own: the others go on, and a copy of it that runs
  already stays as it is.
- What is owned and no longer wanted is removed. An object that cannot be changed into the wanted one, or that
  an earlier lane of the same name left behind, is removed first, and written by the run after that.
- Nothing that belongs to somebody else is written: such a name is a ForeignObjectError that says whose it is.
- NetworkPolicies and Services are written before workloads, and removed after them; autoscalers the other way
  round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from provisioner.chain.model import Chain, Driver, Service
from provisioner.changes import Verdict
from provisioner.copies import (
    autoscaling,
    clone,
    derivation,
    live,
    placement,
    policies,
    refusals,
    rollouts,
    selection,
)
from provisioner.copies.policies import Copied, Kin
from provisioner.errors import ForeignObjectError, LanewayError
from provisioner.lane.model import Lane

Json = dict[str, Any]
Identity = tuple[str, str, str]

APPLY_ORDER = ("NetworkPolicy", "Service", "StatefulSet", "Deployment", autoscaling.KIND)


@dataclass(frozen=True)
class Snapshot:
    """What the cluster holds now, raw JSON with kind and apiVersion. What bears a lane's label is in `owned`
    and `pods` only. `pods` may be empty when nobody needs to know why something is not ready."""

    lane: Lane | None
    workloads: tuple[Json, ...] = ()  # the baseline's, in the chain's namespaces
    services: tuple[Json, ...] = ()  # the baseline's, attached ones and their twins among them
    budgets: tuple[Json, ...] = ()  # PodDisruptionBudgets
    policies: tuple[Json, ...] = ()  # NetworkPolicies of the baseline, and those by which it is attached
    owned: tuple[Json, ...] = ()  # this lane's NetworkPolicies, Services and workloads
    pods: tuple[Json, ...] = ()  # this lane's
    claims: tuple[Json, ...] = ()  # PersistentVolumeClaims of the baseline
    autoscalers: tuple[Json, ...] = ()  # of the baseline, as far as a release's lane needs them


@dataclass(frozen=True)
class Wanted:
    """One service that belongs into the lane. `image` None: the one that its baseline has; `replicas` None:
    as many as the lane's others; `revision`: of the baseline to derive it from, empty for any."""

    service: Service
    image: str | None
    cause: Verdict
    replicas: int | None = None
    revision: str = ""


@dataclass(frozen=True)
class Write:
    """An object to apply. `live` None: it must not exist yet."""

    kind: str
    namespace: str
    name: str
    body: Json
    live: Json | None


@dataclass(frozen=True)
class Removal:
    """An object to delete, only as long as it is the very one that was seen."""

    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str


@dataclass(frozen=True)
class Plan:
    """What to do. `problems` are by service; `desired` is everything that the lane is to own, with the copies
    that stay although they could not be derived again."""

    writes: tuple[Write, ...] = ()
    removals: tuple[Removal, ...] = ()
    problems: Mapping[str, LanewayError] = field(default_factory=dict)
    desired: tuple[Json, ...] = ()


def make(chain: Chain, lane: Lane, wanted: Sequence[Wanted], snapshot: Snapshot, replicas: int = 1) -> Plan:
    """The plan for one lane; `lane` has its uid, and each of its workloads so many replicas unless it says
    how many itself. Raises nothing for a service that cannot be cloned: see `Plan.problems`."""
    snapshot = replace(snapshot, workloads=rollouts.resolved(snapshot.workloads))
    orders = [_order(chain, lane, one, replicas) for one in wanted]
    copies, problems = _copies(orders, chain, snapshot)
    kept = [one for one in snapshot.owned if live.service_of(one) in problems]
    owned = {identity(one): one for one in snapshot.owned}
    wanted_ids = {identity(one) for one in (*copies, *kept)}
    stale = [one for one in snapshot.owned if identity(one) not in wanted_ids]
    replaced = [owned[identity(one)] for one in copies if _must_go(one, owned.get(identity(one)), lane)]
    return Plan(
        writes=tuple(_write(one, owned.get(identity(one))) for one in copies if _is_due(one, owned, lane)),
        removals=_removals((*stale, *replaced)),
        problems=problems,
        desired=tuple(_ordered((*copies, *kept))),
    )


def _order(chain: Chain, lane: Lane, wanted: Wanted, replicas: int) -> clone.Order:
    return clone.Order(
        lane,
        wanted.service,
        wanted.image,
        follows=chain.lifecycle.follow and not lane.release,
        replicas=replicas if wanted.replicas is None else wanted.replicas,
        headless=chain.driver is Driver.ENVOY,
        revision=wanted.revision,
    )


def identity(thing: Json) -> Identity:
    """Kind, namespace and name of an object."""
    return thing["kind"], thing["metadata"].get("namespace", ""), thing["metadata"]["name"]


def _copies(
    orders: Iterable[clone.Order], chain: Chain, snapshot: Snapshot
) -> tuple[list[Json], dict[str, LanewayError]]:
    """The objects of every copy, in the order of application, and why some services have none."""
    found: list[Json] = []
    problems: dict[str, LanewayError] = {}
    claimed: dict[Identity, str] = {}
    for order in orders:
        try:
            _claim(order.service, claimed)
            found += _copy(order, chain, snapshot)
        except LanewayError as problem:
            problems[order.service.name] = problem
    return _ordered(found), problems


def _claim(service: Service, claimed: dict[Identity, str]) -> None:
    """Refuses a workload that another service of the lane has been copied from."""
    key = (service.workload.kind, service.namespace, service.workload.name)
    other = claimed.setdefault(key, service.name)
    if other != service.name:
        refusals.refuse(
            service, f"service {other} is copied from it already; keep one of the two in the chain"
        )


def _copy(order: clone.Order, chain: Chain, snapshot: Snapshot) -> tuple[Json, ...]:
    """The objects of one copy. Raises RefusedError or ForeignObjectError."""
    service = order.service
    if order.image is not None:
        refusals.image(service, order.image)
    workload = derivation.noted(order, snapshot.owned, snapshot.workloads) or rollouts.as_deployment(
        refusals.workload(service, snapshot.workloads)
    )
    refusals.shared_routes(service, chain, snapshot.workloads)
    pod = workload["spec"]["template"]["spec"]
    refusals.host_network(service, pod)
    refusals.claims(service, pod, snapshot.claims)
    near = _within(service.namespace, snapshot)
    pod_labels = workload["spec"]["template"]["metadata"].get("labels") or {}
    baseline = clone.Baseline(
        workload,
        refusals.kube_service(service, pod_labels, near.services),
        (
            *selection.gather(near.services, near.workloads, near.budgets),
            *placement.own_rules(workload, _others(service, near)),
        ),
    )
    made = _scaled(order, clone.make(order, baseline), snapshot)
    made = (*_twins(order, baseline, made, chain, snapshot), *made)
    _refuse_foreign(made, order.lane, snapshot)
    return made


def _scaled(order: clone.Order, made: tuple[Json, ...], snapshot: Snapshot) -> tuple[Json, ...]:
    """The objects of a copy with an autoscaler, where its baseline has one."""
    scaler = autoscaling.of(order.service, snapshot.autoscalers)
    if scaler is None:
        return made
    *others, workload = made
    there = {identity(one): one for one in snapshot.owned}.get(identity(workload))
    return (*others, autoscaling.scaled(workload, there), autoscaling.copy(order, scaler, workload))


def _twins(
    order: clone.Order, baseline: clone.Baseline, made: Iterable[Json], chain: Chain, snapshot: Snapshot
) -> tuple[Json, ...]:
    """The NetworkPolicies of one copy."""
    (after,) = (one["spec"]["template"]["metadata"]["labels"] for one in made if "template" in one["spec"])
    return policies.twins(Copied(order, baseline.pod_labels, after), _kin(chain, snapshot), snapshot.policies)


def _kin(chain: Chain, snapshot: Snapshot) -> list[Kin]:
    """The pods of the chain's services, as far as they run."""
    there = {identity(one): one for one in snapshot.workloads}
    return [
        Kin(one.name, one.namespace, workload["spec"]["template"]["metadata"].get("labels") or {})
        for one in chain.services
        if (workload := there.get((one.workload.kind, one.namespace, one.workload.name)))
    ]


def _others(service: Service, near: Snapshot) -> list[Json]:
    """The workloads that run other pods than the service's."""
    own = (service.workload.kind, service.workload.name)
    templates = [rollouts.reference(one) for one in near.workloads if _key(one) == own]
    return [one for one in near.workloads if _key(one) not in (own, *templates)]


def _key(workload: Json) -> tuple[str, str]:
    return workload["kind"], workload["metadata"]["name"]


def _within(namespace: str, snapshot: Snapshot) -> Snapshot:
    """What of the baseline lies in one namespace, where its selectors act."""

    def here(things: Iterable[Json]) -> tuple[Json, ...]:
        return tuple(one for one in things if one["metadata"]["namespace"] == namespace)

    return Snapshot(snapshot.lane, here(snapshot.workloads), here(snapshot.services), here(snapshot.budgets))


def _refuse_foreign(copy: Iterable[Json], lane: Lane, snapshot: Snapshot) -> None:
    """Refuses a copy of which an object would take the name of somebody else's."""
    theirs = (*snapshot.workloads, *snapshot.services, *snapshot.policies, *snapshot.autoscalers)
    there = {identity(one): one for one in theirs}
    there |= {identity(one): one for one in snapshot.owned if live.is_foreign(one)}
    for one in copy:
        other = there.get(identity(one))
        if other is not None:
            kind, namespace, name = identity(one)
            raise ForeignObjectError(
                f"it exists and belongs to {live.belongs_to(other)}; remove or rename it, "
                f"since lane {lane.name} needs the name",
                where=f"{kind} {namespace}/{name}",
            )


def _is_due(one: Json, owned: Mapping[Identity, Json], lane: Lane) -> bool:
    """Whether an object has to be written now."""
    there = owned.get(identity(one))
    if there is None:
        return True
    if live.is_going(there) or _must_go(one, there, lane):
        return False
    return not live.is_as_wanted(there, one)


def _must_go(one: Json, there: Json | None, lane: Lane) -> bool:
    """Whether what is there cannot become what is wanted."""
    return there is not None and (live.is_left_over(there, lane.uid) or live.is_fixed_otherwise(there, one))


def _write(one: Json, there: Json | None) -> Write:
    return Write(*identity(one), body=one, live=there)


def _removals(things: Iterable[Json]) -> tuple[Removal, ...]:
    going = _ordered(one for one in things if not live.is_going(one) and not live.is_foreign(one))
    return tuple(
        Removal(*identity(one), one["metadata"]["uid"], one["metadata"]["resourceVersion"])
        for one in reversed(going)
    )


def _ordered(things: Iterable[Json]) -> list[Json]:
    """In the order of application; within a kind by namespace and name."""
    return sorted(things, key=lambda one: (APPLY_ORDER.index(one["kind"]), identity(one)))

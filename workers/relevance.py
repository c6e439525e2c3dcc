"""Which changes in the cluster matter to a lane, and to which. Pure.

There is a view of each object that holds what a convergence or a lane's status depends on; a change that
leaves it as it was (a status of our own, a heartbeat, a counter, a pod on its way) concerns nobody.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain
from provisioner.copies import rollouts
from provisioner.routing import drivers
from provisioner.routing.slices import read_slice
from provisioner.status.readiness import is_ready

Json = dict[str, Any]

WORKLOADS = ("Deployment", "StatefulSet")
OPTIONAL_WORKLOADS = (rollouts.KIND,)  # of which a cluster need not know
_ON_THE_WAY = frozenset(("ContainerCreating", "PodInitializing"))
# conditions that are false until a pod is ready, and say nothing else
_WITH_READINESS = frozenset(
    ("Available", "Ready", "ContainersReady", "Initialized", "PodReadyToStartContainers")
)


@dataclass(frozen=True)
class OneLane:
    """A change of a lane or of something that it owns."""

    chain: str
    lane: str


@dataclass(frozen=True)
class AllLanes:
    """A change of what may concern any copy of a chain: a Service or a NetworkPolicy may select its pods."""

    chain: str


@dataclass(frozen=True)
class Holders:
    """A change of a baseline workload: the lanes that have a copy of it follow."""

    chain: str
    services: frozenset[str]


Concern = OneLane | AllLanes | Holders


def concerned(obj: Json, chains: Iterable[Chain]) -> tuple[Concern, ...]:
    """Whom a change of `obj`, which is no Lane, concerns."""
    metadata = obj["metadata"]
    marks = metadata.get("labels") or {}
    if owner := _lane_that_owns(metadata):
        return (owner,)
    if labels.LANE in marks:
        return (OneLane(marks.get(labels.CHAIN, ""), marks[labels.LANE]),)
    namespace = metadata.get("namespace", "")
    if obj["kind"] in ("Service", "NetworkPolicy"):
        return tuple(AllLanes(chain.name) for chain in chains if namespace in chain.namespaces)
    if obj["kind"] not in (*WORKLOADS, *OPTIONAL_WORKLOADS):
        return tuple(AllLanes(chain.name) for chain in chains if _is_routed_by(chain, obj))
    found = ((chain, _run_by(chain, obj["kind"], namespace, metadata["name"])) for chain in chains)
    return tuple(Holders(chain.name, services) for chain, services in found if services)


def _is_routed_by(chain: Chain, obj: Json) -> bool:
    """Whether a chain is routed by a mesh that heeds such objects, and this one names a service of it. A
    Gateway names none: routes name it."""
    if obj["kind"] not in meshed(chain) or obj["metadata"].get("namespace", "") not in chain.namespaces:
        return False
    if obj["kind"] == "Gateway":
        return True
    spec = obj.get("spec")  # of what is gone, not everything may be known
    return not spec or _names(spec, frozenset(service.name for service in chain.services))


def _names(value: object, services: frozenset[str]) -> bool:
    """Whether a service is named anywhere in a value, alone or as the first label of a host."""
    if isinstance(value, Mapping):
        return any(_names(one, services) for one in value.values())
    if isinstance(value, list):
        return any(_names(one, services) for one in value)
    return isinstance(value, str) and value.split(".", 1)[0] in services


def meshed(chain: Chain) -> frozenset[str]:
    """The kinds of object by which a mesh routes a chain; none where the built-in router does."""
    driver = drivers.mesh(chain.driver)
    return frozenset((*driver.reads, *driver.owns)) if driver else frozenset()


def serves(obj: Json) -> bool:
    """Whether it says that a lane's copy has a pod that is ready."""
    found = read_slice(obj) if obj["kind"] == "EndpointSlice" else None
    return found is not None and bool(found.lane and found.ready)


def settled(lane: Json) -> bool:
    """Whether a Lane's status is about its spec of now: a convergence has seen it, and is what wrote it.
    One without its labels is not: somebody took them off, and a convergence puts them back."""
    metadata, spec = lane["metadata"], lane["spec"]
    seen = (lane.get("status") or {}).get("observedGeneration")
    labelled = labels.of_lane(spec["chain"], spec["lane"]).items() <= (metadata.get("labels") or {}).items()
    known = seen is not None and seen == metadata.get("generation")
    return known and labelled and "deletionTimestamp" not in metadata


@dataclass(frozen=True)
class View:
    """What of an object's state can matter. `applied` is the hash of what Laneway last applied to it,
    `version` changes with whatever is wanted of it, whoever wants it."""

    state: str
    applied: str
    version: str


def view(obj: Json) -> View:
    applied = (obj["metadata"].get("annotations") or {}).get(labels.SPEC_HASH, "")
    return View(_text([*_marks(obj), _state(obj)]), applied, _text(_wanted(obj)))


def _marks(obj: Json) -> list[Any]:
    return [obj["metadata"].get(name) for name in ("deletionTimestamp", "labels", "ownerReferences")]


def _wanted(obj: Json) -> object:
    match obj["kind"]:
        case "Service" | "NetworkPolicy":
            return obj.get("spec")
        case "Pod" | "EndpointSlice":
            return None  # its workload's business; which pods are ready is its state
        case rollouts.KIND:
            return rollouts.revision(obj)
        case _:
            return obj["metadata"].get("generation")


def lasting(obj: Json) -> str:
    """What of a baseline workload its copies depend on: not how far it has rolled out, which only releases
    wait for."""
    return _text([_marks(obj), _wanted(obj)])


def is_news(before: View, now: View) -> bool:
    """Whether something relevant happened between two views. What Laneway itself applied is none: the job
    that applied it knows."""
    by_laneway = before.applied != now.applied
    return before.state != now.state or (before.version != now.version and not by_laneway)


def is_owned(obj: Json) -> bool:
    """Whether an object belongs to a lane, rather than being one, or the baseline's."""
    return obj["kind"] != "Lane" and labels.LANE in (obj["metadata"].get("labels") or {})


def _state(obj: Json) -> object:
    status = obj.get("status") or {}
    match obj["kind"]:
        case "Lane":
            return [settled(obj), _told(status)]
        case "Release":
            return [status.get(name) for name in ("phase", "step", "weight")]
        case "Pod":
            return _trouble_of_pod(status)
        case "EndpointSlice":
            return _ports(obj) if serves(obj) else None
        case "HTTPRoute" if is_owned(obj):
            return _verdicts(status)
        case "VirtualService" | "DestinationRule" | "EnvoyFilter" if is_owned(obj):
            return _complaints(status)
        case "Gateway":
            return [one["status"] for one in status.get("conditions") or () if one["type"] == "Programmed"]
        case "Deployment" | "StatefulSet" | rollouts.KIND:
            return _roll_out(obj)
        case _:
            return None


def _roll_out(obj: Json) -> object:
    """How far a workload has rolled out, and what is wrong with it."""
    if obj["kind"] == rollouts.KIND:
        return rollouts.progress(obj)
    status = obj.get("status") or {}
    serves = bool(status.get("readyReplicas")) if is_owned(obj) else None
    return [is_ready(obj), serves, _trouble(status)]


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _lane_that_owns(metadata: Json) -> OneLane | None:
    """The lane that an object belongs to, also if somebody took the labels off it."""
    for owner in metadata.get("ownerReferences") or ():
        if owner["kind"] == "Lane" and owner["apiVersion"] == labels.API_VERSION:
            return OneLane(*owner["name"].split(".", 1))
    return None


def _run_by(chain: Chain, kind: str, namespace: str, name: str) -> frozenset[str]:
    """The services of the chain that a workload runs."""
    return frozenset(
        service.name
        for service in chain.services
        if (service.workload.kind, service.namespace, service.workload.name) == (kind, namespace, name)
    )


def _told(status: Mapping[str, Any]) -> list[Any]:
    """What of a lane's status the other lanes, or its own copies, may wait for."""
    services = [
        [one["name"], one.get("route"), (one.get("baseline") or {}).get("revision")]
        for one in status.get("services") or ()
        if one.get("inLane")
    ]
    told = [status.get(name) for name in ("phase", "activeAt", "restAskedAt")]
    return [*told, "admittedAt" in status, services, _messages(status, "Ready")]


def _messages(status: Mapping[str, Any], kind: str) -> list[str]:
    conditions = status.get("conditions") or ()
    pending = status.get("phase") == "Pending"
    return [one.get("message", "") for one in conditions if pending and one["type"] == kind]


def _verdicts(status: Mapping[str, Any]) -> list[list[str]]:
    """What the parents of a route say of it; of what is refused, which version."""
    return sorted(
        [one["type"], one["status"], one.get("reason") or "", _refused_version(one)]
        for parent in status.get("parents") or ()
        for one in parent.get("conditions") or ()
    )


def _complaints(status: Mapping[str, Any]) -> list[str]:
    """What istiod's analysis finds wrong, where that is switched on."""
    said = status.get("validationMessages") or ()
    return sorted((one.get("type") or {}).get("code", "") for one in said if one.get("level") == "ERROR")


def _refused_version(condition: Mapping[str, Any]) -> str:
    return "" if condition["status"] == "True" else str(condition.get("observedGeneration", ""))


def _ports(endpoints: Json) -> list[list[Any]]:
    """By which ports the pods of an EndpointSlice can be reached."""
    return sorted([one.get("name") or "", one.get("port")] for one in endpoints.get("ports") or ())


def _trouble(status: Mapping[str, Any]) -> list[list[str]]:
    """The conditions that say that something is wrong, and why."""
    bad = {"ReplicaFailure": "True"}
    return sorted(
        [one["type"], one.get("reason") or ""]
        for one in status.get("conditions") or ()
        if one["type"] not in _WITH_READINESS and one["status"] == bad.get(one["type"], "False")
    )


def _trouble_of_pod(status: Mapping[str, Any]) -> list[Any]:
    """What keeps a pod from running; that it runs is told by its workload."""
    containers = [
        [one["name"], one.get("restartCount") or 0, _waits_for(one)]
        for key in ("initContainerStatuses", "containerStatuses")
        for one in status.get(key) or ()
    ]
    return [_trouble(status), [one for one in containers if one[1] or one[2]]]


def _waits_for(container: Mapping[str, Any]) -> str:
    reason = ((container.get("state") or {}).get("waiting") or {}).get("reason") or ""
    return "" if reason in _ON_THE_WAY else reason

"""Which changes in the cluster matter to a lane, and to which. Pure.

Each object has a fingerprint of what a convergence or a lane's status depends on; a change that leaves it
as it was (a status of our own, a heartbeat, a counter) concerns nobody.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from provisioner import labels
from provisioner.chain import Chain

Json = dict[str, Any]

WORKLOADS = ("Deployment", "StatefulSet")


@dataclass(frozen=True)
class OneLane:
    """A change of a lane or of something that it owns."""

    chain: str
    lane: str


@dataclass(frozen=True)
class AllLanes:
    """A change of what may concern any copy of a chain: a Service may select its pods."""

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
    if labels.LANE in marks:
        return (OneLane(marks.get(labels.CHAIN, ""), marks[labels.LANE]),)
    namespace = metadata.get("namespace", "")
    if obj["kind"] == "Service":
        return tuple(AllLanes(chain.name) for chain in chains if namespace in chain.namespaces)
    found = ((chain, _run_by(chain, obj["kind"], namespace, metadata["name"])) for chain in chains)
    return tuple(Holders(chain.name, services) for chain, services in found if services)


def settled(lane: Json) -> bool:
    """Whether a Lane's status is about its spec of now: a convergence has seen it, and is what wrote it.
    One without its labels is not: somebody took them off, and a convergence puts them back."""
    metadata, spec = lane["metadata"], lane["spec"]
    seen = (lane.get("status") or {}).get("observedGeneration")
    labelled = labels.of_lane(spec["chain"], spec["lane"]).items() <= (metadata.get("labels") or {}).items()
    known = seen is not None and seen == metadata.get("generation")
    return known and labelled and "deletionTimestamp" not in metadata


def fingerprint(obj: Json) -> str:
    """Equal for two states of an object between which nothing relevant happened."""
    metadata, status = obj["metadata"], obj.get("status") or {}
    seen: list[Any] = [
        metadata.get("generation"),
        metadata.get("deletionTimestamp"),
        metadata.get("labels"),
        metadata.get("ownerReferences"),
    ]
    match obj["kind"]:
        case "Lane":
            seen = [*seen, settled(obj), _told(status)]
        case "Service":
            seen = [*seen, obj.get("spec")]
        case "Pod":
            seen = [*seen, _pod(status)]
        case _ if labels.LANE in (metadata.get("labels") or {}):
            seen = [*seen, _workload(status)]
    return json.dumps(seen, sort_keys=True)


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
        [one["name"], (one.get("baseline") or {}).get("revision")]
        for one in status.get("services") or ()
        if one.get("inLane")
    ]
    return [status.get("phase"), "admittedAt" in status, services, _messages(status, "Ready")]


def _messages(status: Mapping[str, Any], kind: str) -> list[str]:
    conditions = status.get("conditions") or ()
    pending = status.get("phase") == "Pending"
    return [one.get("message", "") for one in conditions if pending and one["type"] == kind]


def _workload(status: Mapping[str, Any]) -> list[Any]:
    counts = ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    return [*(status.get(count) for count in counts), _conditions(status)]


def _pod(status: Mapping[str, Any]) -> list[Any]:
    containers = [
        [one["name"], one.get("ready"), one.get("restartCount"), _reason(one.get("state") or {})]
        for key in ("initContainerStatuses", "containerStatuses")
        for one in status.get(key) or ()
    ]
    return [status.get("phase"), _conditions(status), containers]


def _conditions(status: Mapping[str, Any]) -> list[list[Any]]:
    conditions = status.get("conditions") or ()
    return sorted([one["type"], one["status"], one.get("reason") or ""] for one in conditions)


def _reason(state: Mapping[str, Any]) -> list[Any]:
    return [[name, (detail or {}).get("reason")] for name, detail in sorted(state.items())]

"""A pod's status from what its containers do: phase, conditions, container statuses. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Object = dict[str, Any]
Kind = Literal["init", "sidecar", "main"]

INITIALIZING: Object = {"waiting": {"reason": "PodInitializing"}}


@dataclass
class ContainerRecord:
    """What is known of one container; the runner writes it, the status shows it."""

    spec: Object
    kind: Kind
    state: Object = field(default_factory=lambda: INITIALIZING)
    last_state: Object = field(default_factory=dict)
    restarts: int = 0
    started: bool = False
    ready: bool = False
    container_id: str = ""
    image_id: str = ""

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def exit_code(self) -> int | None:
        """None while it has not ended for good."""
        ended = self.state.get("terminated")
        return None if ended is None else int(ended["exitCode"])


@dataclass(frozen=True)
class Placement:
    """Where and since when the pod runs."""

    pod_ip: str
    host_ip: str
    start_time: str


def pod_status(pod: Object, records: list[ContainerRecord], place: Placement, now: str) -> Object:
    """The whole status; conditions that others set are kept, times change only with what they date."""
    init = [r for r in records if r.kind != "main"]
    main = [r for r in records if r.kind == "main"]
    old = pod.get("status") or {}
    status = {
        **old,
        "phase": phase(records, pod["spec"].get("restartPolicy", "Always")),
        "hostIP": place.host_ip,
        "hostIPs": [{"ip": place.host_ip}],
        "startTime": place.start_time,
        "containerStatuses": [_container_status(r) for r in main],
        "conditions": _conditions(pod, records, now),
        "qosClass": old.get("qosClass") or _quality(pod),
    }
    if place.pod_ip:
        status |= {"podIP": place.pod_ip, "podIPs": [{"ip": place.pod_ip}]}
    if init:
        status["initContainerStatuses"] = [_container_status(r) for r in init]
    if (generation := pod["metadata"].get("generation")) is not None:
        status["observedGeneration"] = generation
    return status


def phase(records: list[ContainerRecord], restart_policy: str) -> str:
    """Pending until every init container is done, then by the main containers."""
    if any(r.exit_code not in (None, 0) for r in records if r.kind == "init"):
        return "Failed"
    if not initialized(records):
        return "Pending"
    main = [r for r in records if r.kind == "main"]
    codes = [r.exit_code for r in main]
    if all(code is not None for code in codes) and restart_policy != "Always":
        return "Failed" if any(codes) else "Succeeded"
    begun = any("waiting" not in r.state or r.last_state or r.restarts for r in main)
    return "Running" if begun else "Pending"


def initialized(records: list[ContainerRecord]) -> bool:
    init = [r for r in records if r.kind == "init"]
    sidecars = [r for r in records if r.kind == "sidecar"]
    begun = any(r.state != INITIALIZING for r in records if r.kind == "main")
    return all(r.exit_code == 0 for r in init) and (begun or all(r.started for r in sidecars))


def _container_status(record: ContainerRecord) -> Object:
    return {
        "name": record.name,
        "state": record.state,
        "lastState": record.last_state,
        "ready": record.ready if record.kind != "init" else record.exit_code == 0,
        "restartCount": record.restarts,
        "image": record.spec["image"],
        "imageID": record.image_id,
        "containerID": record.container_id,
        "started": record.started,
    }


def _conditions(pod: Object, records: list[ContainerRecord], now: str) -> list[Object]:
    done = phase(records, pod["spec"].get("restartPolicy", "Always")) == "Succeeded"
    unready = [r.name for r in records if r.kind != "init" and not r.ready]
    waiting = [r.name for r in records if r.kind == "init" and r.exit_code != 0]
    old = (pod.get("status") or {}).get("conditions") or []
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or []]
    closed = [g for g in gates if not any(c["type"] == g and c["status"] == "True" for c in old)]
    containers = _containers_ready(unready, done)
    ready = containers
    if containers["status"] == "True" and closed:
        ready = _false("ReadinessGatesNotReady", f"conditions not true: {', '.join(closed)}")
    is_initialized = initialized(records) or done
    wanted = {
        "PodReadyToStartContainers": _TRUE,
        "Initialized": _TRUE if is_initialized else _incomplete("ContainersNotInitialized", waiting),
        "Ready": ready,
        "ContainersReady": containers,
        "PodScheduled": _TRUE,
    }
    foreign = [c for c in old if c["type"] not in wanted]
    return [_dated(kind, new, old, now) for kind, new in wanted.items()] + foreign


_TRUE: Object = {"status": "True"}


def _false(reason: str, message: str) -> Object:
    return {"status": "False", "reason": reason, "message": message}


def _incomplete(reason: str, names: list[str]) -> Object:
    kind = "unready" if reason == "ContainersNotReady" else "incomplete"
    return _false(reason, f"containers with {kind} status: [{' '.join(names)}]")


def _containers_ready(unready: list[str], done: bool) -> Object:
    if done:
        return {"status": "False", "reason": "PodCompleted"}
    return _incomplete("ContainersNotReady", unready) if unready else _TRUE


def _dated(kind: str, new: Object, old: list[Object], now: str) -> Object:
    before = next((c for c in old if c["type"] == kind), None)
    same = before is not None and before["status"] == new["status"]
    since = before.get("lastTransitionTime", now) if before is not None and same else now
    return {"type": kind, **new, "lastProbeTime": None, "lastTransitionTime": since}


def _quality(pod: Object) -> str:
    resources = [c.get("resources") or {} for c in pod["spec"]["containers"]]
    if not any(r.get("requests") or r.get("limits") for r in resources):
        return "BestEffort"
    pairs = [(r.get("limits") or {}, r.get("requests") or r.get("limits") or {}) for r in resources]
    complete = all({"cpu", "memory"} <= limits.keys() and limits == requests for limits, requests in pairs)
    return "Guaranteed" if complete else "Burstable"

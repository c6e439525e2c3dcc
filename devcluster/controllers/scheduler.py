"""The node, and the scheduler that binds pods to it: one node, so the only question is whether it fits.

Heard: nodeSelector and required node affinity. Not heard: resources, taints, topology; a laptop decides.
"""

from __future__ import annotations

import os
from typing import Any

from devcluster.api import ApiError
from devcluster.controllers.events import Recorder
from devcluster.controllers.view import Key, Object, View, deleting, key_of, now
from devcluster.controllers.workqueue import WorkQueue

SCHEDULER = "default-scheduler"


class Scheduler:
    """Binds pods to the node."""

    def __init__(self, view: View, node: str) -> None:
        self._view = view
        self._node = node
        self._events = Recorder(view, SCHEDULER)
        self.queue = WorkQueue("scheduler", self._reconcile)

    def start(self) -> None:
        register_node(self._view, self._node)
        self._view.on("pods", self._noticed)
        self._view.on("nodes", self._node_changed)

    def _noticed(self, before: Object | None, after: Object | None) -> None:
        if after is not None and _waits(after):
            self.queue.add(key_of(after))

    def _node_changed(self, before: Object | None, after: Object | None) -> None:
        if (before or {}).get("metadata", {}).get("labels") != (after or {}).get("metadata", {}).get(
            "labels"
        ):
            for pod in self._view.all("pods"):
                self._noticed(None, pod)

    def _reconcile(self, key: Key) -> None:
        pod, node = self._view.get("pods", key), self._view.get("nodes", ("", self._node))
        if pod is None or not _waits(pod) or node is None:
            return
        reason = misfit(pod["spec"], node["metadata"].get("labels") or {})
        if reason:
            self._refuse(pod, f"0/1 nodes are available: 1 {reason}.")
            return
        self._view.patch("pods", key, {"spec": {"nodeName": self._node}})
        self._events.normal(pod, "Scheduled", f"Successfully assigned {'/'.join(key)} to {self._node}")

    def _refuse(self, pod: Object, message: str) -> None:
        status = pod.get("status") or {}
        old = status.get("conditions") or []
        if any(c["type"] == "PodScheduled" and c.get("message") == message for c in old):
            return
        refused = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": now(),
        }
        kept = [c for c in old if c["type"] != "PodScheduled"]
        self._view.write_status("pods", pod, {**status, "phase": "Pending", "conditions": [*kept, refused]})
        self._events.warning(pod, "FailedScheduling", message)


def _waits(pod: Object) -> bool:
    spec = pod["spec"]
    ours = spec.get("schedulerName", SCHEDULER) == SCHEDULER and not spec.get("schedulingGates")
    return ours and not spec.get("nodeName") and not deleting(pod)


def misfit(spec: Object, labels: dict[str, str]) -> str:
    """Why a pod cannot run on a node with these labels; empty when it can."""
    selector = spec.get("nodeSelector") or {}
    if any(labels.get(name) != value for name, value in selector.items()):
        return "node(s) didn't match Pod's node affinity/selector"
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or []
    if terms and not any(_term_matches(term, labels) for term in terms):
        return "node(s) didn't match Pod's node affinity/selector"
    return ""


def _term_matches(term: Object, labels: dict[str, str]) -> bool:
    return all(_matches(e, labels.get(e["key"])) for e in term.get("matchExpressions") or [])


def _matches(expression: Object, value: str | None) -> bool:
    values, operator = expression.get("values") or [], expression["operator"]
    if operator in ("Gt", "Lt"):
        if value is None or not value.isdigit():
            return False
        return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }.get(operator, False)


def register_node(view: View, name: str) -> None:
    """Make the Node object, or mark the one of an earlier run ready."""
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": _architecture(),
    }
    try:
        node = view.create("nodes", "", {"metadata": {"name": name, "labels": labels}, "spec": {}})
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        node = view.get("nodes", ("", name)) or {}
    view.write_status("nodes", node, _node_status(name))


def _architecture() -> str:
    machine = os.uname().machine
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _node_status(name: str) -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    size = {"cpu": str(os.cpu_count() or 1), "memory": f"{memory}Ki", "pods": "65000"}
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "devcluster runs pods as local processes",
        "lastHeartbeatTime": now(),
        "lastTransitionTime": now(),
    }
    system = os.uname()
    return {
        "capacity": size,
        "allocatable": size,
        "conditions": [ready],
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
        "nodeInfo": {
            "kubeletVersion": "v1.36.0-devcluster",
            "kubeProxyVersion": "v1.36.0-devcluster",
            "operatingSystem": "linux",
            "architecture": _architecture(),
            "kernelVersion": system.release,
            "osImage": system.sysname,
            "containerRuntimeVersion": "devcluster://1",
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
        },
    }

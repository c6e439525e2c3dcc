"""A pod's row in `kubectl get pods`: the one word that says how it is, from phase, containers and
deletion.
"""

from __future__ import annotations

from typing import Any

from devcluster.tables import AGE, NAME, Column, Columns, age, since

Object = dict[str, Any]

_HEAD = (
    NAME,
    Column("Ready", description="The containers that are ready, of all."),
    Column("Status", description="What the pod is doing."),
    Column("Restarts", description="How often containers were restarted, and when last."),
    AGE,
    Column("IP", priority=1),
    Column("Node", priority=1),
    Column("Nominated Node", priority=1),
    Column("Readiness Gates", priority=1),
)


def _cells(pod: Object) -> list[Any]:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    statuses = status.get("containerStatuses") or []
    sidecars = _sidecars(spec)
    running_sidecars = [s for s in status.get("initContainerStatuses") or () if s["name"] in sidecars]
    ready = sum(1 for s in [*statuses, *running_sidecars] if s.get("ready"))
    total = len(spec.get("containers") or ()) + len(sidecars)
    wide = [status.get("podIP") or "<none>", spec.get("nodeName") or "<none>", "<none>", "<none>"]
    return [pod["metadata"]["name"], f"{ready}/{total}", word(pod), _restarts(pod), age(pod), *wide]


def _sidecars(spec: Object) -> set[str]:
    return {c["name"] for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}


def word(pod: Object) -> str:
    """The word in the Status column."""
    status = pod.get("status") or {}
    reason = status.get("reason") or status.get("phase") or "Unknown"
    starting = _init_word(pod)
    reason = starting or _container_word(status.get("containerStatuses") or [], status, reason)
    if "deletionTimestamp" in pod["metadata"]:
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return reason


def _init_word(pod: Object) -> str:
    """The word of the first init container that is not done; empty when all are."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    sidecars, total = _sidecars(spec), len(spec.get("initContainers") or ())
    for index, container in enumerate(status.get("initContainerStatuses") or ()):
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting")
        if ended and ended.get("exitCode") == 0:
            continue
        if container["name"] in sidecars and container.get("started"):
            continue
        if ended:
            return f"Init:{_ended_word(ended)}"
        if waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{total}"
    return ""


def _container_word(statuses: list[Object], status: Object, reason: str) -> str:
    running = False
    for container in reversed(statuses):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif ended:
            reason = _ended_word(ended)
        elif container.get("ready") and "running" in state:
            running = True
    if reason == "Completed" and running:
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
        return "Running" if ready else "NotReady"
    return reason


def _ended_word(ended: Object) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _restarts(pod: Object) -> str:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    count = sum(s.get("restartCount", 0) for s in statuses)
    ends = [((s.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for s in statuses]
    last = max((end for end in ends if end), default=None)
    return f"{count} ({since(last)} ago)" if count and last else str(count)


POD = Columns(_HEAD, _cells)

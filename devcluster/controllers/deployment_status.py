"""A Deployment's status from its ReplicaSets: counts, Available and Progressing. Pure but for the clock."""

from __future__ import annotations

from typing import Literal

from devcluster.controllers import rollout
from devcluster.controllers.conditions import condition, with_condition, without
from devcluster.controllers.view import Object, seconds_since

Step = Literal["", "created", "found"]  # what this reconcile did about the new ReplicaSet

_NO_DEADLINE = 2**31 - 1  # progressDeadlineSeconds that means none


def status_of(deployment: Object, new: Object | None, sets: list[Object], step: Step) -> Object:
    old = deployment.get("status") or {}
    status = {**_counts(deployment, new, sets)}
    if old.get("collisionCount"):
        status["collisionCount"] = old["collisionCount"]
    conditions = _available(old.get("conditions") or [], deployment, status)
    conditions = _progressing(conditions, deployment, status, new, step)
    failures = [c for s in sets for c in (s.get("status") or {}).get("conditions") or []]
    failure = condition(failures, "ReplicaFailure")
    if failure is None:
        conditions = without(conditions, "ReplicaFailure")
    else:
        conditions = [*without(conditions, "ReplicaFailure"), failure]
    return {**status, "conditions": conditions}


def _counts(deployment: Object, new: Object | None, sets: list[Object]) -> Object:
    def total(field: str, of: list[Object]) -> int:
        return sum((s.get("status") or {}).get(field, 0) for s in of)

    replicas, available = total("replicas", sets), total("availableReplicas", sets)
    counts = {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "replicas": replicas,
        "updatedReplicas": total("replicas", [new] if new else []),
        "readyReplicas": total("readyReplicas", sets),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(s["spec"].get("replicas", 1) for s in sets) - available),
    }
    return {name: count for name, count in counts.items() if count}


def complete(deployment: Object, status: Object) -> bool:
    wanted = deployment["spec"].get("replicas", 1)
    return all(status.get(n, 0) == wanted for n in ("updatedReplicas", "replicas", "availableReplicas"))


def _available(conditions: list[Object], deployment: Object, status: Object) -> list[Object]:
    wanted = deployment["spec"].get("replicas", 1)
    if status.get("availableReplicas", 0) >= wanted - rollout.bounds(deployment).unavailable:
        message = "Deployment has minimum availability."
        return with_condition(conditions, "Available", "True", "MinimumReplicasAvailable", message)
    message = "Deployment does not have minimum availability."
    return with_condition(conditions, "Available", "False", "MinimumReplicasUnavailable", message)


def _progressing(
    conditions: list[Object], deployment: Object, status: Object, new: Object | None, step: Step
) -> list[Object]:
    known = condition(conditions, "Progressing")
    reason = (known or {}).get("reason", "")
    if deployment["spec"].get("paused"):
        return _set(conditions, "Unknown", "DeploymentPaused", "Deployment is paused")
    if new is None:
        return conditions
    what = f'ReplicaSet "{new["metadata"]["name"]}"'
    if complete(deployment, status):
        return _set(conditions, "True", "NewReplicaSetAvailable", f"{what} has successfully progressed.")
    if step == "created":
        message = f'Created new replica set "{new["metadata"]["name"]}"'
        return _set(conditions, "True", "NewReplicaSetCreated", message, touched=True)
    if step == "found" or known is None or reason == "DeploymentPaused":
        message = f'Found new replica set "{new["metadata"]["name"]}"'
        return _set(conditions, "True", "FoundNewReplicaSet", message, touched=True)
    if _moved(deployment.get("status") or {}, status):
        return _set(conditions, "True", "ReplicaSetUpdated", f"{what} is progressing.", touched=True)
    if overdue(deployment) == 0:
        return _set(conditions, "False", "ProgressDeadlineExceeded", f"{what} has timed out progressing.")
    return conditions


def _set(
    conditions: list[Object], status: str, reason: str, message: str, *, touched: bool = False
) -> list[Object]:
    return with_condition(conditions, "Progressing", status, reason, message, touched=touched)


def _moved(old: Object, new: Object) -> bool:
    def count(status: Object, name: str) -> int:
        return int(status.get(name, 0))

    def outdated(status: Object) -> int:
        return count(status, "replicas") - count(status, "updatedReplicas")

    more = any(
        count(new, n) > count(old, n) for n in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return more or outdated(new) < outdated(old)


def overdue(deployment: Object) -> float | None:
    """Seconds until the rollout counts as stuck, 0 when it does; None when no clock runs."""
    conditions = (deployment.get("status") or {}).get("conditions") or []
    known = condition(conditions, "Progressing")
    deadline = deployment["spec"].get("progressDeadlineSeconds", 600)
    if known is None or deadline >= _NO_DEADLINE:
        return None
    if known["reason"] in ("NewReplicaSetAvailable", "DeploymentPaused"):
        return None
    if known["reason"] == "ProgressDeadlineExceeded":
        return 0.0
    return max(0.0, float(deadline) - seconds_since(known["lastUpdateTime"]))

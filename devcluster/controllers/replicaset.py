"""ReplicaSets: as many pods as `replicas` says."""

from __future__ import annotations

from devcluster.api import ApiError
from devcluster.controllers import pods as podrules
from devcluster.controllers.adoption import adopt
from devcluster.controllers.conditions import with_condition, without
from devcluster.controllers.events import Recorder
from devcluster.controllers.view import Key, Object, View, deleting, key_of
from devcluster.controllers.workqueue import WorkQueue

RESOURCE = "replicasets.apps"
RETRY_CREATION = 1.0  # seconds after a pod was refused


class ReplicaSets:
    def __init__(self, view: View) -> None:
        self._view = view
        self._events = Recorder(view, "replicaset-controller")
        self.queue = WorkQueue("replicaset", self._reconcile)

    def start(self) -> None:
        self.queue.follow(self._view, RESOURCE)
        self.queue.follow_owned(self._view, "pods", "ReplicaSet")

    def _reconcile(self, key: Key) -> float | None:
        replica_set = self._view.get(RESOURCE, key)
        if replica_set is None:
            return None
        pods = adopt(self._view, "pods", replica_set)
        refusal = "" if deleting(replica_set) else self._scale(replica_set, pods)
        pods = self._view.owned("pods", replica_set)
        again = self._write_status(replica_set, pods, refusal)
        return RETRY_CREATION if refusal else again

    def _scale(self, replica_set: Object, pods: list[Object]) -> str:
        """Create or delete pods; why creating was refused, or empty."""
        active = [pod for pod in pods if podrules.active(pod)]
        missing = replica_set["spec"].get("replicas", 1) - len(active)
        for pod in podrules.first_to_go(active)[: max(0, -missing)]:
            self._view.delete("pods", pod)
            self._events.normal(replica_set, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
        try:
            for _ in range(missing):
                self._create(replica_set)
        except ApiError as error:
            self._events.warning(replica_set, "FailedCreate", f"Error creating: {error.message}")
            return error.message
        return ""

    def _create(self, replica_set: Object) -> None:
        namespace, name = key_of(replica_set)
        pod = podrules.from_template(replica_set["spec"]["template"], replica_set)
        pod["metadata"]["generateName"] = f"{name}-"
        created = self._view.create("pods", namespace, pod)
        self._events.normal(replica_set, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")

    def _write_status(self, replica_set: Object, pods: list[Object], refusal: str) -> float | None:
        active = [pod for pod in pods if podrules.active(pod)]
        labels = (replica_set["spec"]["template"].get("metadata") or {}).get("labels") or {}
        waits = [podrules.unavailable_for(p, replica_set["spec"].get("minReadySeconds", 0)) for p in active]
        old = replica_set.get("status") or {}
        conditions = old.get("conditions") or []
        if refusal:
            conditions = with_condition(conditions, "ReplicaFailure", "True", "FailedCreate", refusal)
        else:
            conditions = without(conditions, "ReplicaFailure")
        status: Object = {
            "replicas": len(active),
            "fullyLabeledReplicas": sum(_carries(pod, labels) for pod in active),
            "readyReplicas": sum(podrules.ready(pod) for pod in active),
            "availableReplicas": sum(wait == 0 for wait in waits),
            "observedGeneration": replica_set["metadata"].get("generation", 1),
        }
        if conditions:
            status["conditions"] = conditions
        self._view.write_status(RESOURCE, replica_set, status)
        return min((wait for wait in waits if wait), default=None)


def _carries(pod: Object, labels: dict[str, str]) -> bool:
    return labels.items() <= (pod["metadata"].get("labels") or {}).items()

"""DaemonSets: one pod on the one node."""

from __future__ import annotations

from devcluster.controllers import pods as podrules
from devcluster.controllers import revisions
from devcluster.controllers.adoption import adopt
from devcluster.controllers.events import Recorder
from devcluster.controllers.scheduler import misfit
from devcluster.controllers.view import Key, Object, View, deleting
from devcluster.controllers.workqueue import WorkQueue

RESOURCE = "daemonsets.apps"


class DaemonSets:
    def __init__(self, view: View) -> None:
        self._view = view
        self._events = Recorder(view, "daemonset-controller")
        self.queue = WorkQueue("daemonset", self._reconcile)

    def start(self) -> None:
        self.queue.follow(self._view, RESOURCE)
        self.queue.follow_owned(self._view, "pods", "DaemonSet")

    def _reconcile(self, key: Key) -> None:
        owner = self._view.get(RESOURCE, key)
        if owner is None or deleting(owner):
            return
        known = revisions.record(self._view, owner)
        revision = known[-1]["metadata"]["labels"][revisions.HASH_LABEL]
        self._place(owner, adopt(self._view, "pods", owner), revision)
        revisions.forget(self._view, owner, known, {known[-1]["metadata"]["name"]})
        self._write_status(owner, revision)

    def _fits(self, owner: Object) -> bool:
        """Whether the pod may run on the node: a DaemonSet makes none that cannot."""
        nodes = self._view.all("nodes")
        labels = (nodes[0]["metadata"].get("labels") or {}) if nodes else {}
        return not misfit(owner["spec"]["template"]["spec"], labels)

    def _place(self, owner: Object, pods: list[Object], revision: str) -> None:
        rolling = (owner["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"
        keep = 1 if self._fits(owner) else 0
        for index, pod in enumerate(pods):
            outdated = rolling and _revision(pod) != revision
            if not deleting(pod) and (index >= keep or outdated or not podrules.active(pod)):
                self._view.delete("pods", pod)
                message = f"Deleted pod: {pod['metadata']['name']}"
                self._events.normal(owner, "SuccessfulDelete", message)
        if keep and not pods:
            pod = podrules.from_template(owner["spec"]["template"], owner)
            pod["metadata"]["generateName"] = f"{owner['metadata']['name']}-"
            labels = {**pod["metadata"].get("labels", {}), revisions.HASH_LABEL: revision}
            pod["metadata"]["labels"] = labels
            made = self._view.create("pods", owner["metadata"]["namespace"], pod)
            self._events.normal(owner, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")

    def _write_status(self, owner: Object, revision: str) -> None:
        pods = [pod for pod in self._view.owned("pods", owner) if podrules.active(pod)]
        wanted, ready = int(self._fits(owner)), sum(podrules.ready(pod) for pod in pods)
        status = {
            "observedGeneration": owner["metadata"].get("generation", 1),
            "desiredNumberScheduled": wanted,
            "currentNumberScheduled": len(pods),
            "numberMisscheduled": 0,
            "numberReady": ready,
            "numberAvailable": ready,
            "numberUnavailable": wanted - ready,
            "updatedNumberScheduled": sum(_revision(pod) == revision for pod in pods),
        }
        self._view.write_status(RESOURCE, owner, status)


def _revision(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(revisions.HASH_LABEL, ""))

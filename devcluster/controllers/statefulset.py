"""StatefulSets: pods with names and claims of their own, made, updated and removed in order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from devcluster.api import ApiError
from devcluster.controllers import pods as podrules
from devcluster.controllers import revisions
from devcluster.controllers.adoption import adopt
from devcluster.controllers.events import Recorder
from devcluster.controllers.view import Key, Object, View, deleting, key_of, owned_by
from devcluster.controllers.workqueue import WorkQueue

RESOURCE = "statefulsets.apps"
RETRY_CREATION = 1.0  # seconds after a pod was refused


@dataclass(frozen=True)
class Plan:
    """One StatefulSet as it is now: what it wants, which templates it has had, which pods there are."""

    owner: Object
    current: Object  # the ControllerRevision that pods below the partition have
    update: Object  # the one of the present template
    pods: dict[int, Object]  # by ordinal

    @property
    def ordinals(self) -> range:
        start = (self.owner["spec"].get("ordinals") or {}).get("start", 0)
        return range(start, start + self.owner["spec"].get("replicas", 1))

    @property
    def ordered(self) -> bool:
        policy: str = self.owner["spec"].get("podManagementPolicy", "OrderedReady")
        return policy == "OrderedReady"

    @property
    def partition(self) -> int:
        rolling = (self.owner["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
        return int(rolling.get("partition", 0))

    def healthy(self, ordinal: int) -> bool:
        pod = self.pods.get(ordinal)
        seconds = self.owner["spec"].get("minReadySeconds", 0)
        return pod is not None and podrules.active(pod) and podrules.unavailable_for(pod, seconds) == 0

    def outdated(self, ordinal: int) -> bool:
        return _revision(self.pods[ordinal]) != str(self.update["metadata"]["name"])


class StatefulSets:
    def __init__(self, view: View) -> None:
        self._view = view
        self._events = Recorder(view, "statefulset-controller")
        self.queue = WorkQueue("statefulset", self._reconcile)

    def start(self) -> None:
        self.queue.follow(self._view, RESOURCE)
        self.queue.follow_owned(self._view, "pods", "StatefulSet")

    def _reconcile(self, key: Key) -> float | None:
        owner = self._view.get(RESOURCE, key)
        if owner is None:
            return None
        adopt(self._view, "pods", owner)
        known = revisions.record(self._view, owner)
        again = None
        if not deleting(owner):
            again = self._step(self._plan(owner, known))
        plan = self._plan(owner, known)
        used = {_revision(pod) for pod in plan.pods.values()} | {plan.current["metadata"]["name"]}
        revisions.forget(self._view, owner, known, used)
        self._write_status(plan)
        return again if again is not None else self._ripens(plan)

    def _plan(self, owner: Object, known: list[Object]) -> Plan:
        name = (owner.get("status") or {}).get("currentRevision")
        current = next((r for r in known if r["metadata"]["name"] == name), known[-1])
        pods = {_ordinal(pod): pod for pod in self._view.owned("pods", owner)}
        return Plan(owner, current, known[-1], pods)

    def _step(self, plan: Plan) -> float | None:
        """Do what may be done now; the rest comes with the next change of a pod."""
        try:
            waiting = self._fill(plan)
        except ApiError as error:
            self._events.warning(plan.owner, "FailedCreate", f"create Pod failed: {error.message}")
            return RETRY_CREATION
        if not waiting and not self._shrink(plan):
            self._update(plan)
        return None

    def _fill(self, plan: Plan) -> bool:
        """Create missing pods, lowest first; whether something must happen before the next."""
        for ordinal in plan.ordinals:
            pod = plan.pods.get(ordinal)
            if pod is None:
                self._create(plan, ordinal)
            elif not deleting(pod) and not podrules.active(pod):
                self._view.delete("pods", pod)  # it ended: its name is needed for the next
            if plan.ordered and not plan.healthy(ordinal):
                return True
        return False

    def _create(self, plan: Plan, ordinal: int) -> None:
        namespace, name = key_of(plan.owner)
        revision = plan.current if ordinal < plan.partition else plan.update
        pod = podrules.from_template(revisions.template_of(revision), plan.owner)
        pod["metadata"]["name"] = f"{name}-{ordinal}"
        pod["metadata"]["labels"] = {
            **pod["metadata"].get("labels", {}),
            revisions.HASH_LABEL: revision["metadata"]["name"],
            "statefulset.kubernetes.io/pod-name": f"{name}-{ordinal}",
            "apps.kubernetes.io/pod-index": str(ordinal),
        }
        identity = {"hostname": f"{name}-{ordinal}", "subdomain": plan.owner["spec"].get("serviceName", "")}
        pod["spec"] = {**pod["spec"], **{k: v for k, v in identity.items() if v}}
        pod["spec"]["volumes"] = self._claimed(plan.owner, ordinal, pod["spec"].get("volumes") or [])
        self._view.create("pods", namespace, pod)
        message = f"create Pod {name}-{ordinal} in StatefulSet {name} successful"
        self._events.normal(plan.owner, "SuccessfulCreate", message)

    def _claimed(self, owner: Object, ordinal: int, volumes: list[Object]) -> list[Object]:
        """The pod's volumes, those of the claim templates among them; claims are made where missing."""
        namespace, name = key_of(owner)
        templates = owner["spec"].get("volumeClaimTemplates") or []
        kept = [v for v in volumes if v["name"] not in {t["metadata"]["name"] for t in templates}]
        for template in templates:
            claim = f"{template['metadata']['name']}-{name}-{ordinal}"
            if self._view.get("persistentvolumeclaims", (namespace, claim)) is None:
                self._view.create("persistentvolumeclaims", namespace, _claim(owner, template, claim))
            source = {"persistentVolumeClaim": {"claimName": claim}}
            kept.append({"name": template["metadata"]["name"], **source})
        return kept

    def _shrink(self, plan: Plan) -> bool:
        """Delete pods beyond the wanted ones, highest first; whether there are any."""
        extra = sorted((o for o in plan.pods if o not in plan.ordinals), reverse=True)
        for ordinal in extra:
            if not deleting(plan.pods[ordinal]):
                self._delete(plan, ordinal)
            if plan.ordered:
                break
        return bool(extra)

    def _update(self, plan: Plan) -> None:
        """Replace the highest pod of an old template, once all above it are healthy."""
        if (plan.owner["spec"].get("updateStrategy") or {}).get("type") == "OnDelete":
            return
        for ordinal in reversed(plan.ordinals):
            if ordinal < plan.partition or ordinal not in plan.pods:
                return
            if plan.outdated(ordinal) and not deleting(plan.pods[ordinal]):
                self._delete(plan, ordinal)
                return
            if not plan.healthy(ordinal):
                return

    def _delete(self, plan: Plan, ordinal: int) -> None:
        name = plan.owner["metadata"]["name"]
        self._view.delete("pods", plan.pods[ordinal])
        message = f"delete Pod {name}-{ordinal} in StatefulSet {name} successful"
        self._events.normal(plan.owner, "SuccessfulDelete", message)

    def _write_status(self, plan: Plan) -> None:
        pods = [pod for ordinal, pod in plan.pods.items() if podrules.active(pod)]
        by_revision = Counter(_revision(pod) for pod in pods)
        update, current = plan.update["metadata"]["name"], plan.current["metadata"]["name"]
        if by_revision[update] == len(plan.ordinals) and len(pods) == len(plan.ordinals):
            current = update  # the rollout is complete
        status = {
            "observedGeneration": plan.owner["metadata"].get("generation", 1),
            "replicas": len(pods),
            "readyReplicas": sum(podrules.ready(pod) for pod in pods),
            "availableReplicas": sum(plan.healthy(ordinal) for ordinal in plan.pods),
            "currentReplicas": by_revision[current],
            "updatedReplicas": by_revision[update],
            "currentRevision": current,
            "updateRevision": update,
            "collisionCount": 0,
        }
        if (owner := self._view.get(RESOURCE, key_of(plan.owner))) is not None:
            self._view.write_status(RESOURCE, owner, status)

    def _ripens(self, plan: Plan) -> float | None:
        """Seconds until a ready pod counts as available."""
        seconds = plan.owner["spec"].get("minReadySeconds", 0)
        waits = [podrules.unavailable_for(pod, seconds) for pod in plan.pods.values()]
        return min((wait for wait in waits if wait), default=None)


def _ordinal(pod: Object) -> int:
    number = pod["metadata"]["name"].rpartition("-")[2]
    return int(number) if number.isdigit() else -1


def _revision(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(revisions.HASH_LABEL, ""))


def _claim(owner: Object, template: Object, name: str) -> Object:
    labels = (owner["spec"].get("selector") or {}).get("matchLabels") or {}
    metadata: Object = {"name": name, "labels": {**(template["metadata"].get("labels") or {}), **labels}}
    retention = owner["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    if retention.get("whenDeleted") == "Delete":
        metadata["ownerReferences"] = owned_by(owner)
    return {"metadata": metadata, "spec": template["spec"]}

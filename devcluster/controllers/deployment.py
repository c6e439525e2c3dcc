"""Deployments: one ReplicaSet a template, rolled from the old to the new within the strategy's bounds."""

from __future__ import annotations

from devcluster.api import ApiError
from devcluster.controllers import pods as podrules
from devcluster.controllers import rollout
from devcluster.controllers.adoption import adopt
from devcluster.controllers.deployment_status import Step, overdue, status_of
from devcluster.controllers.events import Recorder
from devcluster.controllers.rollout import Generation
from devcluster.controllers.view import Key, Object, View, controller_of, deleting, key_of, owned_by
from devcluster.controllers.workqueue import WorkQueue

RESOURCE, SETS = "deployments.apps", "replicasets.apps"
_PREFIX = "deployment.kubernetes.io/"
REVISION, DESIRED, MAXIMUM = _PREFIX + "revision", _PREFIX + "desired-replicas", _PREFIX + "max-replicas"
_OWN = {REVISION, DESIRED, MAXIMUM, "kubectl.kubernetes.io/last-applied-configuration"}  # not copied to sets


class Deployments:
    def __init__(self, view: View) -> None:
        self._view = view
        self._events = Recorder(view, "deployment-controller")
        self.queue = WorkQueue("deployment", self._reconcile)

    def start(self) -> None:
        self.queue.follow(self._view, RESOURCE)
        self.queue.follow_owned(self._view, SETS, "Deployment")
        self._view.on("pods", self._pod_changed)

    def _pod_changed(self, before: Object | None, after: Object | None) -> None:
        """The end of a pod matters to the strategy Recreate, which waits for it."""
        owner = controller_of(before) if before is not None and after is None else None
        if before is not None and owner is not None and owner["kind"] == "ReplicaSet":
            replica_set = self._view.get(SETS, (before["metadata"]["namespace"], owner["name"]))
            deployment = controller_of(replica_set) if replica_set is not None else None
            if deployment is not None and deployment["kind"] == "Deployment":
                self.queue.add((before["metadata"]["namespace"], deployment["name"]))

    def _reconcile(self, key: Key) -> float | None:
        deployment = self._view.get(RESOURCE, key)
        if deployment is None:
            return None
        sets = sorted(adopt(self._view, SETS, deployment), key=_age)
        new = _matching(deployment, sets)
        step: Step = ""
        if not deleting(deployment):
            new, step = self._progress(deployment, new, [s for s in sets if s is not new])
        return self._write_status(key, new, step)

    def _progress(
        self, deployment: Object, new: Object | None, old: list[Object]
    ) -> tuple[Object | None, Step]:
        """Take the next step of the rollout; the new ReplicaSet, if there is one, and what was done."""
        if deployment["spec"].get("paused"):
            self._scale_paused(deployment, new, old)
            return new, ""
        recreate = (deployment["spec"].get("strategy") or {}).get("type") == "Recreate"
        if recreate and self._clear(deployment, old):
            return new, ""
        step: Step = ""
        if new is None:
            new, step = self._create_set(deployment, old), "created"
            if new is None:
                return None, ""
        new = self._annotated(deployment, new, old)
        if recreate:
            self._scale(deployment, new, deployment["spec"].get("replicas", 1))
        else:
            self._roll(deployment, new, old)
        self._forget(deployment, old)
        return new, step

    def _roll(self, deployment: Object, new: Object, old: list[Object]) -> None:
        wanted, limits = deployment["spec"].get("replicas", 1), rollout.bounds(deployment)
        generations = [_generation(s) for s in old]
        size = rollout.grown(wanted, limits, _generation(new), generations)
        if size != _generation(new).replicas:
            self._scale(deployment, new, size)
            return  # its status comes with the next change
        sizes = rollout.shrunk(wanted, limits, _generation(new), generations)
        for replica_set in old:
            self._scale(deployment, replica_set, sizes[replica_set["metadata"]["name"]])

    def _clear(self, deployment: Object, old: list[Object]) -> bool:
        """Scale the old ReplicaSets to nothing; whether any of their pods is still there."""
        for replica_set in old:
            self._scale(deployment, replica_set, 0)
        return any(self._view.owned("pods", replica_set) for replica_set in old)

    def _scale_paused(self, deployment: Object, new: Object | None, old: list[Object]) -> None:
        """A paused Deployment can still be scaled: its newest ReplicaSet with pods takes the difference."""
        sets = [*old, *([new] if new else [])]
        active = [s for s in sets if _generation(s).replicas] or sets[-1:]
        if active:
            others = sum(_generation(s).replicas for s in active[:-1])
            self._scale(deployment, active[-1], max(0, deployment["spec"].get("replicas", 1) - others))

    def _scale(self, deployment: Object, replica_set: Object, size: int) -> None:
        before = _generation(replica_set).replicas
        if before == size:
            return
        self._view.patch(SETS, key_of(replica_set), {"spec": {"replicas": size}})
        way = "up" if size > before else "down"
        name = replica_set["metadata"]["name"]
        message = f"Scaled {way} replica set {name} from {before} to {size}"
        self._events.normal(deployment, "ScalingReplicaSet", message)

    def _create_set(self, deployment: Object, old: list[Object]) -> Object | None:
        """The ReplicaSet for the current template, with no pods yet; None when its name is taken."""
        namespace, name = key_of(deployment)
        spec = deployment["spec"]
        collisions = (deployment.get("status") or {}).get("collisionCount", 0)
        mark = {podrules.HASH_LABEL: podrules.template_hash(spec["template"], collisions)}
        metadata = spec["template"].get("metadata") or {}
        labels = {**(metadata.get("labels") or {}), **mark}
        selector = {
            **spec["selector"],
            "matchLabels": {**(spec["selector"].get("matchLabels") or {}), **mark},
        }
        template = {**spec["template"], "metadata": {**metadata, "labels": labels}}
        wanted: Object = {
            "metadata": {
                "name": f"{name}-{mark[podrules.HASH_LABEL]}",
                "labels": labels,
                "annotations": _annotations(deployment, _next_revision(old)),
                "ownerReferences": owned_by(deployment),
            },
            "spec": {"replicas": 0, "selector": selector, "template": template},
        }
        if spec.get("minReadySeconds"):
            wanted["spec"]["minReadySeconds"] = spec["minReadySeconds"]
        try:
            return self._view.create(SETS, namespace, wanted)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            status = {**(deployment.get("status") or {}), "collisionCount": collisions + 1}
            self._view.write_status(RESOURCE, deployment, status)
            return None

    def _annotated(self, deployment: Object, new: Object, old: list[Object]) -> Object:
        """The new ReplicaSet with the highest revision, and the Deployment saying which that is."""
        own = int((new["metadata"].get("annotations") or {}).get(REVISION, 0))
        revision = max(own, _next_revision(old))
        annotations = _annotations(deployment, revision)
        if not annotations.items() <= (new["metadata"].get("annotations") or {}).items():
            new = self._view.patch(SETS, key_of(new), {"metadata": {"annotations": annotations}})
        if (deployment["metadata"].get("annotations") or {}).get(REVISION) != str(revision):
            mark = {"metadata": {"annotations": {REVISION: str(revision)}}}
            self._view.patch(RESOURCE, key_of(deployment), mark)
        return new

    def _forget(self, deployment: Object, old: list[Object]) -> None:
        """Remove the oldest ReplicaSets without pods beyond the history limit."""
        empty = [
            s for s in old if not _generation(s).replicas and not (s.get("status") or {}).get("replicas")
        ]
        extra = len(empty) - deployment["spec"].get("revisionHistoryLimit", 10)
        for replica_set in sorted(empty, key=_revision)[: max(0, extra)]:
            self._view.delete(SETS, replica_set)

    def _write_status(self, key: Key, new: Object | None, step: Step) -> float | None:
        deployment = self._view.get(RESOURCE, key)
        if deployment is None:
            return None
        sets = self._view.owned(SETS, deployment)
        current = self._view.get(SETS, key_of(new)) if new is not None else None
        self._view.write_status(RESOURCE, deployment, status_of(deployment, current, sets, step))
        return overdue(self._view.get(RESOURCE, key) or deployment) or None


def _age(obj: Object) -> tuple[str, str]:
    return str(obj["metadata"]["creationTimestamp"]), str(obj["metadata"]["name"])


def _matching(deployment: Object, sets: list[Object]) -> Object | None:
    template = deployment["spec"]["template"]
    same = (s for s in sets if podrules.same_template(s["spec"]["template"], template))
    return next(same, None)


def _generation(replica_set: Object) -> Generation:
    available = (replica_set.get("status") or {}).get("availableReplicas", 0)
    return Generation(replica_set["metadata"]["name"], replica_set["spec"].get("replicas", 1), available)


def _revision(replica_set: Object) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(REVISION, 0))


def _next_revision(old: list[Object]) -> int:
    return max((_revision(s) for s in old), default=0) + 1


def _annotations(deployment: Object, revision: int) -> dict[str, str]:
    copied = {k: v for k, v in (deployment["metadata"].get("annotations") or {}).items() if k not in _OWN}
    wanted = deployment["spec"].get("replicas", 1)
    most = wanted + rollout.bounds(deployment).surge
    return {**copied, REVISION: str(revision), DESIRED: str(wanted), MAXIMUM: str(most)}

"""Claims are bound at once: each is a folder that the kubelet makes when a pod first uses it."""

from __future__ import annotations

from devcluster.controllers.view import Key, View, deleting
from devcluster.controllers.workqueue import WorkQueue

RESOURCE = "persistentvolumeclaims"


class Claims:
    def __init__(self, view: View) -> None:
        self._view = view
        self.queue = WorkQueue("claims", self._reconcile)

    def start(self) -> None:
        self.queue.follow(self._view, RESOURCE)

    def _reconcile(self, key: Key) -> None:
        claim = self._view.get(RESOURCE, key)
        if claim is None or deleting(claim) or (claim.get("status") or {}).get("phase") == "Bound":
            return
        volume = f"folder-{claim['metadata']['uid']}"
        if not claim["spec"].get("volumeName"):
            self._view.patch(RESOURCE, key, {"spec": {"volumeName": volume}})
        spec = claim["spec"]
        capacity = (spec.get("resources") or {}).get("requests") or {}
        status = {"phase": "Bound", "accessModes": spec.get("accessModes") or [], "capacity": capacity}
        self._view.write_status(RESOURCE, claim, status)

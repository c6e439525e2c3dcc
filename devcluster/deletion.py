"""Deleting: preconditions, finalizers, propagation, and the grace that pods are given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from devcluster import errors
from devcluster.store import Object, Record, Store
from devcluster.writes import Target

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
POD_GRACE_SECONDS = 30
PERMANENT = ("default", "kube-system", "kube-public")


@dataclass(frozen=True)
class Deletion:
    """How something is deleted: DeleteOptions, read. `grace` in seconds; None is the kind's own."""

    propagation: str = "Background"  # Background | Foreground | Orphan
    uid: str = ""
    revision: str = ""
    grace: int | None = None
    dry_run: bool = False

    @staticmethod
    def of(options: Object) -> Deletion:
        """From a DeleteOptions object; ApiError 400 or 422 when it says something impossible."""
        propagation = options.get("propagationPolicy") or (
            "Orphan" if options.get("orphanDependents") else "Background"
        )
        if propagation not in ("Background", "Foreground", "Orphan"):
            cause = errors.unsupported(
                "propagationPolicy", propagation, ["Foreground", "Background", "Orphan", "nil"]
            )
            raise errors.invalid("DeleteOptions", "meta.k8s.io", "", [cause])
        grace = options.get("gracePeriodSeconds")
        if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
            raise errors.bad_request("DeleteOptions.gracePeriodSeconds must be a number of seconds")
        wanted: Any = options.get("preconditions") or {}
        return Deletion(
            propagation=propagation,
            uid=wanted.get("uid") or "",
            revision=wanted.get("resourceVersion") or "",
            grace=grace,
            dry_run=bool(options.get("dryRun")),
        )


class Deleter:
    """Takes objects out of a store, at once or as soon as nothing holds them."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def delete(self, target: Target, how: Deletion) -> tuple[Record, bool]:
        """Delete what `target` names: its last or marked record, and whether it is gone. ApiError 404 or
        409.
        """
        current = self.store.get(target.key)
        if current is None:
            raise errors.not_found(target.resource.name, target.name)
        if target.resource.name == "namespaces" and target.name in PERMANENT:
            raise errors.forbidden("namespaces", target.name, "this namespace may not be deleted")
        self._check(target, current, how)
        marked = self._marked(current, how)
        gone = (
            not marked["metadata"].get("finalizers") and not marked["metadata"]["deletionGracePeriodSeconds"]
        )
        gone = gone and target.resource.name != "namespaces"
        if how.dry_run:
            return Record(current.key, marked, orjson.dumps(marked), 0), gone
        if gone:
            return self.store.remove(current.key), True
        return (current if marked == current.obj else self.store.put(current.key, marked)), False

    def _check(self, target: Target, current: Record, how: Deletion) -> None:
        meta = current.obj["metadata"]
        for word, wanted, found in (
            ("UID", how.uid, meta["uid"]),
            ("ResourceVersion", how.revision, meta["resourceVersion"]),
        ):
            if wanted and wanted != found:
                why = f"Precondition failed: {word} in precondition: {wanted}, {word} in object meta: {found}"
                raise errors.conflict(target.resource.name, target.name, why)

    def _marked(self, current: Record, how: Deletion) -> Object:
        obj = current.copy()
        meta = obj["metadata"]
        grace = _grace(current, how)
        already = "deletionTimestamp" in meta
        if not already or grace < meta.get("deletionGracePeriodSeconds", 0):
            meta["deletionTimestamp"] = (datetime.now(UTC) + timedelta(seconds=grace)).strftime(
                "%Y-%m-%dT%H:%M:%SZ"
            )
            meta["deletionGracePeriodSeconds"] = grace
        if not already:
            meta["generation"] = meta.get("generation", 0) + 1
        finalizers = _finalizers(meta.get("finalizers") or [], how.propagation)
        if finalizers:
            meta["finalizers"] = finalizers
        else:
            meta.pop("finalizers", None)
        if current.key[0] == "namespaces":
            obj.setdefault("status", {})["phase"] = "Terminating"
        return obj


def _finalizers(present: list[str], propagation: str) -> list[str]:
    kept = [name for name in present if name not in (ORPHAN, FOREGROUND)]
    extra = {"Foreground": [FOREGROUND], "Orphan": [ORPHAN]}.get(propagation, [])
    return kept + extra


def _grace(current: Record, how: Deletion) -> int:
    """Seconds: only a pod that a kubelet runs is given any."""
    if current.key[0] != "pods":
        return 0
    spec, status = current.obj.get("spec") or {}, current.obj.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    if how.grace is not None:
        return max(0, how.grace)
    return int(spec.get("terminationGracePeriodSeconds", POD_GRACE_SECONDS))

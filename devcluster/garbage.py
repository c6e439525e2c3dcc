"""Collecting what nobody owns any more, and emptying namespaces that end.

Follows the store's changes: whenever an object goes, is marked for deletion or appears with owners, the
objects concerned are looked at again. Work is done in slices, so that ten thousand dependents do not hold up
the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from devcluster.definitions import CLEANUP, DEFINITIONS
from devcluster.deletion import FOREGROUND, ORPHAN, Deleter, Deletion
from devcluster.history import DELETED, Change
from devcluster.resources import Resources
from devcluster.store import Key, Object, Record, Store
from devcluster.writes import Target

SLICE = 100  # objects looked at before the loop gets its turn


class Collector:
    """Garbage collection over one store. Without a running loop (tests), call `drain()`."""

    def __init__(self, store: Store, resources: Resources, deleter: Deleter) -> None:
        self.store = store
        self.resources = resources
        self.deleter = deleter
        self._dirty: dict[Key, None] = {}
        self._scheduled = False
        store.history.listeners.append(self._changed)
        for record in store.everything():
            self._consider(record)

    def drain(self) -> None:
        """Do all that is to be done now."""
        while self._dirty:
            self._slice()

    def _changed(self, change: Change) -> None:
        meta = change.record.obj["metadata"]
        if change.kind == DELETED:
            for dependent in self.store.dependents(meta["uid"]):
                self._add(dependent.key)
            for uid in [reference["uid"] for reference in meta.get("ownerReferences") or ()]:
                self._reconsider_owner(uid)
            self._add((DEFINITIONS, "", change.record.key[0]))
            if meta.get("namespace") and self._ending(meta["namespace"]):
                self._add(("namespaces", "", meta["namespace"]))
        else:
            self._consider(change.record)

    def _consider(self, record: Record) -> None:
        meta = record.obj["metadata"]
        if "deletionTimestamp" in meta or meta.get("ownerReferences"):
            self._add(record.key)

    def _reconsider_owner(self, uid: str) -> None:
        owner = self.store.by_uid(uid)
        if owner and FOREGROUND in (owner.obj["metadata"].get("finalizers") or ()):
            self._add(owner.key)

    def _ending(self, namespace: str) -> bool:
        record = self.store.get(("namespaces", "", namespace))
        return record is not None and "deletionTimestamp" in record.obj["metadata"]

    def _add(self, key: Key) -> None:
        self._dirty[key] = None
        if self._scheduled:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._scheduled = True
        loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        self._slice()
        if self._dirty and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _slice(self) -> None:
        for key in list(self._dirty)[:SLICE]:
            self._dirty.pop(key, None)
            record = self.store.get(key)
            if record:
                self._collect(record)

    def _collect(self, record: Record) -> None:
        meta = record.obj["metadata"]
        if "deletionTimestamp" in meta:
            finalizers = meta.get("finalizers") or ()
            if ORPHAN in finalizers:
                self._orphan(record)
            elif FOREGROUND in finalizers:
                self._foreground(record)
            elif record.key[0] == "namespaces":
                self._empty(record)
            elif CLEANUP in finalizers:
                self._end_kind(record)
        elif meta.get("ownerReferences"):
            self._unowned(record)

    # owners

    def _unowned(self, record: Record) -> None:
        """Delete what has no owner left; where some are left, forget the ones that are gone."""
        references = record.obj["metadata"]["ownerReferences"]
        gone = [r["uid"] for r in references if not self._owner(record, r)]
        leaving = [r for r in references if self._waits(record, r)]
        solid = len(references) - len(gone) - len(leaving)
        if solid and (gone or leaving):
            self._disown(record, {*gone, *(r["uid"] for r in leaving)})
        elif not solid and leaving:
            has_dependents = bool(self.store.dependents(record.obj["metadata"]["uid"]))
            self._delete(record, "Foreground" if has_dependents else "Background")
        elif not solid:
            self._delete(record, _policy(record.obj))

    def _owner(self, record: Record, reference: Object) -> Record | None:
        """The owner that a reference names; None when it is gone, or in another namespace, where it cannot
        own.
        """
        owner = self.store.by_uid(reference["uid"])
        if owner is None or owner.obj["kind"] != reference["kind"] or owner.key[2] != reference["name"]:
            return None
        return owner if owner.key[1] in ("", record.key[1]) else None

    def _waits(self, record: Record, reference: Object) -> bool:
        owner = self._owner(record, reference)
        return (
            owner is not None
            and FOREGROUND in (owner.obj["metadata"].get("finalizers") or ())
            and _deleting(owner)
        )

    def _delete(self, record: Record, propagation: str) -> None:
        resource = self.resources.get(record.key[0])
        target = Target(resource, record.key[1], record.key[2])
        self.deleter.delete(target, Deletion(propagation=propagation, uid=record.obj["metadata"]["uid"]))

    def _disown(self, record: Record, uids: set[str]) -> None:
        self._edit(record, lambda meta: _keep_owners(meta, uids))

    def _orphan(self, record: Record) -> None:
        for dependent in self.store.dependents(record.obj["metadata"]["uid"]):
            self._disown(dependent, {record.obj["metadata"]["uid"]})
        self._drop_finalizer(record, ORPHAN)

    def _foreground(self, record: Record) -> None:
        dependents = self.store.dependents(record.obj["metadata"]["uid"])
        for dependent in dependents:
            if not _deleting(dependent):
                self._unowned(dependent)
        uid = record.obj["metadata"]["uid"]
        if not any(_blocks(dependent.obj, uid) for dependent in self.store.dependents(uid)):
            self._drop_finalizer(record, FOREGROUND)

    def _drop_finalizer(self, record: Record, finalizer: str) -> None:
        current = self.store.get(record.key)
        if current is None:
            return
        obj = self._edit(current, lambda meta: _without_finalizer(meta, finalizer))
        meta = obj["metadata"]
        if (
            not meta.get("finalizers")
            and not meta.get("deletionGracePeriodSeconds")
            and record.key[0] != "namespaces"
        ):
            self.store.remove(record.key)

    def _edit(self, record: Record, edit: Callable[[Object], None]) -> Object:
        obj = record.copy()
        edit(obj["metadata"])
        return self.store.put(record.key, obj).obj

    # namespaces

    def _empty(self, record: Record) -> None:
        """Delete what a namespace holds; the namespace itself once nothing is left and nothing holds it."""
        name = record.key[2]
        for content in self.store.in_namespace(name):
            if not _deleting(content):
                self._delete(content, "Background")
        if next(self.store.in_namespace(name), None) is None and not record.obj["metadata"].get("finalizers"):
            self.store.remove(record.key)

    # custom resources

    def _end_kind(self, definition: Record) -> None:
        """Delete all objects of a kind whose definition is being deleted; then stop serving it."""
        contents = self.store.select(definition.key[2])
        for content in contents:
            if not _deleting(content):
                self._delete(content, "Background")
        if not self.store.select(definition.key[2]):
            self._drop_finalizer(definition, CLEANUP)
            self.resources.remove(definition.key[2])


def _deleting(record: Record) -> bool:
    return "deletionTimestamp" in record.obj["metadata"]


def _policy(obj: Object) -> str:
    finalizers = obj["metadata"].get("finalizers") or ()
    if ORPHAN in finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in finalizers else "Background"


def _blocks(obj: Object, uid: str) -> bool:
    return any(
        r["uid"] == uid and r.get("blockOwnerDeletion") for r in obj["metadata"].get("ownerReferences") or ()
    )


def _keep_owners(meta: Object, gone: set[str]) -> None:
    left = [reference for reference in meta.get("ownerReferences") or () if reference["uid"] not in gone]
    if left:
        meta["ownerReferences"] = left
    else:
        meta.pop("ownerReferences", None)


def _without_finalizer(meta: Object, finalizer: str) -> None:
    left = [name for name in meta.get("finalizers") or () if name != finalizer]
    if left:
        meta["finalizers"] = left
    else:
        meta.pop("finalizers", None)

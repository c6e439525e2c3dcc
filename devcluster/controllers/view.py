"""What controllers see: the store's current objects by name, owner and label, and who hears of changes.

Promises: it is never behind the store (it hears of a change before the write returns), so a controller
never acts on an object that it has itself replaced; look-ups by owner or label cost what they find, not
what exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from devcluster.api import Api
from devcluster.history import DELETED, Change

Object = dict[str, Any]
Key = tuple[str, str]  # namespace ("" when cluster-scoped), name
Handler = Callable[[Object | None, Object | None], None]  # (before, after)

_LABELLED = ("pods", "replicasets.apps", "services", "endpointslices.discovery.k8s.io")
_MANAGER = "devcluster"


class View:
    """Reads and writes of one cluster's objects. Objects returned here are shared: copy before changing."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._handlers: dict[str, list[Handler]] = {}
        self._by_label: dict[tuple[str, str, str, str], set[str]] = {}
        for resource in _LABELLED:
            for obj in api.list(resource):
                self._index(resource, None, obj)
        api.store.history.listeners.append(self._changed)

    def close(self) -> None:
        self.api.store.history.listeners.remove(self._changed)

    def on(self, resource: str, handler: Handler) -> None:
        """Call `handler` for every object there is now and at every change, before the write returns.

        Handlers only take note (enqueue a key, set an event): they run inside other writers' calls.
        """
        self._handlers.setdefault(resource, []).append(handler)
        for obj in self.api.list(resource):
            handler(None, obj)

    # reading

    def get(self, resource: str, key: Key) -> Object | None:
        record = self.api.store.get((resource, *key))
        return record.obj if record else None

    def all(self, resource: str, namespace: str = "") -> list[Object]:
        return self.api.list(resource, namespace)

    def owned(self, resource: str, owner: Object) -> list[Object]:
        """The objects whose controller is `owner`, by name."""
        uid = owner["metadata"]["uid"]
        records = self.api.store.dependents(uid)
        return [r.obj for r in records if r.key[0] == resource and controller_uid(r.obj) == uid]

    def labelled(self, resource: str, namespace: str, labels: dict[str, str]) -> list[Object]:
        """The objects of a namespace that carry all of `labels` (at least one), by name."""
        sets = [self._by_label.get((resource, namespace, k, v), set()) for k, v in labels.items()]
        smallest = min(sets, key=len)
        names = sorted(name for name in smallest if all(name in found for found in sets))
        return [obj for name in names if (obj := self.get(resource, (namespace, name))) is not None]

    # writing

    def create(self, resource: str, namespace: str, obj: Object) -> Object:
        return self.api.create(resource, namespace, obj, manager=_MANAGER)

    def write_status(self, resource: str, obj: Object, status: Object) -> None:
        """Replace the status; nothing is written, and no watcher woken, when it is what it was."""
        if obj.get("status") == status:
            return
        key = key_of(obj)
        current = self.get(resource, key)
        if current is None or current["metadata"]["uid"] != obj["metadata"]["uid"]:
            return  # it is gone, and its status with it
        new = {**current, "metadata": {"name": key[1], "namespace": key[0]}, "status": status}
        self.api.update(resource, *key, new, subresource="status", manager=_MANAGER)

    def patch(self, resource: str, key: Key, body: Object) -> Object:
        """Merge-patch an object."""
        return self.api.patch(resource, *key, body, kind="merge", manager=_MANAGER)

    def delete(self, resource: str, obj: Object, *, grace: int | None = None) -> None:
        """Delete this very object; nothing happens when it is gone already."""
        key = key_of(obj)
        current = self.get(resource, key)
        if current is not None and current["metadata"]["uid"] == obj["metadata"]["uid"]:
            self.api.delete(resource, *key, grace=grace)

    # following

    def _changed(self, change: Change) -> None:
        resource = change.record.key[0]
        before = change.previous.obj if change.previous else None
        after = None if change.kind == DELETED else change.record.obj
        if resource in _LABELLED:
            self._index(resource, before, after)
        for handler in self._handlers.get(resource, ()):
            handler(before, after)

    def _index(self, resource: str, before: Object | None, after: Object | None) -> None:
        for place in _places(resource, before):
            self._by_label[place].discard((before or {})["metadata"]["name"])
            if not self._by_label[place]:
                del self._by_label[place]
        for place in _places(resource, after):
            self._by_label.setdefault(place, set()).add((after or {})["metadata"]["name"])


def _places(resource: str, obj: Object | None) -> Iterator[tuple[str, str, str, str]]:
    if obj is not None:
        namespace = obj["metadata"].get("namespace", "")
        for name, value in (obj["metadata"].get("labels") or {}).items():
            yield resource, namespace, name, value


def key_of(obj: Object) -> Key:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def controller_of(obj: Object) -> Object | None:
    """The ownerReference of the object's controller."""
    return next((r for r in obj["metadata"].get("ownerReferences") or () if r.get("controller")), None)


def controller_uid(obj: Object) -> str:
    owner = controller_of(obj)
    return str(owner["uid"]) if owner else ""


def owned_by(owner: Object) -> list[Object]:
    """The ownerReferences of what `owner` controls."""
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"]}
    return [{**reference, "uid": owner["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}]


def deleting(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def now() -> str:
    """The time as Kubernetes writes it, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_since(stamp: str) -> float:
    """Seconds since a time as Kubernetes writes it."""
    return (datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds()

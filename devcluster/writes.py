"""Creating and changing objects: the one way by which anything enters the store.

Every write, whatever its verb, is completed, checked and stored by the same steps in the same order, so that a
patch is held to the rules of a create.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from devcluster import errors, metadata
from devcluster.resources import Resource, Resources
from devcluster.store import Key, Object, Record, Store


@dataclass
class Options:
    """How a write is to be done. `warnings` collects what the answer's Warning headers say."""

    manager: str = "devcluster"
    dry_run: bool = False
    field_validation: str = "Ignore"  # Ignore | Warn | Strict
    force: bool = False
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Target:
    """What a write is aimed at. `version` is the API version that the client speaks."""

    resource: Resource
    namespace: str
    name: str = ""
    subresource: str = ""
    version: str = ""

    @property
    def key(self) -> Key:
        return (self.resource.name, self.namespace if self.resource.namespaced else "", self.name)


class Writer:
    """Creates and changes objects in a store."""

    def __init__(self, store: Store, resources: Resources) -> None:
        self.store = store
        self.resources = resources

    def create(self, target: Target, obj: Object, options: Options) -> Record:
        resource = target.resource
        self._check_kind(resource, obj)
        obj = metadata.name_object(resource, target.namespace, obj)
        self._check_namespace(target, obj["metadata"].get("name", ""))
        obj["metadata"]["generation"] = 1
        key = (resource.name, obj["metadata"].get("namespace", ""), obj["metadata"].get("name", ""))
        if self.store.get(key):
            raise errors.already_exists(resource.name, key[2])
        return self._keep(key, obj, options)

    def current(self, target: Target) -> Record:
        found = self.store.get(target.key)
        if found is None:
            raise errors.not_found(target.resource.name, target.name)
        return found

    def update(self, target: Target, obj: Object, options: Options) -> Record:
        """Replace an object, or the part that a subresource names. 409 when obj's resourceVersion is stale."""
        self._check_kind(target.resource, obj)
        return self.change(target, self.current(target), obj, options)

    def change(self, target: Target, current: Record, obj: Object, options: Options) -> Record:
        """Store `obj` as the successor of `current`."""
        self._check_identity(target, current, obj)
        obj = _merged(target, current.obj, obj)
        if obj == current.obj:
            return current
        if _spec(obj) != _spec(current.obj):
            obj["metadata"]["generation"] = current.obj["metadata"].get("generation", 0) + 1
        if metadata.finished(obj) and not options.dry_run:
            self.store.put(current.key, obj)
            return self.store.remove(current.key)
        return self._keep(current.key, obj, options)

    def _keep(self, key: Key, obj: Object, options: Options) -> Record:
        if options.dry_run:
            return Record(key, obj, orjson.dumps(obj), 0)
        return self.store.put(key, obj)

    def _check_kind(self, resource: Resource, obj: Object) -> None:
        obj.setdefault("apiVersion", resource.api_version)
        obj.setdefault("kind", resource.kind)

    def _check_namespace(self, target: Target, name: str) -> None:
        if not target.resource.namespaced:
            return
        namespace = self.store.get(("namespaces", "", target.namespace))
        if namespace is None:
            raise errors.not_found("namespaces", target.namespace)
        if "deletionTimestamp" in namespace.obj["metadata"]:
            why = (
                f"unable to create new content in namespace {target.namespace} because it is being terminated"
            )
            raise errors.forbidden(target.resource.name, name, why)

    def _check_identity(self, target: Target, current: Record, obj: Object) -> None:
        meta = obj.setdefault("metadata", {})
        if meta.get("name", target.name) != target.name:
            raise errors.bad_request(
                f"the name of the object ({meta['name']}) does not match the name on the URL ({target.name})"
            )
        revision = meta.get("resourceVersion")
        if revision and revision != current.obj["metadata"]["resourceVersion"]:
            raise errors.stale(target.resource.name, target.name)
        meta["resourceVersion"] = current.obj["metadata"]["resourceVersion"]


def _merged(target: Target, old: Object, new: Object) -> Object:
    """`new` with what this write may not change taken from `old`."""
    if target.subresource == "status":
        return {
            **old,
            "metadata": dict(old["metadata"]),
            **({"status": new["status"]} if "status" in new else {}),
        }
    metadata.carry(old["metadata"], new["metadata"])
    if "status" in target.resource.subresources:
        new = (
            {**new, "status": old["status"]}
            if "status" in old
            else {k: v for k, v in new.items() if k != "status"}
        )
    return new


def _spec(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


Edit = Callable[[Object], Object]
Json = Any

"""Creating and changing objects: the one way by which anything enters the store.

Every write, whatever its verb, is decoded, completed, checked and stored by the same steps in the same order,
so a patch is held to the rules of a create.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from devcluster import admission, decoding, errors, metadata, patch, serverside, strategic
from devcluster.resources import Resource, Resources
from devcluster.serverside import Owner
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

    def __init__(self, store: Store, resources: Resources, completer: admission.Completer) -> None:
        self.store = store
        self.resources = resources
        self.completer = completer

    def current(self, target: Target) -> Record:
        """The record that is there; ApiError 404."""
        found = self.store.get(target.key)
        if found is None:
            raise errors.not_found(target.resource.name, target.name)
        return found

    def create(self, target: Target, obj: Object, options: Options) -> Record:
        obj = self._decoded(target, obj, options)
        if obj["metadata"].get("resourceVersion"):
            raise errors.ApiError(500, "", "resourceVersion should not be set on objects to be created")
        obj = metadata.name_object(target.resource, target.namespace, obj)
        managed = serverside.updated(None, obj, self._type(target), self._owner(target, options))
        return self._insert(target, obj, options, managed)

    def update(self, target: Target, obj: Object, options: Options) -> Record:
        """Replace an object, or the part that a subresource names. 409 when obj's resourceVersion is
        stale.
        """
        admission.check_shape(target.resource, target.version, obj)
        current = self.current(target)
        uid, live = obj["metadata"].get("uid"), current.obj["metadata"]["uid"]
        if uid and uid != live:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {live}"
            raise errors.conflict(target.resource.name, target.name, why)
        if target.resource.custom and not obj["metadata"].get("resourceVersion"):
            cause = errors.wrong("metadata.resourceVersion", "0x0", "must be specified for an update")
            raise errors.invalid(target.resource.kind, target.resource.group, target.name, [cause])
        return self.change(target, current, obj, options)

    def patch(self, target: Target, body: Any, kind: str, options: Options) -> Record:
        """Patch an object; `kind` is merge, strategic, json or apply, which creates what is absent."""
        if kind == "apply":
            return self._apply(target, body, options)
        current = self.current(target)
        if kind == "json":
            new = patch.json_patch(current.copy(), body)
        elif kind == "strategic":
            if target.resource.custom:
                raise errors.unsupported_media(
                    ["application/json-patch+json", "application/merge-patch+json"]
                )
            new = strategic.merge(current.copy(), body, self._type(target))
        else:
            new = patch.merge(current.copy(), body)
        return self.change(target, current, new, options)

    def change(self, target: Target, current: Record, new: Object, options: Options) -> Record:
        """Store `new` as the successor of `current`; unchanged, it stays the very record that is there."""
        new = self._decoded(target, new, options)
        self._check_identity(target, current, new)
        new = admission.successor(target.resource, target.subresource, current.obj, new)
        self._complete(target, new, current.obj)
        owner = self._owner(target, options)
        given = new["metadata"].get("managedFields")
        old = current.obj if given is None else _owned_as(current.obj, given)
        managed = [] if given == [] else serverside.updated(old, new, self._type(target), owner)
        return self._succeed(target, current, new, options, managed)

    # steps

    def _apply(self, target: Target, body: Object, options: Options) -> Record:
        current = self.store.get(target.key)
        if current is None and target.subresource:
            raise errors.not_found(target.resource.name, target.name)
        wanted = self._applied(target, body, options)
        owner = self._owner(target, options, "Apply")
        live = current.copy() if current else None
        new = serverside.apply(live, wanted, self._type(target), owner, force=options.force)
        managed = new["metadata"].pop("managedFields", [])
        if current is None:
            _check_absent(target, wanted)
            named = metadata.name_object(target.resource, target.namespace, new)
            return self._insert(target, named, options, managed)
        self._check_identity(target, current, new)
        new = admission.successor(target.resource, target.subresource, current.obj, new)
        self._complete(target, new, current.obj)
        return self._succeed(target, current, new, options, managed)

    def _applied(self, target: Target, body: Object, options: Options) -> Object:
        """The configuration that is applied, without the parts that this way of writing cannot set."""
        for word in ("apiVersion", "kind"):
            if not body.get(word):
                raise errors.bad_request(
                    f"invalid object type: {word} is required in an applied configuration"
                )
        if (body.get("metadata") or {}).get("managedFields"):
            raise errors.bad_request("metadata.managedFields must be nil")
        obj = self._decoded(target, body, replace(options, field_validation=decoding.DECLARED))
        meta = obj.setdefault("metadata", {})
        if meta.setdefault("name", target.name) != target.name:
            raise errors.bad_request(
                f"the name of the object ({meta['name']}) does not match the name on the URL ({target.name})"
            )
        if target.subresource:
            return {
                key: value
                for key, value in obj.items()
                if key in ("apiVersion", "kind", "metadata", target.subresource)
            }
        if "status" in target.resource.subresources:
            obj.pop("status", None)
        return obj

    def _insert(self, target: Target, obj: Object, options: Options, managed: list[Object]) -> Record:
        resource = target.resource
        name = obj["metadata"].get("name", "")
        self._check_namespace(target, name)
        admission.begin(resource, obj)
        self._complete(target, obj, None)
        if managed:
            obj["metadata"]["managedFields"] = managed
        key = (resource.name, obj["metadata"].get("namespace", ""), name)
        if self.store.get(key):
            raise errors.already_exists(resource.name, name)
        return self._keep(key, obj, options)

    def _succeed(
        self, target: Target, current: Record, new: Object, options: Options, managed: list[Object]
    ) -> Record:
        meta = new["metadata"]
        meta.pop("managedFields", None)
        if managed:
            meta["managedFields"] = managed
        meta["resourceVersion"] = current.obj["metadata"]["resourceVersion"]
        if new == current.obj:
            return current
        if admission.generation_moves(target.resource, current.obj, new):
            meta["generation"] = meta.get("generation", 0) + 1
        if metadata.finished(new) and target.resource.name != "namespaces" and not options.dry_run:
            self.store.put(current.key, new)
            return self.store.remove(current.key)
        return self._keep(current.key, new, options)

    def _keep(self, key: Key, obj: Object, options: Options) -> Record:
        if options.dry_run:
            return Record(key, obj, orjson.dumps(obj), 0)
        record = self.store.put(key, obj)
        self.completer.after(record)
        return record

    def _complete(self, target: Target, obj: Object, old: Object | None) -> None:
        self.completer.complete(target.resource, target.subresource, obj, old)

    def _type(self, target: Target) -> Any:
        return self.resources.type_of(target.resource)

    def _owner(self, target: Target, options: Options, operation: str = "Update") -> Owner:
        version = target.resource.api_version
        return Owner(options.manager, operation, version, target.subresource)

    def _decoded(self, target: Target, obj: Object, options: Options) -> Object:
        type_ = self.resources.type_of(target.resource)
        return admission.decode(
            target.resource, target.version, obj, type_, options.field_validation, options.warnings
        )

    def _check_namespace(self, target: Target, name: str) -> None:
        if not target.resource.namespaced:
            return
        namespace = self.store.get(("namespaces", "", target.namespace))
        if namespace is None:
            raise errors.not_found("namespaces", target.namespace)
        if "deletionTimestamp" in namespace.obj["metadata"]:
            raise errors.ending_namespace(target.resource.name, name, target.namespace)

    def _check_identity(self, target: Target, current: Record, obj: Object) -> None:
        meta, live = obj.setdefault("metadata", {}), current.obj["metadata"]
        name = meta.get("name") or target.name
        if name != target.name:
            raise errors.bad_request(
                f"the name of the object ({name}) does not match the name on the URL ({target.name})"
            )
        if meta.get("uid") and meta["uid"] != live["uid"]:
            cause = errors.wrong("metadata.uid", meta["uid"], "field is immutable")
            raise errors.invalid(target.resource.kind, target.resource.group, target.name, [cause])
        if target.resource.namespaced and meta.get("namespace", target.namespace) != target.namespace:
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        revision = meta.get("resourceVersion")
        if revision and revision != live["resourceVersion"]:
            raise errors.stale(target.resource.name, target.name)


def _check_absent(target: Target, wanted: Object) -> None:
    """ApiError 409 when what is applied names an object that is not there by its uid."""
    uid = wanted["metadata"].get("uid")
    if uid:
        why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise errors.conflict(target.resource.name, target.name, why)


def _owned_as(obj: Object, managed: list[Object]) -> Object:
    """The object with the owners that a writer says it has: so one gives fields up."""
    return {**obj, "metadata": {**obj["metadata"], "managedFields": managed}}

"""What happens to an object between the wire and the store: decoding, defaults, completion, validation."""

from __future__ import annotations

from typing import Any, Protocol

from devcluster import decoding, defaults, errors, metadata
from devcluster.decoding import Findings
from devcluster.resources import Resource, Resources, group_version
from devcluster.schema import Node
from devcluster.store import Object, Record

# Kinds whose generation stays put or is absent on a real server.
NO_GENERATION = frozenset(
    [
        "configmaps",
        "secrets",
        "serviceaccounts",
        "events",
        "endpoints",
        "namespaces",
        "nodes",
        "leases.coordination.k8s.io",
        "services",
        "persistentvolumeclaims",
        "persistentvolumes",
        "resourcequotas",
        "limitranges",
        "controllerrevisions.apps",
        "roles.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io",
        "clusterroles.rbac.authorization.k8s.io",
        "clusterrolebindings.rbac.authorization.k8s.io",
        "storageclasses.storage.k8s.io",
        "horizontalpodautoscalers.autoscaling",
    ]
)


def check_shape(resource: Resource, version: str, obj: Object) -> None:
    """Fill in a missing apiVersion or kind; ApiError 400 when they are those of something else."""
    wanted = group_version(resource.group, version)
    given = (obj.get("apiVersion") or wanted, obj.get("kind") or resource.kind)
    if given != (wanted, resource.kind):
        raise errors.bad_request(
            f"the API version in the data ({given[0]}, Kind={given[1]}) does not match the expected API "
            f"version ({wanted}, Kind={resource.kind})"
        )
    obj["apiVersion"], obj["kind"] = wanted, resource.kind
    obj["metadata"] = {} if obj.get("metadata") is None else obj["metadata"]
    if not isinstance(obj["metadata"], dict):
        raise errors.bad_request("metadata must be an object")


def decode(
    resource: Resource, version: str, obj: Object, node: Node, validation: str, warnings: list[str]
) -> Object:
    """A copy of the object with what its kind knows, in its stored version. ApiError 400 for what cannot be
    read.
    """
    check_shape(resource, version, obj)
    findings = Findings()
    pruned: Object = decoding.prune(obj, node, "", findings)
    words = group_version(resource.group, version).rpartition("/")[2]
    # What a custom resource holds is for its schema to judge; its metadata is decoded as everybody's.
    decoding.refuse_unreadable(findings, resource.kind, words, "metadata" if resource.custom else "")
    decoding.strictly(findings, validation, resource.kind, words, warnings)
    pruned["apiVersion"] = resource.api_version
    pruned.setdefault("metadata", {})
    return pruned


def begin(resource: Resource, obj: Object) -> None:
    """What is true of every new object of a kind."""
    if resource.name not in NO_GENERATION:
        obj["metadata"]["generation"] = 1
    else:
        obj["metadata"].pop("generation", None)
    if "status" in resource.subresources:
        obj.pop("status", None)
    for name in ("labels", "annotations", "finalizers", "ownerReferences"):
        if not obj["metadata"].get(name, True):
            del obj["metadata"][name]


def successor(resource: Resource, subresource: str, old: Object, new: Object) -> Object:
    """`new` with what this write may not change taken from `old`."""
    if subresource == "status":
        changed = {key: value for key, value in old.items() if key != "status"}
        changed["metadata"] = dict(old["metadata"])
        return {**changed, "status": new["status"]} if "status" in new else changed
    metadata.carry(old["metadata"], new["metadata"])
    if "status" not in resource.subresources:
        return new
    kept = {key: value for key, value in new.items() if key != "status"}
    return {**kept, "status": old["status"]} if "status" in old else kept


def generation_moves(resource: Resource, old: Object, new: Object) -> bool:
    """Whether the change from `old` to `new` is one of what is wanted, rather than of what is."""
    if resource.name in NO_GENERATION:
        return False
    return _wanted(resource, old) != _wanted(resource, new)


def _wanted(resource: Resource, obj: Object) -> Object:
    ignored = (
        {"metadata", "status"} if resource.custom and "status" in resource.subresources else {"metadata"}
    )
    if not resource.custom:
        ignored.add("status")
    return {key: value for key, value in obj.items() if key not in ignored}


class Hook(Protocol):
    """A part of the server that completes and watches over one kind."""

    def complete(self, obj: Object, old: Object | None) -> None: ...

    def after(self, record: Record) -> None: ...


class Completer:
    """Fills objects in and checks them; parts of the server add hooks for their kinds."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.hooks: dict[str, Hook] = {}

    def complete(self, resource: Resource, subresource: str, obj: Object, old: Object | None) -> None:
        """Fill in, in place, what is missing, then check. ApiError 422 names every wrong field."""
        from devcluster import validation

        node = self.resources.type_of(resource)
        if not subresource or resource.custom:
            defaults.from_schema(_without_status(obj, subresource), node)
        if not subresource:
            defaults.fill(resource.name, obj)
        validation.check(resource, subresource, obj, old, node)
        if not subresource and (hook := self.hooks.get(resource.name)):
            hook.complete(obj, old)

    def after(self, record: Record) -> None:
        if hook := self.hooks.get(record.key[0]):
            hook.after(record)


def _without_status(obj: Object, subresource: str) -> Any:
    return obj if subresource else {key: value for key, value in obj.items() if key != "status"}

"""CustomResourceDefinitions: each one that is stored is a resource that is served."""

from __future__ import annotations

from typing import Any

from devcluster import jsonpath, schema, tables
from devcluster.resources import Resource, Resources
from devcluster.schema import Node
from devcluster.store import Object, Record, Store
from devcluster.tables import Column, Columns

DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


class Definitions:
    """The hook of CustomResourceDefinitions: completes them, and serves what they define."""

    def __init__(self, resources: Resources, store: Store) -> None:
        self.resources = resources
        for record in store.select(DEFINITIONS):
            self.after(record)

    def complete(self, obj: Object, old: Object | None) -> None:
        spec, names = obj["spec"], obj["spec"]["names"]
        names.setdefault("singular", names["kind"].lower())
        names.setdefault("listKind", names["kind"] + "List")
        spec.setdefault("conversion", {"strategy": "None"})
        stored = next(version["name"] for version in spec["versions"] if version.get("storage"))
        status = obj.setdefault("status", {})
        status["acceptedNames"] = dict(names)
        status["storedVersions"] = sorted({*(status.get("storedVersions") or ()), stored})
        status.setdefault("conditions", _conditions(obj["metadata"].get("creationTimestamp", "")))
        finalizers = obj["metadata"].get("finalizers") or []
        if old is None and CLEANUP not in finalizers:
            obj["metadata"]["finalizers"] = [*finalizers, CLEANUP]

    def after(self, record: Record) -> None:
        spec = record.obj["spec"]
        versions = [version for version in spec["versions"] if version.get("served")]
        stored = next(version for version in spec["versions"] if version.get("storage"))
        columns = {version["name"]: _columns(version) for version in versions}
        self.resources.add(_resource(spec, stored, versions), _type(stored), columns)


def _conditions(since: str) -> list[Object]:
    words = {"NamesAccepted": ("NoConflicts", "no conflicts found")}
    words["Established"] = ("InitialNamesAccepted", "the initial names have been accepted")
    return [
        {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": since}
        for kind, (reason, message) in words.items()
    ]


def _resource(spec: Object, stored: Object, versions: list[Object]) -> Resource:
    names = spec["names"]
    return Resource(
        group=spec["group"],
        version=stored["name"],
        kind=names["kind"],
        plural=names["plural"],
        singular=names.get("singular", ""),
        short=tuple(names.get("shortNames") or ()),
        namespaced=spec["scope"] == "Namespaced",
        subresources=tuple(sorted(stored.get("subresources") or {})),
        categories=tuple(names.get("categories") or ()),
        versions=tuple(version["name"] for version in sorted(versions, key=_priority)),
        custom=True,
    )


def _priority(version: Object) -> tuple[int, str]:
    """Stable versions before beta before alpha, as discovery orders them."""
    name = version["name"]
    return (2 if "alpha" in name else 1 if "beta" in name else 0, name)


def _type(version: Object) -> Node:
    """The type of a custom resource: its own schema, with the fields that every object has."""
    written = (version.get("schema") or {}).get("openAPIV3Schema") or {"type": "object"}
    node = schema.of({**written, "type": "object"})
    node.properties["apiVersion"] = schema.of({"type": "string"})
    node.properties["kind"] = schema.of({"type": "string"})
    node.properties["metadata"] = schema.builtin("v1", "ConfigMap").properties["metadata"]
    return node


def _columns(version: Object) -> Columns:
    """Name, then what the definition asks for; age where it asks for nothing."""
    asked = version.get("additionalPrinterColumns") or [
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
    ]
    head = [tables.NAME]
    head += [
        Column(c["name"], c["type"], c.get("format", ""), c.get("description", ""), c.get("priority", 0))
        for c in asked
    ]
    paths = [(jsonpath.compile_(column["jsonPath"]), column["type"]) for column in asked]

    def cells(obj: Object) -> list[Any]:
        return [obj["metadata"]["name"], *(_cell(path(obj), kind) for path, kind in paths)]

    return Columns(tuple(head), cells)


def _cell(found: list[Any], kind: str) -> Any:
    if not found:
        return None
    value = found[0]
    if kind == "date":
        return tables.since(value)
    if kind == "string" and not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value

"""The OpenAPI documents that kubectl asks for before it applies, explains or validates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import orjson

from devcluster import schema
from devcluster.answers import Answer
from devcluster.errors import no_such_path
from devcluster.resources import Resource, Resources

Object = dict[str, Any]

INFO = {"title": "Kubernetes", "version": "v1.36.0-devcluster"}
REFERENCE = "#/components/schemas/"
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
PARAMETERS = [
    {"name": name, "in": "query", "schema": {"type": kind}}
    for name, kind in (
        ("dryRun", "string"),
        ("fieldManager", "string"),
        ("fieldValidation", "string"),
        ("force", "boolean"),
    )
]


class Documents:
    """Serves /openapi/v2 and /openapi/v3; a document is made when first asked for, and again after a CRD
    changed.
    """

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self._made: dict[str, bytes] = {}
        self._generation = -1

    def serve(self, path: str) -> Answer | None:
        """The answer to an OpenAPI path, or None when it is none."""
        if path == "/openapi/v2":
            return Answer(200, orjson.dumps({"swagger": "2.0", "info": INFO, "paths": {}, "definitions": {}}))
        if path.rstrip("/") == "/openapi/v3":
            return Answer(200, orjson.dumps({"paths": self._index()}))
        if path.startswith("/openapi/v3/"):
            return Answer(200, self._document(path.removeprefix("/openapi/v3/")))
        return None

    def _index(self) -> Object:
        found = {}
        for group, version in sorted({(r.group, v) for r in self.resources for v in r.served}):
            path = _path(group, version)
            digest = hashlib.sha256(self._document(path)).hexdigest()
            found[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
        return found

    def _document(self, path: str) -> bytes:
        if self._generation != self.resources.generation:
            self._made.clear()
            self._generation = self.resources.generation
        if path not in self._made:
            self._made[path] = self._make(path)
        return self._made[path]

    def _make(self, path: str) -> bytes:
        wanted = [(r, v) for r in self.resources for v in r.served if _path(r.group, v) == path]
        if not wanted:
            raise no_such_path()
        schemas: Object = {}
        paths: Object = {}
        for resource, version in wanted:
            name = self._name(resource, version)
            if resource.custom:
                schemas[name] = self._custom(resource, version)
                _reach(META, schemas)
            else:
                _reach(name, schemas)
            paths |= _paths(resource, version, name)
        document = {"openapi": "3.0.0", "info": INFO, "paths": paths, "components": {"schemas": schemas}}
        return orjson.dumps(document)

    def _name(self, resource: Resource, version: str) -> str:
        if not resource.custom:
            return schema.definition_of(resource.api_version, resource.kind)
        return ".".join([*reversed(resource.group.split(".")), version, resource.kind])

    def _custom(self, resource: Resource, version: str) -> Object:
        written = self.resources.type_of(resource).raw
        properties = {**(written.get("properties") or {}), "metadata": {"$ref": REFERENCE + META}}
        properties |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
        return {
            **written,
            "properties": properties,
            "x-kubernetes-group-version-kind": [_kind(resource, version)],
        }


def _path(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _kind(resource: Resource, version: str) -> Object:
    return {"group": resource.group, "version": version, "kind": resource.kind}


def _paths(resource: Resource, version: str, name: str) -> Object:
    """One path and its operations: kubectl looks here for what a patch understands."""
    middle = "namespaces/{namespace}/" if resource.namespaced else ""
    path = f"/{_path(resource.group, version)}/{middle}{resource.plural}/{{name}}"
    response = {
        "200": {"description": "OK", "content": {"application/json": {"schema": {"$ref": REFERENCE + name}}}}
    }
    operation = {"responses": response, "x-kubernetes-group-version-kind": _kind(resource, version)}
    reading = {**operation, "x-kubernetes-action": "get", "parameters": []}
    patching = {**operation, "x-kubernetes-action": "patch", "parameters": PARAMETERS}
    return {path: {"get": reading, "patch": patching}}


def _reach(name: str, schemas: Object) -> None:
    """Add a built-in definition and all that it refers to."""
    if name in schemas:
        return
    definition = schema.definitions()[name]
    schemas[name] = _expanded(definition)
    for reference in _references(definition):
        _reach(reference, schemas)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for child in value.values():
            yield from _references(child)


def _expanded(value: Any) -> Any:
    """A compact schema as OpenAPI writes it."""
    if isinstance(value, list):
        return [_expanded(child) for child in value]
    if not isinstance(value, dict):
        return value
    reference = value.get("$ref")
    if not isinstance(reference, str):
        return {key: _expanded(child) for key, child in value.items()}
    marks = {key: _expanded(child) for key, child in value.items() if key != "$ref"}
    pointer = {"$ref": REFERENCE + reference}
    return {**marks, "allOf": [pointer]} if marks else pointer

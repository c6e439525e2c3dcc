"""`python -m devcluster.schemas_build KUBECONFIG`: write schemas.json, the types of the built-in kinds.

Reads the OpenAPI v3 documents of a real API server (by `kubectl get --raw`; or, given a folder instead, the
documents of the Kubernetes source tree's `api/openapi-spec/v3`) and keeps, of the kinds that are served, what
deciding needs: property types, required fields, enumerations, list types and keys, patch strategies.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from devcluster.resources import BUILTIN
from devcluster.schema import DATA

Object = dict[str, Any]

KEPT = (
    "type",
    "format",
    "enum",
    "required",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-patch-strategy",
    "x-kubernetes-group-version-kind",
)


def main() -> None:
    source = Path(sys.argv[1])
    documents = _folder(source) if source.is_dir() else _cluster(source)
    definitions, kinds = collect(documents)
    lines = [f"{json.dumps(name)}:{_line(definition)}" for name, definition in sorted(definitions.items())]
    text = '{"kinds":' + _line(kinds) + ',\n"definitions":{\n' + ",\n".join(lines) + "\n}}\n"
    DATA.write_text(text)
    print(f"{DATA}: {len(definitions)} definitions, {len(text) // 1024} kB")


def _line(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _folder(folder: Path) -> Callable[[str], Object]:
    def read(path: str) -> Object:
        document: Object = json.loads((folder / f"{path.replace('/', '__')}_openapi.json").read_text())
        return document

    return read


def _cluster(kubeconfig: Path) -> Callable[[str], Object]:
    kubectl = Path(sys.executable).with_name("kubectl")

    def read(path: str) -> Object:
        command = [str(kubectl), "--kubeconfig", str(kubeconfig), "get", "--raw", f"/openapi/v3/{path}"]
        document: Object = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return document

    return read


def collect(read: Callable[[str], Object]) -> tuple[Object, dict[str, str]]:
    """The definitions that the built-in kinds reach, compact; and which of them each "apiVersion/Kind" is."""
    found: Object = {}
    kinds: dict[str, str] = {}
    for api_version in sorted({resource.api_version for resource in BUILTIN}):
        path = f"apis/{api_version}" if "/" in api_version else f"api/{api_version}"
        schemas = read(path)["components"]["schemas"]
        for resource in BUILTIN:
            if resource.api_version == api_version:
                name = _definition(schemas, resource.group, resource.version, resource.kind)
                kinds[f"{api_version}/{resource.kind}"] = name
                _reach(schemas, name, found)
    return found, kinds


def _definition(schemas: Object, group: str, version: str, kind: str) -> str:
    wanted = {"group": group, "version": version, "kind": kind}
    return next(n for n, s in schemas.items() if wanted in s.get("x-kubernetes-group-version-kind", ()))


def _reach(schemas: Object, name: str, found: Object) -> None:
    if name in found:
        return
    found[name] = compact(schemas[name])
    for reference in _references(found[name]):
        _reach(schemas, reference, found)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for value in schema.values():
            yield from _references(value)


def compact(schema: Object) -> Object:
    """A schema without descriptions, with plain references and only those defaults that say something."""
    small: Object = {key: schema[key] for key in KEPT if key in schema}
    reference = schema.get("$ref") or next(
        (part["$ref"] for part in schema.get("allOf", ()) if "$ref" in part), None
    )
    if reference:
        small["$ref"] = reference.rpartition("/")[2]
    if "oneOf" in schema:
        small["oneOf"] = [{"type": part["type"]} for part in schema["oneOf"] if "type" in part]
    if schema.get("default"):
        small["default"] = schema["default"]
    if "properties" in schema:
        small["properties"] = {name: compact(child) for name, child in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            small[key] = compact(schema[key])
    if _untyped(small):
        small["x-kubernetes-preserve-unknown-fields"] = True
    return small


def _untyped(schema: Object) -> bool:
    """Whether a schema says nothing of what is inside (a RawExtension, FieldsV1, any JSON)."""
    if "$ref" in schema or "oneOf" in schema or schema.get("type", "object") != "object":
        return False
    return "properties" not in schema and "additionalProperties" not in schema


if __name__ == "__main__":
    main()

"""The types of objects: one tree of nodes for built-in kinds and custom resources alike.

Pruning, validation, defaults, strategic-merge keys and server-side-apply list types all read this tree.
Built-in kinds come from schemas.json (made by schemas_build), custom ones from their definition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

Object = dict[str, Any]

DATA = Path(__file__).with_name("schemas.json")


@dataclass(slots=True, eq=False)
class Node:
    """The type of one value.

    `types` are the JSON types allowed ("" of them: any). `preserve` keeps unknown fields. `list_type` is
    atomic, set or map (with `keys`); `atomic` marks a map or struct that is owned whole. `raw` is the schema
    as written.
    """

    types: tuple[str, ...] = ()
    properties: dict[str, Node] = field(default_factory=dict)
    additional: Node | None = None
    items: Node | None = None
    required: tuple[str, ...] = ()
    list_type: str = "atomic"
    keys: tuple[str, ...] = ()
    atomic: bool = False
    preserve: bool = False
    nullable: bool = False
    merge_key: str = ""
    strategy: tuple[str, ...] = ()
    default: Any = None
    format: str = ""
    raw: Object = field(default_factory=dict)
    constrained: bool = False

    def child(self, name: str) -> Node | None:
        """The type of a field; None when it is unknown."""
        return self.properties.get(name) or self.additional


# What a schema can say of a value beyond its type; a node without any of these needs no look at its value.
CONSTRAINTS = frozenset(
    [
        "enum",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "format",
        "x-kubernetes-validations",
    ]
)


@cache
def _data() -> Object:
    data: Object = orjson.loads(DATA.read_bytes())
    return data


def definitions() -> Object:
    """All built-in definitions by name, as schemas.json has them."""
    found: Object = _data()["definitions"]
    return found


def definition_of(api_version: str, kind: str) -> str:
    """The name of a built-in kind's definition."""
    name: str = _data()["kinds"][f"{api_version}/{kind}"]
    return name


@cache
def builtin(api_version: str, kind: str) -> Node:
    """The type of a built-in kind."""
    return _definition(definition_of(api_version, kind))


_definitions: dict[str, Node] = {}


def _definition(name: str) -> Node:
    """The node of a definition. It is known before it is filled, since some definitions contain
    themselves.
    """
    if name not in _definitions:
        node = _definitions[name] = Node()
        _fill(node, definitions()[name])
    return _definitions[name]


def _fill(node: Node, schema: Object) -> None:
    """Read `schema` into `node`."""
    node.raw = schema
    node.types = _types(schema)
    node.properties = {name: of(child) for name, child in (schema.get("properties") or {}).items()}
    additional = schema.get("additionalProperties")
    node.additional = of(additional) if isinstance(additional, dict) else None
    node.items = of(schema["items"]) if isinstance(schema.get("items"), dict) else None
    node.required = tuple(schema.get("required") or ())
    _fill_marks(node, schema)
    node.preserve = bool(schema.get("x-kubernetes-preserve-unknown-fields")) or additional is True


def _fill_marks(node: Node, schema: Object) -> None:
    node.list_type = schema.get("x-kubernetes-list-type") or "atomic"
    node.keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    node.atomic = schema.get("x-kubernetes-map-type") == "atomic"
    node.merge_key = schema.get("x-kubernetes-patch-merge-key") or ""
    node.strategy = tuple((schema.get("x-kubernetes-patch-strategy") or "").split(","))
    node.default = schema.get("default")
    node.format = schema.get("format") or ""
    node.nullable = bool(schema.get("nullable"))
    node.constrained = not CONSTRAINTS.isdisjoint(schema)


def _types(schema: Object) -> tuple[str, ...]:
    if schema.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    if "type" in schema:
        return (schema["type"],)
    return tuple(part["type"] for part in schema.get("oneOf") or () if "type" in part)


def of(schema: Object) -> Node:
    """The node of a schema. Marks that stand beside a reference (patch keys, say) belong to the field
    alone.
    """
    reference = schema.get("$ref")
    if reference is None:
        node = Node()
        _fill(node, schema)
        return node
    marks = {key: value for key, value in schema.items() if key != "$ref"}
    if not marks:
        return _definition(reference)
    node = Node()
    _fill(node, {**definitions()[reference], **marks})
    return node

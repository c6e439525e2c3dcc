"""From JSON to an object of its kind: unknown fields taken out and told, values of the wrong type refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from devcluster import syntax
from devcluster.errors import ApiError, bad_request
from devcluster.schema import Node

Object = dict[str, Any]

QUANTITY = ("string", "number")  # the types of a resource quantity, and of nothing else
DECLARED = "Declared"  # how an apply patch treats unknown fields, whatever fieldValidation says


@dataclass
class Findings:
    """What was found in one object.

    `unknown`: paths of unknown fields; `wrong`: (path, wanted, found) of wrong types; `malformed`: (path,
    why).
    """

    unknown: list[str] = field(default_factory=list)
    wrong: list[tuple[str, str, str]] = field(default_factory=list)
    malformed: list[tuple[str, str]] = field(default_factory=list)


def prune(value: Any, node: Node, path: str, findings: Findings) -> Any:
    """A copy of `value` with only the fields that its type knows, and without nulls where null means
    absent.
    """
    if isinstance(value, dict):
        return _prune_object(value, node, path, findings)
    if isinstance(value, list):
        return _prune_list(value, node, path, findings)
    if node.types and value is not None and not _fits(value, node.types):
        findings.wrong.append((path, _wanted(node), json_type(value)))
    return _quantity(value, path, findings) if node.types == QUANTITY else value


def _quantity(value: Any, path: str, findings: Findings) -> Any:
    """A quantity in its stored form, which is a string."""
    if wrong := syntax.quantity(value):
        findings.malformed.append((path, wrong))
    return str(value) if isinstance(value, int | float) else value


def _prune_object(value: Object, node: Node, path: str, findings: Findings) -> Any:
    if node.types and "object" not in node.types:
        findings.wrong.append((path, _wanted(node), "object"))
        return value
    kept: Object = {}
    for name, child in value.items():
        type_ = node.child(name)
        if type_ is not None:
            if child is not None or type_.nullable:
                kept[name] = prune(child, type_, f"{path}.{name}" if path else name, findings)
        elif node.preserve or not (node.types or node.properties):
            kept[name] = child
        else:
            findings.unknown.append(f"{path}.{name}" if path else name)
    return kept


def _prune_list(value: list[Any], node: Node, path: str, findings: Findings) -> Any:
    if node.types and "array" not in node.types:
        findings.wrong.append((path, _wanted(node), "array"))
        return value
    if node.items is None:
        return value
    items = node.items
    empty: Any = {"object": {}, "array": [], "string": ""}.get(items.types[0]) if items.types else None
    found = [empty if child is None and not items.nullable else child for child in value]
    return [prune(child, items, f"{path}[{index}]", findings) for index, child in enumerate(found)]


def _wanted(node: Node) -> str:
    return " or ".join(node.types)


def json_type(value: Any) -> str:
    """The JSON type of a value, in a schema's words."""
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case dict():
            return "object"
        case list():
            return "array"
    return "null"


def _fits(value: Any, types: tuple[str, ...]) -> bool:
    found = json_type(value)
    if found in types or (found == "integer" and "number" in types):
        return True
    return found == "number" and "integer" in types and float(value).is_integer()


def strictly(findings: Findings, validation: str, kind: str, version: str, warnings: list[str]) -> None:
    """Treat unknown fields as fieldValidation says: ApiError 400 (Strict), warnings (Warn), silence
    (Ignore); ApiError 500 where a configuration is applied.
    """
    if validation == DECLARED:
        _refuse_undeclared(findings, kind)
        return
    words = [f'unknown field "{path}"' for path in findings.unknown]
    if not words or validation == "Ignore":
        return
    if validation == "Strict":
        detail = f"strict decoding error: {', '.join(words)}"
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {detail}')
    warnings += words


def _refuse_undeclared(findings: Findings, kind: str) -> None:
    words = [f".{path}: field not declared in schema" for path in findings.unknown]
    if words:
        told = words[0] if len(words) == 1 else "\n  ".join(["errors:", *words])
        raise ApiError(500, "", f"failed to create typed patch object (Kind={kind}): {told}")


def refuse_unreadable(findings: Findings, kind: str, version: str, within: str = "") -> None:
    """ApiError 400 for a value that the decoder of a kind could not read, below the path `within`."""
    for path, why in findings.malformed:
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {path}: {why}')
    for path, wanted, found in findings.wrong:
        if not path.startswith(within):
            continue
        detail = f"json: cannot unmarshal {found} into Go struct field {kind}.{path} of type {wanted}"
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {detail}')

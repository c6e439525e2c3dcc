"""Values against their schema: what a CustomResourceDefinition demands of its objects."""

from __future__ import annotations

import re
from typing import Any

from devcluster import cel, errors
from devcluster.decoding import json_type
from devcluster.errors import Cause
from devcluster.schema import Node

Object = dict[str, Any]


def check(value: Any, node: Node, path: str, old: Any, causes: list[Cause]) -> None:
    """Add to `causes` all that is wrong in `value` and below it. `old` is the value before, None on
    creation.
    """
    if value is None and node.nullable:
        return
    if not _type(value, node, path, causes):
        return
    if node.constrained:
        _constraints(value, node.raw, path, old, causes)
    if isinstance(value, dict):
        _object(value, node, path, old, causes)
    elif isinstance(value, list):
        _list(value, node, path, old, causes)


def _type(value: Any, node: Node, path: str, causes: list[Cause]) -> bool:
    found = json_type(value)
    if not node.types or found in node.types:
        return True
    if found == "integer" and "number" in node.types:
        return True
    wanted = ",".join(node.types)
    causes.append(errors.wrong(path, found, f'{path} in body must be of type {wanted}: "{found}"'))
    return False


def _object(value: Object, node: Node, path: str, old: Any, causes: list[Cause]) -> None:
    for name in node.required:
        if name not in value:
            causes.append(errors.required(_join(path, name)))
    before = old if isinstance(old, dict) else {}
    for name, child in value.items():
        type_ = node.child(name)
        if type_ is not None and not (path == "" and name in ("metadata", "apiVersion", "kind")):
            check(child, type_, _join(path, name), before.get(name), causes)


def _list(value: list[Any], node: Node, path: str, old: Any, causes: list[Cause]) -> None:
    seen: set[str] = set()
    for index, item in enumerate(value):
        where = f"{path}[{index}]"
        identity = _identity(item, node)
        if identity in seen:
            causes.append(errors.duplicate(where, item if not isinstance(item, dict) else _keys(item, node)))
        if identity:
            seen.add(identity)
        if node.items is not None:
            check(item, node.items, where, None, causes)


def _identity(item: Any, node: Node) -> str:
    if node.strategy != ("",):
        return ""  # a built-in kind's list: its own rules say which items are too many
    if node.list_type == "map" and isinstance(item, dict):
        return repr(_keys(item, node))
    return repr(item) if node.list_type == "set" else ""


def _keys(item: Object, node: Node) -> Object:
    return {key: item.get(key) for key in node.keys}


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _constraints(value: Any, raw: Object, path: str, old: Any, causes: list[Cause]) -> None:
    if "enum" in raw and value not in raw["enum"]:
        causes.append(errors.unsupported(path, value, [str(word) for word in raw["enum"]]))
    if isinstance(value, str):
        _string(value, raw, path, causes)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _number(value, raw, path, causes)
    elif isinstance(value, list | dict):
        _size(value, raw, path, causes)
    for rule in raw.get("x-kubernetes-validations") or ():
        _rule(value, rule, path, old, causes)


def _string(value: str, raw: Object, path: str, causes: list[Cause]) -> None:
    shortest, longest, pattern = raw.get("minLength", 0), raw.get("maxLength"), raw.get("pattern")
    if len(value) < shortest:
        causes.append(errors.wrong(path, value, f"{path} in body should be at least {shortest} chars long"))
    if longest is not None and len(value) > longest:
        causes.append(Cause(path, "FieldValueTooLong", f"Too long: may not be more than {longest} bytes"))
    if pattern and not re.search(pattern, value):
        causes.append(errors.wrong(path, value, f"{path} in body should match '{pattern}'"))
    if raw.get("format") == "date-time" and not _DATE_TIME.match(value):
        causes.append(errors.wrong(path, value, f'{path} in body must be of type date-time: "{value}"'))


_DATE_TIME = re.compile(r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$")


def _number(value: float, raw: Object, path: str, causes: list[Cause]) -> None:
    least, most = raw.get("minimum"), raw.get("maximum")
    if least is not None and (value < least or (raw.get("exclusiveMinimum") and value == least)):
        word = "greater than" if raw.get("exclusiveMinimum") else "greater than or equal to"
        causes.append(errors.wrong(path, value, f"{path} in body should be {word} {least}"))
    if most is not None and (value > most or (raw.get("exclusiveMaximum") and value == most)):
        word = "less than" if raw.get("exclusiveMaximum") else "less than or equal to"
        causes.append(errors.wrong(path, value, f"{path} in body should be {word} {most}"))


def _size(value: list[Any] | Object, raw: Object, path: str, causes: list[Cause]) -> None:
    word = "items" if isinstance(value, list) else "properties"
    least, most = raw.get(f"min{word.capitalize()}", 0), raw.get(f"max{word.capitalize()}")
    if len(value) < least:
        causes.append(errors.wrong(path, len(value), f"{path} in body should have at least {least} {word}"))
    if most is not None and len(value) > most:
        message = f"Too many: {len(value)}: must have at most {most} items"
        causes.append(Cause(path, "FieldValueTooMany", message))


def _rule(value: Any, rule: Object, path: str, old: Any, causes: list[Cause]) -> None:
    if "oldSelf" in rule["rule"] and old is None and not rule.get("optionalOldSelf"):
        return  # a rule about change has nothing to say of what is new
    if cel.holds(rule["rule"], value, old) is False:
        detail = rule.get("message") or f"failed rule: {rule['rule'].strip()}"
        shown = json_type(value) if isinstance(value, dict | list) else value
        reason = rule.get("reason", "FieldValueInvalid")
        where = path + rule.get("fieldPath", "")
        causes.append(errors.wrong(where, shown, detail)._replace(reason=reason))

"""Strategic merge patch: lists merged by the keys of their types, with the `$` directives of kubectl.

Source of the rules: Kubernetes' design document "strategic merge patch" and the directives kubectl sends
(`$patch`, `$retainKeys`, `$deleteFromPrimitiveList/...`, `$setElementOrder/...`).
"""

from __future__ import annotations

from typing import Any

from devcluster.errors import bad_request
from devcluster.schema import Node

Object = dict[str, Any]

DELETE_FROM, ELEMENT_ORDER, RETAIN, PATCH = (
    "$deleteFromPrimitiveList/",
    "$setElementOrder/",
    "$retainKeys",
    "$patch",
)
UNKNOWN = Node(preserve=True)


def merge(target: Object, patch: Object, node: Node) -> Object:
    """The target with the patch applied; neither is changed."""
    directive = patch.get(PATCH)
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != PATCH}
    if directive == "delete":
        return {}
    result = dict(target)
    if RETAIN in patch:
        result = {key: value for key, value in result.items() if key in patch[RETAIN]}
    for key, value in patch.items():
        if not key.startswith("$"):
            _field(result, key, value, node.child(key) or UNKNOWN, patch)
    for key in [key for key in patch if key.startswith(DELETE_FROM)]:
        field = key.removeprefix(DELETE_FROM)
        if field not in patch:
            _field(result, field, [], node.child(field) or UNKNOWN, patch)
    for key in [key for key in patch if key.startswith(ELEMENT_ORDER)]:
        field = key.removeprefix(ELEMENT_ORDER)
        if isinstance(result.get(field), list):
            result[field] = _ordered(result[field], patch[key], (node.child(field) or UNKNOWN).merge_key)
    return result


def _field(result: Object, key: str, value: Any, node: Node, patch: Object) -> None:
    present = result.get(key)
    if value is None:
        result.pop(key, None)
    elif isinstance(value, dict):
        _object_field(result, key, value, node)
    elif isinstance(value, list) and "merge" in node.strategy:
        removed = patch.get(DELETE_FROM + key) or []
        result[key] = _list(present if isinstance(present, list) else [], value, node, removed)
    else:
        result[key] = value


def _object_field(result: Object, key: str, value: Object, node: Node) -> None:
    if value.get(PATCH) == "delete":
        result.pop(key, None)
        return
    present = result.get(key)
    result[key] = merge(present if isinstance(present, dict) else {}, value, node)


def _list(target: list[Any], patch: list[Any], node: Node, removed: list[Any]) -> list[Any]:
    if not node.merge_key:
        kept = [value for value in target if value not in removed]
        return kept + [value for value in patch if value not in kept]
    if any(isinstance(item, dict) and item.get(PATCH) == "replace" for item in patch):
        return [item for item in patch if set(item) != {PATCH}]
    result = [dict(item) for item in target]
    for item in patch:
        _list_item(result, item, node)
    return result


def _list_item(result: list[Any], item: Any, node: Node) -> None:
    key = node.merge_key
    if not isinstance(item, dict) or key not in item:
        raise bad_request(f"map: {item} does not contain declared merge key: {key}")
    found = next((index for index, present in enumerate(result) if present.get(key) == item[key]), None)
    if item.get(PATCH) == "delete":
        if found is not None:
            del result[found]
    elif found is None:
        result.append(
            {
                name: value
                for name, value in merge({}, item, node.items or UNKNOWN).items()
                if value is not None
            }
        )
    else:
        result[found] = merge(result[found], item, node.items or UNKNOWN)


def _ordered(items: list[Any], order: list[Any], key: str) -> list[Any]:
    """The items that the patch knows in its order, the others where they stand among them."""

    def name(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    wanted = {_frozen(name(item)): index for index, item in enumerate(order)}
    known = iter(
        sorted((i for i in items if _frozen(name(i)) in wanted), key=lambda i: wanted[_frozen(name(i))])
    )
    return [next(known) if _frozen(name(item)) in wanted else item for item in items]


def _frozen(value: Any) -> str:
    return repr(value)

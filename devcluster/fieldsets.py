"""Sets of fields: which parts of an object someone owns, in the path form of managedFields' FieldsV1.

A path is a tuple of steps: `f:NAME` a field, `k:{KEYS}` an item of a keyed list, `v:VALUE` a member of a set.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from devcluster.schema import Node

Object = dict[str, Any]
Path = tuple[str, ...]
Fields = set[Path]

UNKNOWN = Node(preserve=True)

# Kept by the server, so owned by nobody.
STRIPPED_META = frozenset(
    [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "managedFields",
    ]
)


def leaves(obj: Object, node: Node) -> dict[Path, Any]:
    """Every path that can be owned in an object, with its value (None for items and members, which only
    exist).
    """
    found: dict[Path, Any] = {}
    for name, value in obj.items():
        if name == "metadata":
            value = {key: child for key, child in value.items() if key not in STRIPPED_META}
        elif name in ("apiVersion", "kind"):
            continue
        _walk(value, node.child(name) or UNKNOWN, ("f:" + name,), found)
    return {path: value for path, value in found.items() if path != ("f:metadata",)}


def _walk(value: Any, node: Node, path: Path, found: dict[Path, Any]) -> None:
    if isinstance(value, dict) and value and not node.atomic:
        for name, child in value.items():
            step = (*path, "f:" + name)
            if name not in node.properties and node.additional is not None and isinstance(child, dict | list):
                found[step] = None
            _walk(child, node.child(name) or UNKNOWN, step, found)
    elif isinstance(value, list) and node.list_type in ("map", "set"):
        for item in value:
            step = (*path, step_of(item, node))
            found[step] = None
            if isinstance(item, dict):
                _walk_item(item, node, step, found)
    else:
        found[path] = value


def _walk_item(item: Object, node: Node, path: Path, found: dict[Path, Any]) -> None:
    inner = node.items or UNKNOWN
    for name, child in item.items():
        _walk(child, inner.child(name) or UNKNOWN, (*path, "f:" + name), found)


def containers(obj: Any, node: Node, path: Path = ()) -> Fields:
    """The maps and keyed lists in an object: whoever brings one owns it beside what is in it.

    A pod's containers are left out, as by a real server, whose pods always have that list.
    """
    found: Fields = set()
    if isinstance(obj, dict) and not node.atomic:
        if node.additional is not None and obj and path:
            found.add(path)
        for name, child in obj.items():
            if path != ("f:metadata",) or name not in STRIPPED_META:
                found |= containers(child, node.child(name) or UNKNOWN, (*path, "f:" + name))
    elif isinstance(obj, list) and node.list_type in ("map", "set") and obj:
        if path[-1] != "f:containers":
            found.add(path)
        for item in obj:
            found |= containers(item, node.items or UNKNOWN, (*path, step_of(item, node)))
    return found


def step_of(item: Any, node: Node) -> str:
    """The step that names an item of a keyed list or set."""
    if node.list_type == "set" or not isinstance(item, dict):
        return "v:" + json.dumps(item, separators=(",", ":"))
    return "k:" + json.dumps(keys_of(item, node), separators=(",", ":"), sort_keys=True)


def keys_of(item: Object, node: Node) -> Object:
    """An item's keys, with the defaults of those that it leaves out."""
    properties = node.items.properties if node.items else {}
    keys = {key: item.get(key, properties[key].default if key in properties else None) for key in node.keys}
    return {key: value for key, value in keys.items() if value is not None}


def encode(fields: Iterable[Path]) -> Object:
    """FieldsV1 of a set of paths."""
    root: Object = {}
    for path in sorted(fields):
        level = root
        for step in path:
            level = level.setdefault(step, {})
        level["."] = {}
    _drop_lone_dots(root)
    return root


def _drop_lone_dots(level: Object) -> None:
    for child in level.values():
        if set(child) == {"."}:
            child.clear()
        else:
            _drop_lone_dots(child)


def decode(tree: Object, path: Path = ()) -> Fields:
    """The set of paths of a FieldsV1."""
    found: Fields = set()
    for step, child in tree.items():
        if step == ".":
            found.add(path)
        elif child:
            found |= decode(child, (*path, step))
        else:
            found.add((*path, step))
    return found


def with_parents(fields: Fields) -> Fields:
    """The paths and every field that contains one of them."""
    return {path[:length] for path in fields for length in range(1, len(path) + 1)}


def shown(path: Path) -> str:
    """A path as conflicts name it: `.spec.containers[name="app"].image`."""
    words = []
    for step in path:
        kind, _, rest = step.partition(":")
        if kind == "f":
            words.append("." + rest)
        elif kind == "k":
            pairs = [f"{key}={json.dumps(value)}" for key, value in json.loads(rest).items()]
            words.append("[" + ",".join(pairs) + "]")
        else:
            words.append(f"[={rest}]")
    return "".join(words)


def remove(obj: Any, path: Path, node: Node) -> None:
    """Take what a path leads to out of an object, in place; nothing happens where there is nothing."""
    step, rest = path[0], path[1:]
    if step.startswith("f:"):
        name = step[2:]
        if not isinstance(obj, dict) or name not in obj:
            return
        if rest:
            remove(obj[name], rest, node.child(name) or UNKNOWN)
        else:
            del obj[name]
        return
    if not isinstance(obj, list):
        return
    for index, item in enumerate(obj):
        if step_of(item, node) == step:
            if rest:
                remove(item, rest, node.items or UNKNOWN)
            else:
                del obj[index]
            return

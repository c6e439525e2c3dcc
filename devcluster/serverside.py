"""Server-side apply and managedFields: who owns which field, and what follows when several want one.

Source of the rules: Kubernetes' documentation of server-side apply, and its structured-merge-diff.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from devcluster import fieldsets
from devcluster.errors import ApiError
from devcluster.fieldsets import UNKNOWN, Fields
from devcluster.metadata import now
from devcluster.schema import Node

Object = dict[str, Any]


@dataclass(frozen=True)
class Owner:
    """Who writes, and how: what tells one entry of managedFields from another."""

    manager: str
    operation: str  # Apply | Update
    api_version: str
    subresource: str = ""


Entries = dict[Owner, tuple[Fields, str]]


def entries(obj: Object) -> Entries:
    """The owners of an object's fields with the time of their last change."""
    found: Entries = {}
    for entry in obj["metadata"].get("managedFields") or ():
        owner = Owner(entry["manager"], entry["operation"], entry["apiVersion"], entry.get("subresource", ""))
        found[owner] = (fieldsets.decode(entry.get("fieldsV1") or {}), entry.get("time", ""))
    return found


def written(found: Entries) -> list[Object]:
    """managedFields of entries; owners of nothing are left out."""
    listed = []
    ordered = sorted(found.items(), key=lambda pair: (pair[0].operation, pair[1][1], pair[0].manager))
    for owner, (fields, time) in ordered:
        if not fields:
            continue
        entry: Object = {
            "manager": owner.manager,
            "operation": owner.operation,
            "apiVersion": owner.api_version,
            "time": time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fieldsets.encode(fields),
        }
        if owner.subresource:
            entry["subresource"] = owner.subresource
        listed.append(entry)
    return listed


def updated(old: Object | None, new: Object, node: Node, owner: Owner) -> list[Object]:
    """managedFields after `owner` made `new` of `old` by any verb but apply: what it changed is its own."""
    before = fieldsets.leaves(old, node) if old else {}
    after = fieldsets.leaves(new, node)
    found = entries(old) if old else {}
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    if not changed and after.keys() == before.keys():
        return written(found)
    whole = fieldsets.containers(new, node)
    changed |= whole - (fieldsets.containers(old, node) if old else set())
    there = after.keys() | whole
    for other, (fields, time) in found.items():
        found[other] = ((fields & there) - changed, time)
    mine = found.get(owner, (set(), ""))[0]
    if changed:
        found[owner] = (mine | changed, now())
    return written(found)


def apply(live: Object | None, applied: Object, node: Node, owner: Owner, *, force: bool) -> Object:
    """The live object with a configuration applied, managedFields included. ApiError 409 names every
    conflict.

    `live` must be the caller's own copy: what comes back shares its parts.
    """
    found = entries(live) if live else {}
    current = live or {}
    wanted = fieldsets.leaves(applied, node)
    had = fieldsets.leaves(current, node)
    changes = {path for path, value in wanted.items() if path not in had or had[path] != value}
    found = _settle(found, changes, owner, current, force=force)
    merged: Object = _merge(current, applied, node)
    previous, time = found.get(owner, (set(), ""))
    _prune(merged, previous, set(wanted), found, owner, node)
    fields = set(wanted)
    found[owner] = (fields, time if fields == previous else now())
    merged["metadata"]["managedFields"] = written(found)
    return merged


def _settle(found: Entries, changes: Fields, owner: Owner, live: Object, *, force: bool) -> Entries:
    """Take the changed fields from their other owners; ApiError 409 when they have some and it is not
    forced.
    """
    conflicts = [
        (other, path)
        for other, (fields, _) in found.items()
        if other != owner
        for path in sorted(fields & changes)
    ]
    if conflicts and not force:
        raise _conflict(conflicts)
    return {o: (fields if o == owner else fields - changes, time) for o, (fields, time) in found.items()}


def _conflict(conflicts: list[tuple[Owner, fieldsets.Path]]) -> ApiError:
    causes = []
    by_owner: dict[str, list[str]] = {}
    for owner, path in conflicts:
        field = fieldsets.shown(path)
        words = _words(owner)
        causes.append({"reason": "FieldManagerConflict", "message": f"conflict with {words}", "field": field})
        by_owner.setdefault(words, []).append(field)
    lines = [_conflict_line(words, fields) for words, fields in by_owner.items()]
    plural = "" if len(conflicts) == 1 else "s"
    message = f"Apply failed with {len(conflicts)} conflict{plural}: " + "\n".join(lines)
    return ApiError(409, "Conflict", message, {"causes": causes})


def _words(owner: Owner) -> str:
    words = f'"{owner.manager}"'
    if owner.subresource:
        words += f' with subresource "{owner.subresource}"'
    return words + (f" using {owner.api_version}" if owner.operation == "Update" else "")


def _conflict_line(words: str, fields: list[str]) -> str:
    if len(fields) == 1:
        return f"conflict with {words}: {fields[0]}"
    return f"conflicts with {words}:\n- " + "\n- ".join(fields)


def _merge(live: Any, applied: Any, node: Node) -> Any:
    """`live` overlaid with `applied`, lists by their types; neither is changed."""
    if isinstance(applied, dict) and isinstance(live, dict) and not node.atomic:
        merged = dict(live)
        for name, value in applied.items():
            merged[name] = _merge(live.get(name), value, node.child(name) or UNKNOWN)
        return merged
    if isinstance(applied, list) and isinstance(live, list) and node.list_type in ("map", "set"):
        return _merge_list(live, applied, node)
    return applied


def _merge_list(live: list[Any], applied: list[Any], node: Node) -> list[Any]:
    """Items in the order in which they stand; those that both have in the applied order."""
    wanted = {fieldsets.step_of(item, node): item for item in applied}
    had = {fieldsets.step_of(item, node): item for item in live}
    order = iter([step for step in wanted if step in had])
    steps = [next(order) if step in wanted else step for step in had]
    steps += [step for step in wanted if step not in had]
    inner = node.items or UNKNOWN
    return [_merge(had.get(step), wanted[step], inner) if step in wanted else had[step] for step in steps]


def _prune(
    merged: Object, previous: Fields, wanted: Fields, found: Entries, owner: Owner, node: Node
) -> None:
    """Remove what the owner applied before and does not any more, unless somebody else owns it too."""
    others: Fields = set()
    for other, (fields, _) in found.items():
        if other != owner:
            others |= fields
    kept = fieldsets.with_parents(others | wanted)
    gone = fieldsets.with_parents(previous) - kept
    for path in sorted(gone - {("f:metadata",)}, key=len):
        fieldsets.remove(merged, path, node)

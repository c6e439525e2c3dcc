"""What the API server itself keeps in an object's metadata."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime
from typing import Any

from devcluster import errors
from devcluster.resources import Resource

Object = dict[str, Any]

# As the real server: no vowels and no look-alikes, so that generated names spell nothing.
SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
GENERATED_PREFIX_LIMIT = 58

# Set by the server and carried over from the stored object whatever a client sends.
KEPT = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
    "name",
    "namespace",
)


def now() -> str:
    """The time as the API writes it: whole seconds, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def name_object(resource: Resource, namespace: str, obj: Object) -> Object:
    """Give a new object its metadata: name (generated if asked for), namespace, uid and time of creation."""
    meta: Object = obj["metadata"]
    _place(resource, namespace, meta)
    if not meta.get("name") and meta.get("generateName"):
        suffix = "".join(secrets.choice(SUFFIX_ALPHABET) for _ in range(5))
        meta["name"] = meta["generateName"][:GENERATED_PREFIX_LIMIT] + suffix
    for field in (
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "managedFields",
    ):
        meta.pop(field, None)
    meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
    return {**obj, "metadata": meta}


def _place(resource: Resource, namespace: str, meta: Object) -> None:
    if not resource.namespaced:
        meta.pop("namespace", None)
        return
    given = meta.get("namespace")
    if given and given != namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request "
            f"(object {given}, request {namespace})"
        )
    meta["namespace"] = namespace


def carry(old: Object, new: Object) -> None:
    """Keep in `new` (changed in place) what only the server sets, from the stored object's metadata."""
    for field in KEPT:
        if field in old:
            new[field] = old[field]
        else:
            new.pop(field, None)
    for field in ("labels", "annotations", "finalizers", "ownerReferences"):
        if not new.get(field):
            new.pop(field, None)


def finished(obj: Object) -> bool:
    """Whether an object marked for deletion has nothing left to wait for."""
    meta = obj["metadata"]
    return (
        "deletionTimestamp" in meta
        and not meta.get("finalizers")
        and not meta.get("deletionGracePeriodSeconds")
    )

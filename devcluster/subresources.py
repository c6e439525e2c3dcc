"""Subresources that are no plain part of their object: scale, log, eviction, binding and tokens."""

from __future__ import annotations

from typing import Any

from devcluster import errors, patch
from devcluster.store import Object, Record
from devcluster.writes import Options, Target, Writer


def scale_of(record: Record) -> Object:
    """The `autoscaling/v1 Scale` of a workload."""
    meta, spec, status = record.obj["metadata"], record.obj.get("spec") or {}, record.obj.get("status") or {}
    replicas = spec.get("replicas", 1)
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": {"replicas": replicas} if replicas else {},  # as the real server writes none
        "status": {
            "replicas": status.get("replicas", 0),
            "selector": selector_text(spec.get("selector") or {}),
        },
    }


def selector_text(selector: Object) -> str:
    """A LabelSelector in the form that a list request takes."""
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or ():
        key, operator, values = expression["key"], expression["operator"], expression.get("values") or []
        words = {
            "In": f"{key} in ({','.join(values)})",
            "NotIn": f"{key} notin ({','.join(values)})",
            "Exists": key,
        }
        terms.append(words.get(operator, f"!{key}"))
    return ",".join(terms)


def rescale(writer: Writer, target: Target, scale: Object, options: Options) -> Object:
    """Give a workload the replicas that a Scale asks for: the Scale after it. ApiError 409 when the Scale is
    stale.
    """
    current = writer.current(target)
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise errors.bad_request('Scale in version "v1" cannot be handled: spec.replicas must be a number')
    if replicas < 0:
        cause = errors.wrong("spec.replicas", replicas, "must be greater than or equal to 0")
        raise errors.invalid("Scale", "autoscaling", target.name, [cause])
    obj = current.copy()
    obj["spec"]["replicas"] = replicas
    if revision := (scale.get("metadata") or {}).get("resourceVersion"):
        obj["metadata"]["resourceVersion"] = revision
    return scale_of(writer.change(target, current, obj, options))


def patch_scale(writer: Writer, target: Target, body: Any, kind: str, options: Options) -> Object:
    """Patch a workload's Scale: the Scale after it."""
    before = scale_of(writer.current(target))
    after = patch.json_patch(before, body) if kind == "json" else patch.merge(before, body)
    return rescale(writer, target, after, options)

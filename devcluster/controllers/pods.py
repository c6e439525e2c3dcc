"""What workload controllers ask of pods and templates. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from devcluster.controllers.view import Object, deleting, owned_by, seconds_since

HASH_LABEL = "pod-template-hash"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, so that no words appear; as Kubernetes chose it


def active(pod: Object) -> bool:
    """Whether the pod runs or will run."""
    return not deleting(pod) and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def ready_since(pod: Object) -> str:
    """When the pod became ready; empty when it is not."""
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition["type"] == "Ready" and condition["status"] == "True":
            return str(condition.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"])
    return ""


def ready(pod: Object) -> bool:
    return bool(ready_since(pod))


def unavailable_for(pod: Object, min_ready_seconds: int) -> float | None:
    """0 when the pod is available, else the seconds it still must stay ready; None when it is not ready."""
    since = ready_since(pod)
    if not since:
        return None
    return max(0.0, min_ready_seconds - seconds_since(since)) if min_ready_seconds else 0.0


def from_template(template: Object, owner: Object) -> Object:
    """A pod as the owner's template wants it; the name is the caller's to set."""
    metadata = {k: v for k, v in (template.get("metadata") or {}).items() if k in ("labels", "annotations")}
    metadata["ownerReferences"] = owned_by(owner)
    return {"metadata": metadata, "spec": template["spec"]}


def first_to_go(pods: Iterable[Object]) -> list[Object]:
    """Pods in the order in which a scale-down removes them: not running, then unready, then the newest."""

    def rank(pod: Object) -> tuple[bool, bool, bool]:
        running = (pod.get("status") or {}).get("phase") == "Running"
        return bool(pod["spec"].get("nodeName")), running, ready(pod)

    newest_first = sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)
    return sorted(newest_first, key=rank)


def template_hash(template: Object, collisions: int) -> str:
    """A short name for a template; another one after each collision."""
    text = json.dumps(template, sort_keys=True) + (f"#{collisions}" if collisions else "")
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    letters = []
    for _ in range(10):
        number, rest = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[rest])
    return "".join(letters)


def same_template(one: Object, other: Object) -> bool:
    """Whether two templates make the same pods; the hash label does not count."""
    return _without_hash(one) == _without_hash(other)


def _without_hash(template: Object) -> Object:
    metadata: dict[str, Any] = template.get("metadata") or {}
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != HASH_LABEL}
    kept = {k: v for k, v in metadata.items() if v and k not in ("labels", "creationTimestamp")}
    return {"metadata": {**kept, "labels": labels}, "spec": template.get("spec")}


def matches(selector: Object | None, labels: dict[str, str] | None) -> bool:
    """Whether labels satisfy a LabelSelector; an empty one matches everything, none nothing."""
    if selector is None:
        return False
    have = labels or {}
    exact = all(have.get(k) == v for k, v in (selector.get("matchLabels") or {}).items())
    return exact and all(_satisfies(e, have) for e in selector.get("matchExpressions") or [])


def _satisfies(expression: Object, labels: dict[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    return {
        "In": key in labels and labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[expression["operator"]]

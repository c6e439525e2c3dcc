"""Which pods a selector of the cluster takes, and how a copy's labels escape all of them.

The baseline never sends a lane's pod traffic, counts it as its own, or protects it in its budgets. What does
so selects by labels: Services (an attached one through the selector that it had before), workloads (and with
them their autoscalers, which count the pods of the workload that they scale) and PodDisruptionBudgets.

Promises: `relabel` changes only labels that one of the given selectors reads, and the caller can hold the
outcome against `selecting`; both are pure, and equal input gives equal output. Selectors act within one
namespace, so the caller hands in those of one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner import labels
from provisioner.errors import RefusedError

Json = dict[str, Any]
Labels = Mapping[str, str]

_MAX_VALUE = 63
_DIGEST = 10


@dataclass(frozen=True)
class Requirement:
    """One line of a selector, in the terms of `matchExpressions`."""

    key: str
    operator: str  # In, NotIn, Exists or DoesNotExist
    values: frozenset[str] = frozenset()

    def met(self, pod: Labels) -> bool:
        if self.operator == "In":
            return pod.get(self.key) in self.values
        if self.operator == "NotIn":
            return pod.get(self.key) not in self.values
        return (self.key in pod) is (self.operator == "Exists")

    @property
    def wants(self) -> bool:
        """Whether it asks for a label to be there, rather than to be absent."""
        return self.operator in ("In", "Exists")


@dataclass(frozen=True)
class Selector:
    """What `owner` (Kind/name) selects. Without requirements it selects every pod of the namespace."""

    owner: str
    requirements: tuple[Requirement, ...]

    def matches(self, pod: Labels) -> bool:
        return all(one.met(pod) for one in self.requirements)


def label_selector(owner: str, selector: Json | None) -> Selector | None:
    """The Selector of a `metav1.LabelSelector`; None, which selects nothing, stays None."""
    if selector is None:
        return None
    equal = [_equal(key, value) for key, value in sorted((selector.get("matchLabels") or {}).items())]
    rest = [
        Requirement(one["key"], one["operator"], frozenset(one.get("values") or ()))
        for one in selector.get("matchExpressions") or ()
    ]
    return Selector(owner, (*equal, *rest))


def service_selector(service: Json) -> Selector | None:
    """What a Service selects; an attached one: what it selected before. None when it selects nothing."""
    wanted = original_spec(service).get("selector") or {}
    if not wanted:
        return None
    return Selector(_owner(service), tuple(_equal(key, value) for key, value in sorted(wanted.items())))


def original_spec(service: Json) -> Json:
    """A Service's spec as its owner wrote it: the one kept in the annotation while it is attached.

    Raises RefusedError when that annotation cannot be read.
    """
    kept = (service["metadata"].get("annotations") or {}).get(labels.ORIGINAL)
    if kept is None:
        return dict(service.get("spec") or {})
    try:
        return dict(json.loads(kept)["spec"])
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(
            f"the annotation {labels.ORIGINAL} does not hold the Service as it was; "
            "detach the chain, or put the annotation back",
            where=_owner(service),
        ) from error


def gather(services: Iterable[Json], workloads: Iterable[Json], budgets: Iterable[Json]) -> list[Selector]:
    """Every selector of these objects; an attached Service's is the one that it had."""
    found = [service_selector(one) for one in services]
    found += [
        label_selector(_owner(one), (one.get("spec") or {}).get("selector")) for one in (*workloads, *budgets)
    ]
    return [one for one in found if one is not None]


def selecting(selectors: Iterable[Selector], pod: Labels) -> list[str]:
    """The owners of the selectors that take a pod with these labels, sorted."""
    return sorted({one.owner for one in selectors if one.matches(pod)})


def relabel(pod: Labels, own: Labels, selectors: Sequence[Selector], lane: str) -> dict[str, str]:
    """The labels of a copy's pods: the baseline's, with a new value for each that a selector asks for, and
    `own` over them.

    A selector that only asks that a label exists is escaped by leaving the label out. One that asks for
    nothing at all cannot be escaped: see `selecting`.
    """
    read = {one.key for selector in selectors for one in selector.requirements if one.wants}
    copy = {
        key: renamed(value, lane, _taken(key, selectors)) if key in read else value
        for key, value in pod.items()
    } | dict(own)
    return _without_existing(copy, own, selectors)


def renamed(value: str, lane: str, taken: frozenset[str] = frozenset()) -> str:
    """A label value that tells a lane's pods from the baseline's: readable, at most 63 characters, in no
    selector's list."""
    plain = f"{value}-{lane}" if value else lane
    digest = hashlib.sha256(f"{value}/{lane}".encode()).hexdigest()[:_DIGEST]
    if len(plain) <= _MAX_VALUE and plain not in taken:
        return plain
    return f"{plain[: _MAX_VALUE - _DIGEST - 1].rstrip('-_.')}-{digest}"


def _without_existing(copy: dict[str, str], own: Labels, selectors: Sequence[Selector]) -> dict[str, str]:
    """The labels without those whose mere existence a selector that still matches asks for. Leaving one out
    may make another selector match, so this is repeated until nothing changes."""
    asked = {
        one.key
        for selector in selectors
        if selector.matches(copy)
        for one in selector.requirements
        if one.operator == "Exists" and one.key not in own
    }
    if not asked:
        return copy
    return _without_existing({key: copy[key] for key in copy if key not in asked}, own, selectors)


def _taken(key: str, selectors: Iterable[Selector]) -> frozenset[str]:
    lists = (one.values for selector in selectors for one in selector.requirements if one.key == key)
    return frozenset().union(*lists)


def _equal(key: str, value: str) -> Requirement:
    return Requirement(key, "In", frozenset((value,)))


def _owner(thing: Json) -> str:
    return f"{thing.get('kind', 'Service')}/{thing['metadata']['name']}"

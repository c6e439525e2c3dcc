"""Where a copy's pods may run: rules that name their own kind go on naming their own kind.

A spread or (anti-)affinity rule that selects the baseline's own pods says "away from, or near to, my
siblings". Left alone in a copy it would still name the baseline's pods, since the copy's labels differ: the
copy would be kept off the baseline's nodes, and its own pods would not be spread. Such a rule gets the copy's
own labels. Every other rule, also one that still takes the copy's pods, stays as it is: it is about a group
of workloads, which the copy joins.

A rule that names its own kind alone may do so by a label that nothing else selects by. The copy must not keep
that label, or the two would be spread over, and keep off, each other: see `own_rules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from provisioner.copies.selection import Labels, Selector, label_selector

Json = dict[str, Any]

_AFFINITIES = ("podAffinity", "podAntiAffinity")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


@dataclass(frozen=True)
class Relabelled:
    """A pod's labels on the baseline and in the copy, and what selects the copy's pods alone."""

    namespace: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    identity: Mapping[str, str]

    def lost(self, selector: Json | None) -> bool:
        """Whether the selector takes the baseline's pods, but no longer the copy's."""
        rule = label_selector("", selector)
        return rule is not None and rule.matches(self.before) and not rule.matches(self.after)


def rewritten(pod: Json, change: Relabelled) -> Json:
    """The pod spec with every rule about its own kind pointed at the copy; the input is left alone."""
    pod = deepcopy(pod)
    for constraint in pod.get("topologySpreadConstraints") or ():
        _point(constraint, change)
    for term in _terms(pod.get("affinity") or {}):
        if _reaches(term, change.namespace):
            _point(term, change)
    return pod


def own_rules(workload: Json, others: Iterable[Json]) -> list[Selector]:
    """The selectors of a workload's rules about its own pods that mean none of the other workloads'."""
    pod, before = workload["spec"]["template"]["spec"], _labels(workload)
    namespace = workload["metadata"]["namespace"]
    owner = f"a rule of {workload['kind']}/{workload['metadata']['name']} about its own pods"
    rules = [*(pod.get("topologySpreadConstraints") or ())]
    rules += [one for one in _terms(pod.get("affinity") or {}) if _reaches(one, namespace)]
    found = [label_selector(owner, one.get("labelSelector")) for one in rules]
    known = [_labels(one) for one in others]
    return [
        one
        for one in found
        if one is not None
        and any(line.wants for line in one.requirements)
        and one.matches(before)
        and not any(one.matches(other) for other in known)
    ]


def _labels(workload: Json) -> Labels:
    return dict(workload["spec"]["template"]["metadata"].get("labels") or {})


def _terms(affinity: Json) -> list[Json]:
    parts = [affinity.get(name) or {} for name in _AFFINITIES]
    required = [term for part in parts for term in part.get(_REQUIRED) or ()]
    preferred = [one["podAffinityTerm"] for part in parts for one in part.get(_PREFERRED) or ()]
    return required + preferred


def _reaches(term: Json, namespace: str) -> bool:
    """Whether the term is about pods of this namespace; a namespaceSelector is taken to include it."""
    names = term.get("namespaces") or ()
    return not names or namespace in names or "namespaceSelector" in term


def _point(rule: Json, change: Relabelled) -> None:
    if change.lost(rule.get("labelSelector")):
        rule["labelSelector"] = {"matchLabels": dict(change.identity)}

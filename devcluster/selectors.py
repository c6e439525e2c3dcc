"""Label and field selectors, parsed once into a predicate over objects."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from devcluster import errors

Predicate = Callable[[dict[str, Any]], bool]
LabelTest = Callable[[dict[str, str]], bool]


@dataclass(frozen=True, slots=True)
class Mark:
    """An object has the label `key`, with this value or any (None); with `wanted` False: it has it not."""

    key: str
    value: str | None
    wanted: bool = True


_SET = re.compile(r"^\s*(?P<key>[^\s!=(),]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)\s*$")
_EQUAL = re.compile(r"^\s*(?P<key>[^\s!=(),<>]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s!=(),]*)\s*$")
_EXISTS = re.compile(r"^\s*(?P<no>!?)\s*(?P<key>[^\s!=(),]+)\s*$")


def labels(text: str) -> LabelTest | None:
    """The test of a label selector over an object's labels; None when it selects everything. ApiError 400
    when malformed.
    """
    tests = [_label_term(term) for term in _split(text)] if text.strip() else []
    if not tests:
        return None
    return lambda found: all(test(found) for test in tests)


def marks(text: str) -> list[Mark]:
    """The terms of a well-formed label selector that an index of labels can answer."""
    found: list[Mark] = []
    for term in _split(text) if text.strip() else []:
        if (match := _EQUAL.match(term)) and match["op"] != "!=":
            found.append(Mark(match["key"], match["value"]))
        elif match := _EXISTS.match(term):
            found.append(Mark(match["key"], None, wanted=not match["no"]))
    return found


def _split(text: str) -> list[str]:
    return re.split(r",(?![^()]*\))", text)


def _label_term(term: str) -> LabelTest:
    if match := _SET.match(term):
        return _set_test(match["key"], match["op"], {value.strip() for value in match["values"].split(",")})
    if match := _EQUAL.match(term):
        return _equal_test(match["key"], match["op"], match["value"])
    if match := _EXISTS.match(term):
        key, wanted = match["key"], not match["no"]
        return lambda found: (key in found) == wanted
    raise errors.bad_request(f"unable to parse requirement: {term!r} is no label selector")


def _set_test(key: str, op: str, values: set[str]) -> LabelTest:
    if op == "in":
        return lambda found: found.get(key) in values
    return lambda found: found.get(key) not in values


def _equal_test(key: str, op: str, value: str) -> LabelTest:
    if op == "!=":
        return lambda found: found.get(key) != value
    return lambda found: found.get(key) == value


def matches(selector: dict[str, Any], found: dict[str, str]) -> bool:
    """Whether labels match a LabelSelector object (matchLabels, matchExpressions); an empty one matches
    all.
    """
    exact = selector.get("matchLabels") or {}
    if any(found.get(key) != value for key, value in exact.items()):
        return False
    return all(_expression(term, found) for term in selector.get("matchExpressions") or ())


def _expression(term: dict[str, Any], found: dict[str, str]) -> bool:
    key, values = term["key"], term.get("values") or []
    match term["operator"]:
        case "In":
            return found.get(key) in values
        case "NotIn":
            return found.get(key) not in values
        case "Exists":
            return key in found
        case _:
            return key not in found


# What may be selected by field, beyond metadata.name and metadata.namespace.
_FIELDS: dict[str, frozenset[str]] = {
    "pods": frozenset(
        [
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ]
    ),
    "events": frozenset(
        [
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ]
    ),
    "namespaces": frozenset({"status.phase"}),
    "secrets": frozenset({"type"}),
    "nodes": frozenset({"spec.unschedulable"}),
    "services": frozenset({"spec.clusterIP", "spec.type"}),
    "replicasets.apps": frozenset({"status.replicas"}),
    "jobs.batch": frozenset({"status.successful"}),
}


def fields(text: str, resource: str) -> Predicate | None:
    """The test of a field selector over an object; None when it selects everything. ApiError 400 for a field
    that cannot be selected by.
    """
    tests = [_field_term(term, resource) for term in text.split(",") if term.strip()]
    if not tests:
        return None
    return lambda obj: all(test(obj) for test in tests)


def _field_term(term: str, resource: str) -> Predicate:
    match = re.match(r"^\s*([^=!]+?)\s*(==|=|!=)\s*(.*?)\s*$", term)
    if not match:
        raise errors.bad_request(f"invalid selector: {term!r}; can't understand it")
    path, op, value = match[1], match[2], match[3]
    if path not in ("metadata.name", "metadata.namespace") and path not in _FIELDS.get(resource, ()):
        raise errors.bad_request(
            f'Unable to find "{resource}" that match field selector: "{path}" is not a known field selector'
        )
    wanted = op != "!="
    return lambda obj: (_value(obj, path) == value) == wanted


def _value(obj: dict[str, Any], path: str) -> str:
    found: Any = obj
    for step in path.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    if path == "source" and isinstance(found, dict):
        found = found.get("component")
    if isinstance(found, bool):
        return "true" if found else "false"
    return "" if found is None else str(found)

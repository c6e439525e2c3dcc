"""Holds the rights that the chart grants against the requests that were really made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devcluster.dev.accounts import Installation, account

Json = dict[str, Any]
REFUSED = 403


@dataclass(frozen=True, order=True)
class Right:
    """One verb on one resource that a process has; `names` empty: on objects of any name."""

    process: str
    scope: str
    group: str
    resource: str
    verb: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        only = f" named {', '.join(self.names)}" if self.names else ""
        return f"{self.process}: {self.verb} {resource}{only} ({self.scope})"


def granted(listed: Mapping[str, Sequence[Json]], driver: str) -> set[Right]:
    """Every single right of the chart's list, where chains have this driver, and Deployments and
    StatefulSets alone."""
    return {
        Right(process, rule["scope"], group, resource, verb, tuple(rule.get("names", ())))
        for process, rules in listed.items()
        for rule in rules
        if driver in rule.get("drivers", [driver]) and "workloads" not in rule
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def refusals(requests: Iterable[Json]) -> list[str]:
    """What a process asked for and may not: rights that are missing."""
    return sorted({_told(one) for one in requests if one["user"] and one["code"] == REFUSED})


def unused(requests: Iterable[Json], rights: Iterable[Right], installed: Installation) -> list[str]:
    """The rights that no request needed."""
    made = {key for one in requests if one["user"] for key in _keys(one, installed)}
    return [str(right) for right in sorted(rights) if not _used(right, made)]


def _used(right: Right, made: set[tuple[str, ...]]) -> bool:
    wanted = (right.process, right.scope, right.group, right.resource, right.verb)
    return any(key[:5] == wanted and _names(right, key[5]) for key in made)


def _names(right: Right, name: str) -> bool:
    """Whether the right holds for an object of that name; the start of a pattern is enough to tell."""
    starts = [pattern.partition("{")[0] for pattern in right.names]
    return not starts or any(name.startswith(start) for start in starts)


def _keys(request: Json, installed: Installation) -> Iterator[tuple[str, ...]]:
    """What a request needed: to apply what was not there takes `create` too."""
    resource, _, group = request["resource"].partition(".")
    resource += f"/{request['subresource']}" if request["subresource"] else ""
    where = (_process(request), _scope(request["namespace"], installed), group, resource)
    yield (*where, request["verb"], request["name"])
    if request["verb"] == "patch" and request["code"] == 201:
        yield (*where, "create", request["name"])


def _process(request: Json) -> str:
    return (
        str(request["user"])
        .removeprefix("system:serviceaccount:")
        .partition(":")[2]
        .removeprefix(account(""))
    )


def _scope(namespace: str, installed: Installation) -> str:
    if namespace in installed.namespaces:
        return "chains"
    return {"": "cluster", installed.namespace: "installation"}.get(namespace, namespace)


def _told(request: Json) -> str:
    subresource = f"/{request['subresource']}" if request["subresource"] else ""
    where = f"{request['namespace'] or 'cluster'} {request['name']}"
    return f"{_process(request)}: {request['verb']} {request['resource']}{subresource} in {where}"

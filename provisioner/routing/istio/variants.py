"""A rule of the user's as it is for one lane: the same request, the same treatment, the lane's copies. Pure.

What a rule leads to is replaced destination by destination, so weights, subsets, ports, time-outs, retries,
rewrites, faults and mirrors stay; redirects and direct answers stay whole. A rule that leads to a service
which a strict lane is missing answers 503 instead, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.routing import lineage
from provisioner.routing.intent import Copy, State
from provisioner.routing.istio import addresses, matches
from provisioner.routing.istio.addresses import Key

Json = dict[str, Any]

BASELINE = "baseline"
NONE = "none"


@dataclass(frozen=True, slots=True)
class Asked:
    """For which lane rules are wanted. `copies` are those that its requests are led to, or that are missing;
    `known` are all Services of the chain. `lane` is empty for lanes that have no line of their own, `sets`:
    its name is written into the request, which may carry it otherwise; `silent`: the answer says nothing of
    who gave it."""

    chain: str
    lane: str
    header: str
    namespace: str  # of the VirtualService
    known: frozenset[Key]
    copies: Mapping[Key, Copy]
    sets: bool = False
    silent: bool = False


def of_lane(rules: Iterable[Json], roots: Sequence[Json], asked: Asked) -> list[Json]:
    """The rules of a lane's own VirtualService, to which a line with the matches `roots` delegates. A rule
    that Istio could not join with that line is left out, as it would be, too."""
    found: list[Json] = []
    for rule in rules:
        leaves = rule.get("match")
        mine = matches.among(roots, leaves) if leaves else None
        if mine or not leaves:
            found.append(variant({**rule, "match": mine} if leaves else rule, asked))
    return found


def in_front(rules: Iterable[Json], roots: Sequence[Json], asked: Asked) -> list[Json]:
    """The user's rules for requests that match `roots` as well, to stand in front of them."""
    found: list[Json] = []
    for rule in rules:
        ways = matches.regardless_of_case(roots) if matches.ignores_case([rule]) else roots
        joined = matches.join(ways, rule.get("match") or ())
        if joined:
            found.append(variant({**rule, "match": joined}, asked))
    return found


def leads(rule: Json, asked: Asked) -> bool:
    """Whether a rule leads to a service of the chain."""
    keys = (addresses.service(one["destination"]["host"], asked.namespace) for one in rule.get("route") or ())
    return any(key in asked.known for key in keys)


def unmarked(rule: Json, headers: Sequence[str]) -> Json:
    """A rule that takes these headers from requests."""
    given = rule.get("headers") or {}
    request = given.get("request") or {}
    gone = [*(request.get("remove") or ()), *headers]
    return {**rule, "headers": {**given, "request": {**request, "remove": gone}}}


def forbidden(rule: Json, header: str) -> Json:
    """403 where a rule would lead somewhere."""
    text = f"{header}: no request from here may name a lane in this way\n"
    return _answer(rule, 403, text, {})


def variant(rule: Json, asked: Asked) -> Json:
    """The rule as it is for the lane."""
    if not rule.get("route"):
        return dict(rule)
    for one in rule["route"]:
        if _is_refused(one, asked):
            return _refused(rule, asked)
    found = {**rule, "route": [_destination(one, asked) for one in rule["route"]]}
    return _with_header(found, asked) if asked.sets else found


def _is_refused(route: Json, asked: Asked) -> bool:
    """Whether requests go where the lane lacks a copy."""
    key = addresses.service(route["destination"]["host"], asked.namespace)
    return bool(key and route.get("weight", 1) and _is_missing(key, asked))


def _destination(route: Json, asked: Asked) -> Json:
    key = addresses.service(route["destination"]["host"], asked.namespace)
    if key is None or key not in asked.known:
        return dict(route)
    copy, who, destination = asked.copies.get(key), BASELINE, route["destination"]
    if copy is not None and copy.state is State.READY:
        who = copy.origin or asked.lane
        destination = {**destination, "host": addresses.spoken((key[0], copy.name), asked.namespace)}
    if asked.silent:
        return {**route, "destination": destination}
    says = {lineage.served(asked.header): f"{key[1]}={who}"}
    given = route.get("headers")
    headers = _saying(given, says) if given else {"response": {"set": says}}
    return {**route, "destination": destination, "headers": headers}


def _with_header(rule: Json, asked: Asked) -> Json:
    given = rule.get("headers") or {}
    request = given.get("request") or {}
    named = {**(request.get("set") or {}), asked.header: asked.lane}
    return {**rule, "headers": {**given, "request": {**request, "set": named}}}


def _saying(headers: Json, says: Mapping[str, str]) -> Json:
    """Operations on headers, and in the response these."""
    response = headers.get("response") or {}
    return {**headers, "response": {**response, "set": {**(response.get("set") or {}), **says}}}


def _refused(rule: Json, asked: Asked) -> Json:
    keys = [addresses.service(one["destination"]["host"], asked.namespace) for one in rule["route"]]
    service = next(key[1] for key in keys if key and _is_missing(key, asked))
    text = lineage.lacking(asked.chain, asked.lane, service)
    says = {} if asked.silent else {lineage.served(asked.header): f"{service}={NONE}"}
    return _answer(rule, 503, text, says)


def _is_missing(key: Key, asked: Asked) -> bool:
    copy = asked.copies.get(key)
    return copy is not None and copy.state is State.MISSING


def _answer(rule: Json, status: int, text: str, says: Mapping[str, str]) -> Json:
    """A rule that answers itself. Of the user's, only what is said of any answer can stay."""
    found: Json = {key: rule[key] for key in ("name", "match", "corsPolicy") if key in rule}
    found["directResponse"] = {"status": status, "body": {"string": text}}
    if says:
        found["headers"] = {"response": {"set": dict(says)}}
    return found

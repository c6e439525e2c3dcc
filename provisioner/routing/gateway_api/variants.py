"""A lane's variant of one rule: the lane's header in each match, the lane's copies among the backends. Pure.

Everything else of a rule is kept: filters, time-outs, retries, session persistence, the filters and weights
of its backends. A rule's `name` is not, since it must be unique in a route and at most 253 characters long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from provisioner.chain.model import Carriers
from provisioner.routing import lineage
from provisioner.routing.gateway_api.references import Place
from provisioner.routing.intent import Copy, State
from provisioner.routing.mesh import Responder
from provisioner.routing.responder.answer import MISSING

Json = dict[str, Any]

EVERY_PATH: Json = {"path": {"type": "PathPrefix", "value": "/"}}
MOST_HEADERS = 16  # of one match
SCHEME = "x-forwarded-proto"
_MODIFIED_LISTS = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
}


@dataclass(frozen=True)
class Rule:
    """A rule with what its backends are: for each of them the Service port of the chain that it leads to,
    None for anything else. `namespace` is that of its route."""

    body: Json
    backends: tuple[Place | None, ...]
    namespace: str


class How(Enum):
    """By what the lane's requests are known at a place, and what becomes of them there."""

    HEADER = "the header leads to the lane"
    HOST = "the host does, and sets the header for the hops behind"
    REFUSED = "the header is taken away, and the request is as one without a lane"


@dataclass(frozen=True)
class Asked:
    """For whom a variant is made. `copies` are the lane's, by the place that each stands for; `grpc` are the
    places of gRPC. `foremost`: it goes before what a release takes of the requests without a lane, however
    old either is."""

    chain: str
    lane: str
    carriers: Carriers
    copies: Mapping[Place, Copy]
    how: How = How.HEADER
    responder: Responder | None = None
    grpc: frozenset[Place] = frozenset()
    foremost: bool = False


def variant(rule: Rule, asked: Asked) -> Json | None:
    """The lane's variant; None where a rule is about the lane's header itself, which is left to that rule."""
    matches = rule.body.get("matches") or [EVERY_PATH]
    if asked.how is not How.HOST:
        named = [_with_header(one, asked) for one in matches if not names_header(one, asked.carriers)]
        matches = narrowed(named) if asked.foremost else named
    if not matches:
        return None
    made: Json = {**rule.body, "matches": matches}
    made.pop("name", None)
    header = asked.carriers.header
    if asked.how is How.REFUSED:
        made["filters"] = _removed(made.get("filters") or (), header)
        return made
    _redirect(made, rule, asked)
    if asked.how is How.HOST:
        made["filters"] = modified(made.get("filters") or (), "RequestHeaderModifier", {header: asked.lane})
    return made


def narrowed(matches: Iterable[Json]) -> list[Json]:
    """The matches with one header more, that every request has, wherever they have room for it: a rule goes
    before one that is equal otherwise, and after all that that one came after. Envoy sets that header before
    it looks at routes, to one of two values."""
    return [one for match in matches for one in ([match] if not has_room(match) else _each_scheme(match))]


def has_room(match: Json) -> bool:
    """Whether `narrowed` has any effect on it, and on the match of a lane made of it."""
    headers = match.get("headers") or ()
    return len(headers) + 2 <= MOST_HEADERS and not any(one["name"].lower() == SCHEME for one in headers)


def _each_scheme(match: Json) -> list[Json]:
    return [with_headers(match, {SCHEME: one}) for one in ("http", "https")]


def with_headers(match: Json, wanted: Mapping[str, str]) -> Json:
    """The match for those of its requests that have these headers."""
    more = [{"type": "Exact", "name": name, "value": value} for name, value in wanted.items()]
    return {**EVERY_PATH, **match, "headers": [*(match.get("headers") or ()), *more]}


def names_header(match: Json, carriers: Carriers) -> bool:
    """Whether a match is about the lane's header by itself."""
    return any(one["name"].lower() == carriers.header for one in match.get("headers") or ())


def _with_header(match: Json, asked: Asked) -> Json:
    every_path = _of_lane(asked.carriers.header, asked.lane)
    if match is EVERY_PATH:
        return every_path
    return {**every_path, **match, "headers": [*every_path["headers"], *(match.get("headers") or ())]}


@lru_cache(maxsize=1 << 12)
def _of_lane(header: str, lane: str) -> Json:
    """The match of a lane's requests to any path; the same object for all of a lane's routes."""
    return {**EVERY_PATH, "headers": [{"type": "Exact", "name": header, "value": lane}]}


def led(rule: Rule, asked: Asked) -> Json:
    """The rule's body as it is for the lane, for all requests that it is for, and without a word of that."""
    made = {key: value for key, value in rule.body.items() if key != "name"}
    copies = [asked.copies.get(place) if place else None for place in rule.backends]
    for copy, place in zip(copies, rule.backends, strict=True):
        if copy is not None and place is not None and copy.state is State.MISSING:
            _refuse(made, rule, place, asked)
            return made
    if any(copies):
        made["backendRefs"] = _replaced(rule, rule.body["backendRefs"], copies)
    return made


def _redirect(made: Json, rule: Rule, asked: Asked) -> None:
    """Leads the rule to the lane's copies, where it leads to services that have some."""
    copies = [asked.copies.get(place) if place else None for place in rule.backends]
    for copy, place in zip(copies, rule.backends, strict=True):
        if copy is not None and place is not None and copy.state is State.MISSING:
            _refuse(made, rule, place, asked)
            return
    if any(copies):
        made["backendRefs"] = _replaced(rule, rule.body["backendRefs"], copies)
        if all(copies):
            served = {lineage.served(asked.carriers.header): _served(rule, copies, asked.lane)}
            made["filters"] = modified(made.get("filters") or (), "ResponseHeaderModifier", served)


def _served(rule: Rule, copies: list[Copy | None], lane: str) -> str:
    """Who answers: the lane, or the ancestor whose copy it is. Of a rule that leads to several services, the
    first."""
    pairs = zip(rule.backends, copies, strict=True)
    return next(f"{place[1]}={copy.origin or lane}" for place, copy in pairs if copy and place)


def _replaced(rule: Rule, refs: list[Json], copies: list[Copy | None]) -> list[Json]:
    """The backends with each copy once, in the place of the first that it stands for and with the weight of
    all."""
    found: dict[tuple[str, int], Json] = {}
    others: list[Json] = []
    for ref, place, copy in zip(refs, rule.backends, copies, strict=True):
        if copy is None or place is None:
            others.append(ref)
            continue
        key, weight = (copy.name, place[2]), int(ref.get("weight", 1))
        if key in found:
            found[key]["weight"] += weight
        else:
            found[key] = {**ref, **backend(copy.name, place[0], place[2], rule.namespace), "weight": weight}
    return [*found.values(), *others]


def backend(name: str, namespace: str, port: int, here: str) -> Json:
    """A reference to a Service's port from a route in namespace `here`."""
    far = {"namespace": namespace} if namespace != here else {}
    return {"group": "", "kind": "Service", "name": name, "port": port, **far}


def _refuse(made: Json, rule: Rule, place: Place, asked: Asked) -> None:
    """Leads the rule to the responder, and tells it what is missing."""
    there = asked.responder
    if there is None:
        made.pop("filters", None)
        made.pop("backendRefs", None)
        return
    port = there.grpc if place in asked.grpc else there.http
    made["backendRefs"] = [{**backend(there.name, there.namespace, port, rule.namespace), "weight": 1}]
    told = {MISSING: f"{asked.chain}/{asked.lane}/{place[1]}/{asked.carriers.header}"}
    made["filters"] = modified((), "RequestHeaderModifier", told)


def modified(filters: Iterable[Json], kind: str, wanted: Mapping[str, str]) -> list[Json]:
    """The filters with these headers set beside those that a filter of that kind, which may be there once,
    sets already."""
    field = _MODIFIED_LISTS[kind]
    before: Json = next((one[field] for one in filters if one["type"] == kind), {})
    kept = [one for one in before.get("set") or () if one["name"].lower() not in wanted]
    both = {**before, "set": [*kept, *({"name": name, "value": wanted[name]} for name in wanted)]}
    return [*(one for one in filters if one["type"] != kind), {"type": kind, field: both}]


def _removed(filters: Iterable[Json], header: str) -> list[Json]:
    """The filters with that request header taken away, whoever set it."""
    kind = "RequestHeaderModifier"
    before: Json = next((one["requestHeaderModifier"] for one in filters if one["type"] == kind), {})
    kept = {
        key: [one for one in before.get(key) or () if one["name"].lower() != header] for key in ("set", "add")
    }
    both = {
        **{key: value for key, value in kept.items() if value},
        "remove": [*(before.get("remove") or ()), header],
    }
    return [*(one for one in filters if one["type"] != kind), {"type": kind, "requestHeaderModifier": both}]

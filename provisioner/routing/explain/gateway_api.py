"""Gateway API: the HTTPRoutes of a Service, or of the Gateways at a host, in the order of the API. Pure.

Of all matches that a request meets the first of this order counts: an exact path, the longest path prefix, a
method, the most headers, the most query parameters, the oldest route, its name, its first rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from provisioner.chain.model import Chain
from provisioner.routing.explain import lots, matching
from provisioner.routing.explain.story import NOBODY, Explanation, Live, Request, Step, arrival, called
from provisioner.routing.gateway_api import references
from provisioner.routing.gateway_api.variants import SCHEME
from provisioner.routing.responder import answer
from provisioner.routing.responder.answer import MISSING

Json = dict[str, Any]
EVERYTHING: tuple[Json, ...] = ({},)


@dataclass(frozen=True)
class Met:
    """A match that the request meets; `place` is the rule's."""

    route: Json
    place: int
    rule: Json
    match: Json

    @property
    def rank(self) -> tuple[Any, ...]:
        """Smaller comes first."""
        path = self.match.get("path") or {}
        kind, value = path.get("type", "PathPrefix"), path.get("value", "/")
        return (
            {"Exact": 0, "PathPrefix": 1}.get(kind, 2),
            -len(value),
            not self.match.get("method"),
            -len(self.match.get("headers") or ()),
            -len(self.match.get("queryParams") or ()),
            references.age(self.route),
            self.place,
        )


def explain(chain: Chain, live: Live, request: Request) -> Explanation:
    """Where the mesh, or a Gateway for a request from outside, sends a request."""
    where = (request.namespace, request.service)
    routes = list(_at_gateways(live, request) if request.host else _at_service(live, request))
    if not routes:
        return _without(live, request)
    seen = _as_envoy_sees(request)
    met = sorted((one for route in routes for one in _met(route, seen)), key=lambda one: one.rank)
    if not met:
        step = Step(called(routes[0]), "", f"none of the rules of {len(routes)} HTTPRoutes matches: 404")
        return Explanation(NOBODY, (step,))
    first = met[0]
    steps = [Step(called(first.route), f"rules[{first.place}]", _said_of(first.match))]
    steps += lots.steps(called(first.route), chain.carriers.header, request, _parts(chain, first.rule))
    return _led(live, first, where, request.port, steps)


def _as_envoy_sees(request: Request) -> Request:
    """With the scheme, which it notes before it looks at routes."""
    if request.values(SCHEME):
        return request
    return replace(request, headers=(*request.headers, (SCHEME, "http")))


def _parts(chain: Chain, rule: Json) -> Iterator[lots.Part]:
    """How a rule deals requests out, to whichever lane it tells them that they are in."""
    field, header = "requestHeaderModifier", chain.carriers.header
    whole = _header_set(rule, field, header)
    for one in rule.get("backendRefs") or ():
        if one.get("weight", 1):
            yield int(one.get("weight", 1)), whole or _header_set(one, field, header)


def _without(live: Live, request: Request) -> Explanation:
    if request.host:
        return Explanation(NOBODY, (Step("Gateway", request.host, "no HTTPRoute takes this host: 404"),))
    step = Step(f"Service {request.namespace}/{request.service}", "", "no HTTPRoute has it as its parent")
    return arrival(live, (request.namespace, request.service), request.port, [step])


def _at_service(live: Live, request: Request) -> Iterator[Json]:
    """The routes that count: where some parents name a port and others do not, those like the oldest."""
    found = [
        (route, [one.get("port") for one in refs])
        for route in sorted(live.of("HTTPRoute"), key=references.age)
        if (refs := references.service_parents(route, request.namespace, request.service))
    ]
    with_port = bool(found and found[0][1][0])
    for route, ports in found:
        if bool(ports[0]) == with_port and (not with_port or request.port in ports):
            yield route


def _at_gateways(live: Live, request: Request) -> Iterator[Json]:
    """Of the routes at Gateways those with the most exact of the hostnames that cover the host."""
    host = request.host.lower().partition(":")[0].removesuffix(".")
    found: list[tuple[int, Json]] = []
    for route in live.of("HTTPRoute"):
        if any(references.is_gateway(one) for one in references.parents(route)):
            names = route["spec"].get("hostnames") or ["*"]
            found += [(_exactness(name), route) for name in names if matching.host_covers(name, host)]
    best = max((rank for rank, _ in found), default=0)
    yield from (route for rank, route in found if rank == best)


def _exactness(hostname: str) -> int:
    """An exact name beats every wildcard, a longer wildcard a shorter one."""
    return len(hostname) + (0 if hostname.startswith("*") else 1000)


def _met(route: Json, request: Request) -> Iterator[Met]:
    for place, rule in enumerate(references.rules(route)):
        for match in rule.get("matches") or EVERYTHING:
            if _matches(match, request):
                yield Met(route, place, rule, match)


def _matches(match: Json, request: Request) -> bool:
    path, _, query = request.path.partition("?")
    return (
        _path(match.get("path") or {}, path)
        and match.get("method", request.method) == request.method
        and all(matching.header(request, one["name"], _text(one)) for one in match.get("headers") or ())
        and all(_parameter(one, query) for one in match.get("queryParams") or ())
    )


def _path(match: Json, path: str) -> bool:
    kind, value = match.get("type", "PathPrefix"), match.get("value", "/")
    if kind == "PathPrefix":
        return matching.path_prefix(value, path)
    return matching.text({"exact" if kind == "Exact" else "regex": value}, path)


def _text(match: Json) -> dict[str, str]:
    kind = "regex" if match.get("type") == "RegularExpression" else "exact"
    return {kind: match["value"]}


def _parameter(match: Json, query: str) -> bool:
    pairs = (pair.partition("=") for pair in query.split("&"))
    return any(name == match["name"] and matching.text(_text(match), value) for name, _, value in pairs)


def _said_of(match: Json) -> str:
    parts = [f"{one['name']}: {one['value']}" for one in match.get("headers") or ()]
    path = match.get("path") or {}
    if path.get("value", "/") != "/":
        parts.append(f"{path.get('type', 'PathPrefix')} {path['value']}")
    parts += [match["method"]] if match.get("method") else []
    return f"matches {', '.join(parts)}" if parts else "matches every request"


def _led(live: Live, met: Met, where: tuple[str, str], port: int, steps: Iterable[Step]) -> Explanation:
    """To the backend with the most weight; without one an error answers."""
    if missing := _header_set(met.rule, "requestHeaderModifier", MISSING):
        told = answer.to(missing)
        refused = Step(called(met.route), "strict", f"503 by the responder: {told.text.strip()}")
        return Explanation(NOBODY, (*steps, refused), (), told.served)
    refs = [one for one in met.rule.get("backendRefs") or () if one.get("weight", 1)]
    if not refs:
        nobody = Step(called(met.route), f"rules[{met.place}]", "leads nowhere: 500")
        return Explanation(NOBODY, (*steps, nobody))
    chosen = max(refs, key=lambda one: one.get("weight", 1))
    key = (references.namespace(chosen, met.route), chosen["name"])
    said = _served(met.rule) or _served(chosen)
    return arrival(live, key, int(chosen.get("port") or port), steps, said)


def _served(rule: Json) -> str:
    """What the answer is made to say of who answered."""
    return _header_set(rule, "responseHeaderModifier", "-served")


def _header_set(rule: Json, field: str, ending: str) -> str:
    """The value that a filter sets a header to whose name ends so; empty where none does."""
    headers = (one for each in rule.get("filters") or () for one in (each.get(field) or {}).get("set") or ())
    return next((str(one["value"]) for one in headers if one["name"].lower().endswith(ending)), "")

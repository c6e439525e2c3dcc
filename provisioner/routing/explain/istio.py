"""Istio: the VirtualService of a host, its rules in order, and those that it delegates to. Pure.

Of several VirtualServices for one name the most exact host counts, and of these the oldest. A rule that
delegates is as good as the delegate's rules, each with both matches; what Istio cannot join it leaves out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from provisioner.chain.model import Chain
from provisioner.routing.explain import gateway_api, lots, matching
from provisioner.routing.explain.story import (
    NOBODY,
    Explanation,
    Live,
    Request,
    Step,
    arrival,
    called,
    key_of,
)
from provisioner.routing.gateway_api import references
from provisioner.routing.istio import addresses, matches
from provisioner.routing.istio.addresses import MESH

Json = dict[str, Any]


@dataclass(frozen=True)
class Rule:
    """A rule as Envoy gets it: `says` are the objects and rules that it comes from, `owner` the last one."""

    owner: Json
    body: Json
    match: tuple[Json, ...]
    says: tuple[Step, ...]


def explain(chain: Chain, live: Live, request: Request) -> Explanation:
    """Where sidecars, or a gateway for a request from outside, send a request."""
    if not request.host and _has_routes(live, request):
        return gateway_api.explain(chain, live, request)  # for sidecars they go before any VirtualService
    found = _governing(live, request)
    if found is None:
        return _without(live, request)
    for rule in _rules(found, live):
        if not rule.match or any(_meets(one, request, found) for one in rule.match):
            return _led(live, _with_lots(chain, rule, request), request)
    return Explanation(NOBODY, (Step(called(found), "", "no rule of it matches: 404"),))


def _has_routes(live: Live, request: Request) -> bool:
    return any(
        references.service_parents(one, request.namespace, request.service) for one in live.of("HTTPRoute")
    )


def _without(live: Live, request: Request) -> Explanation:
    if request.host:
        return Explanation(NOBODY, (Step("Gateway", request.host, "no VirtualService takes this host: 404"),))
    step = Step(f"Service {request.namespace}/{request.service}", "", "no VirtualService is for it")
    return arrival(live, (request.namespace, request.service), request.port, [step])


def _governing(live: Live, request: Request) -> Json | None:
    """The VirtualService that counts."""
    found = [
        (_exactness(one, request), references.age(one), one)
        for one in live.of("VirtualService")
        if _exactness(one, request)
    ]
    return min(found, key=lambda one: (-one[0], one[1]))[2] if found else None


def _exactness(virtual: Json, request: Request) -> int:
    """How exactly it names what is asked for; 0 for not at all."""
    spec, namespace = virtual["spec"], virtual["metadata"]["namespace"]
    gateways = spec.get("gateways") or [MESH]
    if (MESH not in gateways) if not request.host else (gateways == [MESH]):
        return 0
    return max((_covered(host, namespace, request) for host in spec.get("hosts") or ()), default=0)


def _covered(host: str, namespace: str, request: Request) -> int:
    if request.host:
        bare = request.host.lower().partition(":")[0].removesuffix(".")
        covers = matching.host_covers(host, bare)
    else:
        covers = addresses.covers(host, namespace, (request.namespace, request.service))
    return (len(host) + (0 if host.startswith("*") else 1000)) if covers else 0


def _rules(virtual: Json, live: Live) -> Iterator[Rule]:
    """All of them, those delegated to in place of those that delegate."""
    for place, body in enumerate(virtual["spec"].get("http") or ()):
        step = Step(called(virtual), body.get("name") or f"http[{place}]", "matches")
        if not body.get("delegate"):
            yield Rule(virtual, body, tuple(body.get("match") or ()), (step,))
            continue
        key = (body["delegate"].get("namespace") or key_of(virtual)[0], body["delegate"]["name"])
        delegate = live.find("VirtualService", key)
        for number, leaf in enumerate((delegate or {}).get("spec", {}).get("http") or ()):
            joined = matches.join(body.get("match") or (), leaf.get("match") or ())
            if joined is not None and delegate is not None:
                to = Step(called(delegate), leaf.get("name") or f"http[{number}]", "delegated to")
                yield Rule(delegate, {**_inherited(body), **leaf}, tuple(joined), (step, to))


def _inherited(body: Json) -> Json:
    return {key: value for key, value in body.items() if key not in ("match", "delegate", "name")}


def _meets(match: Json, request: Request, virtual: Json) -> bool:
    fold = bool(match.get("ignoreUriCase"))
    authority = request.host or request.service
    seen = replace(request, headers=(*request.headers, (":authority", authority)))
    return (
        _gateways(match, request, virtual)
        and matching.text(match.get("uri") or {}, request.path.partition("?")[0], fold=fold)
        and matching.text(match.get("method") or {}, request.method)
        and matching.text(match.get("authority") or {}, authority)
        and match.get("port", request.port) == request.port
        and _parameters(match.get("queryParams") or {}, request)
        and all(matching.header(seen, name, text) for name, text in (match.get("headers") or {}).items())
        and not any(
            matching.header(seen, name, text) for name, text in (match.get("withoutHeaders") or {}).items()
        )
    )


def _gateways(match: Json, request: Request, virtual: Json) -> bool:
    """Whether the match is for requests that come this way."""
    named = match.get("gateways") or virtual["spec"].get("gateways") or [MESH]
    return any(one != MESH for one in named) if request.host else MESH in named


def _parameters(wanted: Mapping[str, Json], request: Request) -> bool:
    pairs = [pair.partition("=") for pair in request.path.partition("?")[2].split("&")]
    return all(
        any(key == name and matching.text(text, value) for key, _, value in pairs)
        for name, text in wanted.items()
    )


def _with_lots(chain: Chain, rule: Rule, request: Request) -> Rule:
    """The rule, and what it says of the lane that a request is told to be in."""
    header, routes = chain.carriers.header, list(rule.body.get("route") or ())
    whole = _set(rule.body, "request", header)
    parts = [
        (int(one.get("weight", len(routes) == 1)), whole or _set(one, "request", header)) for one in routes
    ]
    cookies = [((one.get("headers") or {}).get("response") or {}).get("add") or {} for one in routes]
    cookie = str(cookies[0].get("set-cookie", "")).partition("=")[0] if cookies else ""
    found = lots.steps(called(rule.owner), header, request, parts, cookie)
    return replace(rule, says=(*rule.says, *found))


def _set(body: Json, which: str, header: str) -> str:
    """What a header of the request or the response is set to."""
    found = ((body.get("headers") or {}).get(which) or {}).get("set") or {}
    return str(found.get(header, ""))


def _led(live: Live, rule: Rule, request: Request) -> Explanation:
    said = _served(rule.body)
    if answer := rule.body.get("directResponse"):
        text = str((answer.get("body") or {}).get("string", "")).strip()
        step = Step(called(rule.owner), "directResponse", f"{answer['status']}: {text}")
        return Explanation(NOBODY, (*rule.says, step), (), said)
    routes = [one for one in rule.body.get("route") or () if one.get("weight", 100)]
    if not routes:
        step = Step(called(rule.owner), "", "redirects, or leads nowhere")
        return Explanation(NOBODY, (*rule.says, step), (), said)
    chosen = max(routes, key=lambda one: one.get("weight", 100))
    to = chosen["destination"]
    key = addresses.service(to["host"], rule.owner["metadata"]["namespace"])
    port = int((to.get("port") or {}).get("number") or request.port)
    if key is None:
        return Explanation(to["host"], rule.says, (), said)
    return arrival(live, key, port, rule.says, _served(chosen) or said)


def _served(body: Json) -> str:
    """What the answer is made to say of who answered."""
    found = ((body.get("headers") or {}).get("response") or {}).get("set") or {}
    return next((str(value) for name, value in found.items() if name.lower().endswith("-served")), "")

"""What of the user's own routing keeps lanes out of a service, or is in their way. Pure.

A lane never changes what happens to requests without one. Where a route of it would, or where the API does
not say which of two rules wins, the service gets no routes, and the finding names the object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from provisioner.chain.model import Carriers
from provisioner.routing.gateway_api import references, scopes, variants
from provisioner.routing.gateway_api.references import called
from provisioner.routing.gateway_api.scopes import Standing
from provisioner.routing.intent import ChainIntent, Service, State
from provisioner.routing.mesh import Existing, Finding

Json = dict[str, Any]


def findings(intent: ChainIntent, existing: Existing) -> frozenset[Finding]:
    """All that is to be said; a service of which a finding blocks gets no routes of lanes."""
    said = {one for service in intent.services for one in _of_service(service, intent.carriers, existing)}
    return frozenset(said if existing.responder else {*said, *_unanswered(intent)})


def _unanswered(intent: ChainIntent) -> Iterator[Finding]:
    for service in intent.services:
        if any(copy.state is State.MISSING for port in service.ports for copy in port.copies):
            what = (
                "no responder runs (LANEWAY_RESPONDER_SERVICE is empty): requests of strict lanes for a copy "
                "that is missing get an empty 500"
            )
            yield Finding(service.name, "NoResponder", what)


def _of_service(service: Service, carriers: Carriers, existing: Existing) -> Iterator[Finding]:
    there = scopes.standing(service, existing.of("HTTPRoute"))
    yield from _shadowed(service, there, existing)
    yield from _unlike(service, there)
    yield from _of_clients(service, existing.of("HTTPRoute"))
    yield from _virtual_services(service, there, existing)
    for route in there.routes:
        yield from _of_rules(service, route, carriers)


def _shadowed(service: Service, there: Standing, existing: Existing) -> Iterator[Finding]:
    for route in existing.of("GRPCRoute"):
        if references.service_parents(route, service.namespace, service.name):
            yield Finding(
                service.name,
                "GrpcRoute",
                f"{called(route)} is attached to it, and a lane's HTTPRoute would win over it, lane or not; "
                "write it as an HTTPRoute (a gRPC method is the path /PACKAGE.SERVICE/METHOD)",
                blocks=True,
            )
    for route in there.routes:
        if any(_is_expression(match) for match in _matches(route)):
            yield Finding(
                service.name,
                "PathExpression",
                f"{called(route)} matches paths by regular expression, and which rule wins over such a one "
                "is up to the mesh; match them by prefix or exactly",
                blocks=True,
            )


def _of_rules(service: Service, route: Json, carriers: Carriers) -> Iterator[Finding]:
    matches = list(_matches(route))
    if any(variants.names_header(match, carriers) for match in matches):
        yield Finding(
            service.name,
            "HeaderInUse",
            f"{called(route)} matches {carriers.header} by itself; such rules stay as they are and go before "
            "those of lanes",
        )
    if any(len(match.get("headers") or ()) >= variants.MOST_HEADERS for match in matches):
        yield Finding(
            service.name,
            "TooManyHeaders",
            f"{called(route)} has a match with {variants.MOST_HEADERS} headers, to which the lane's cannot "
            "be added; match fewer",
            blocks=True,
        )


def _unlike(service: Service, there: Standing) -> Iterator[Finding]:
    form = "without a port" if there.with_port else "with a port"
    for route in there.without_effect:
        yield Finding(
            service.name,
            "MixedParents",
            f"{called(route)} names the Service {form}, and the older {called(there.routes[0])} does not: "
            "the mesh heeds only one kind; write `port` in both, or in neither",
        )


def _of_clients(service: Service, routes: Iterable[Json]) -> Iterator[Finding]:
    for route in routes:
        where = route["metadata"]["namespace"]
        if where != service.namespace and references.service_parents(route, service.namespace, service.name):
            yield Finding(
                service.name,
                "ClientRoute",
                f"{called(route)} is about it, too: requests from namespace {where} follow that route alone, "
                "and never find a lane; move its rules into the service's own namespace",
            )


def _virtual_services(service: Service, there: Standing, existing: Existing) -> Iterator[Finding]:
    hosts = set(_hosts(service))
    for one in existing.of("VirtualService"):
        spec = one["spec"]
        in_mesh = "mesh" in (spec.get("gateways") or ["mesh"])
        if not in_mesh or not hosts & {_full(host, one) for host in spec.get("hosts") or ()}:
            continue
        if there.routes:
            why = f"{called(one)} has no effect on it: an HTTPRoute wins over a VirtualService"
        else:
            why = (
                f"{called(one)} routes it, and would lose all effect with a lane's first HTTPRoute; write it "
                "as an HTTPRoute, or route the chain by `routing: {driver: istio}`"
            )
        yield Finding(service.name, "VirtualService", why, blocks=not there.routes)


def _hosts(service: Service) -> Iterator[str]:
    yield f"{service.name}.{service.namespace}.svc.cluster.local"


def _full(host: str, virtual: Json) -> str:
    """A host of a VirtualService, which may be short, in full."""
    if "." not in host:
        return f"{host}.{virtual['metadata']['namespace']}.svc.cluster.local"
    return f"{host}.svc.cluster.local" if host.count(".") == 1 else host


def _matches(route: Json) -> Iterator[Json]:
    for rule in references.rules(route):
        yield from rule.get("matches") or ()


def _is_expression(match: Json) -> bool:
    return bool((match.get("path") or {}).get("type") == "RegularExpression")

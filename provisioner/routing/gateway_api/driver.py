"""From an intent to the HTTPRoutes of each lane. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from provisioner import names
from provisioner.lane.model import Lane
from provisioner.routing import mesh
from provisioner.routing.gateway_api import limits, refusals, scopes, variants
from provisioner.routing.gateway_api.references import GROUP, Place
from provisioner.routing.gateway_api.scopes import Scope
from provisioner.routing.gateway_api.variants import Asked
from provisioner.routing.intent import ChainIntent, Copy, State
from provisioner.routing.mesh import Compiled, Existing, Finding, Requirement

Json = dict[str, Any]

API_VERSION = f"{GROUP}/v1"
ROUTED = (State.READY, State.MISSING)


@dataclass(frozen=True)
class GatewayApi:
    """The driver; see the package."""

    requires: tuple[Requirement, ...] = (
        Requirement("HTTPRoute", GROUP, "v1", "httproutes"),
        Requirement("ReferenceGrant", GROUP, "v1beta1", "referencegrants"),
        Requirement("GRPCRoute", GROUP, "v1", "grpcroutes", optional=True),
        Requirement("VirtualService", "networking.istio.io", "v1", "virtualservices", optional=True),
    )
    reads: tuple[str, ...] = ("HTTPRoute", "GRPCRoute", "VirtualService")
    owns: tuple[str, ...] = ("HTTPRoute", "ReferenceGrant")
    finalizer: bool = False

    def compile(self, intent: ChainIntent, existing: Existing) -> Compiled:
        """See `mesh.Driver`."""
        found, blocked = refusals.findings(intent, existing)
        known = scopes.places(intent, existing.services)
        copies = _copies(intent)
        own = [
            thing
            for scope in _scopes(intent, existing, known)
            if (scope.namespace, scope.service) not in blocked or scope.suffix == "gateway"
            for thing in _of_scope(scope, intent, existing, copies)
        ]
        return Compiled(own=tuple(own), findings=found)

    def accepted(self, live: Json) -> Finding | None:
        """See `mesh.Driver`."""
        return None


DRIVER: mesh.Driver = GatewayApi()


def _scopes(intent: ChainIntent, existing: Existing, known: scopes.Known) -> Iterator[Scope]:
    routes = existing.of("HTTPRoute")
    for service in intent.services:
        yield from scopes.at_service(service, scopes.standing(service, routes), known)
    yield from scopes.at_gateways(intent, routes, known)


def _copies(intent: ChainIntent) -> dict[Place, dict[str, Copy]]:
    """By Service port and lane, the copies that requests are led to."""
    return {
        (service.namespace, service.name, port.number): {
            copy.lane: copy for copy in port.copies if copy.state in ROUTED
        }
        for service in intent.services
        for port in service.ports
    }


def _of_scope(
    scope: Scope, intent: ChainIntent, existing: Existing, copies: Mapping[Place, Mapping[str, Copy]]
) -> Iterator[Json]:
    here = {place: copies[place] for place in scope.places if copies.get(place)}
    concerned = sorted({lane for by_lane in here.values() for lane in by_lane})
    for name in concerned:
        lane = existing.lanes.get(name)
        if lane is not None:
            mine = {place: by_lane[name] for place, by_lane in here.items() if name in by_lane}
            yield from _of_lane(scope, lane, Asked(name, intent.carriers, mine, existing.responder))


def _of_lane(scope: Scope, lane: Lane, asked: Asked) -> Iterator[Json]:
    """A lane's routes in one scope."""
    found = (variants.variant(rule, asked) for rule in scope.rules)
    rules = [one for one in found if one is not None]
    if scope.alone:
        rules += [rule.body for rule in scope.rules]
    for number, part in enumerate(limits.spread(rules)):
        yield _route(scope, lane, number, part)


def _route(scope: Scope, lane: Lane, number: int, rules: Iterable[Json]) -> Json:
    name = f"{names.derived(scope.stem, lane.name)}.{scope.suffix}" + (f".{number:02}" if number else "")
    spec: Json = {"parentRefs": list(scope.parents), "rules": list(rules)}
    if scope.hostnames:
        spec["hostnames"] = list(scope.hostnames)
    return {
        "apiVersion": API_VERSION,
        "kind": "HTTPRoute",
        "metadata": mesh.metadata(lane, scope.service, scope.namespace, name),
        "spec": spec,
    }

"""From an intent to the HTTPRoutes of each lane. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from provisioner.copies import live as objects
from provisioner.routing import mesh
from provisioner.routing.gateway_api import dealt, entrance, reports, routes, scopes
from provisioner.routing.gateway_api.references import GROUP, Place
from provisioner.routing.gateway_api.refusals import findings
from provisioner.routing.gateway_api.routes import Asking
from provisioner.routing.gateway_api.scopes import Scope
from provisioner.routing.gateway_api.variants import How
from provisioner.routing.intent import ChainIntent, Copy, State
from provisioner.routing.mesh import Compiled, Existing, Finding, Requirement

Json = dict[str, Any]

ROUTED = (State.READY, State.MISSING)


@dataclass(frozen=True)
class GatewayApi:
    """The driver; see the package."""

    requires: tuple[Requirement, ...] = (
        Requirement("HTTPRoute", GROUP, "v1", "httproutes"),
        Requirement("ReferenceGrant", GROUP, "v1beta1", "referencegrants"),
        Requirement("GRPCRoute", GROUP, "v1", "grpcroutes", optional=True),
        Requirement("Gateway", GROUP, "v1", "gateways", optional=True),
        Requirement("VirtualService", "networking.istio.io", "v1", "virtualservices", optional=True),
    )
    reads: tuple[str, ...] = ("HTTPRoute", "ReferenceGrant", "GRPCRoute", "Gateway", "VirtualService")
    owns: tuple[str, ...] = ("HTTPRoute", "ReferenceGrant")
    finalizer: bool = False
    shares: tuple[str, ...] = ()
    heeds_releases: bool = True

    def compile(self, intent: ChainIntent, existing: Existing) -> Compiled:
        """See `mesh.Driver`."""
        return _Compiling(intent, existing).compiled()

    def lanes_in(self, live: Json, chain: str) -> frozenset[str]:
        """None: lanes share nothing."""
        return frozenset()

    def accepted(self, live: Json) -> Finding | None:
        """See `mesh.Driver`."""
        if live["kind"] != "HTTPRoute":
            return None
        service = objects.service_of(live)
        return reports.of_route(live, service) or reports.of_share(live, service)


DRIVER: mesh.Driver = GatewayApi()


class _Compiling:
    """One compilation: what is the same for all lanes is worked out once."""

    def __init__(self, intent: ChainIntent, existing: Existing) -> None:
        self._intent, self._existing = intent, existing
        self._known = scopes.places(intent, existing.services)
        self._gateways = entrance.found(existing, self._known)
        self._copies = _copies(intent)
        self._open = {lane for by_lane in self._copies.values() for lane in by_lane}
        self._asking = Asking(intent, existing.responder, _grpc(intent, existing))

    def compiled(self) -> Compiled:
        said = findings(self._intent, self._existing)
        blocked = {one.service for one in said if one.blocks}
        open_to = [one for one in self._gateways if one not in self._closed]
        own = [
            # before there is a lane to enter
            *(thing for scope in self._closed for thing in self._refused(scope)),
            *self._at_services(blocked),
            *(thing for scope in open_to for thing in self._by_header(scope, How.HEADER)),
            *(thing for lane in sorted(self._open) for thing in self._at_hosts(lane)),
            *self._shares(blocked),
        ]
        more = (
            *self._clashes,
            *entrance.findings(self._gateways, self._intent),
            *reports.of_gateways(self._gateways, self._existing),
        )
        return Compiled(own=_once(own), findings=tuple(sorted({*said, *more})))

    def _at_services(self, blocked: set[str]) -> Iterator[Json]:
        for scope in self._services:
            if scope.service not in blocked:
                yield from self._by_header(scope, How.HEADER)

    @cached_property
    def _services(self) -> list[Scope]:
        """The scopes whose parents are the chain's own Services."""
        users = self._existing.of("HTTPRoute")
        return [
            scope
            for service in self._intent.services
            for scope in scopes.at_service(service, scopes.standing(service, users), self._known)
        ]

    def _shares(self, blocked: set[str]) -> Iterator[Json]:
        """What leads the release's share into its lane, where that is one of those to write for."""
        share = self._intent.share
        lane = self._existing.lanes.get(share.lane) if share else None
        if share is None or lane is None or self._clashes:
            return
        for scope in (one for one in self._entries if one.service not in blocked):
            copies, closed = self._copies_at(scope, lane.name), scope in self._closed
            others = self._existing.named - {lane.name} if not closed else ()
            if rules := dealt.rules(scope, share, self._asking.asked(scope, lane, copies), others):
                named = replace(scope, suffix=f"{scope.suffix}{dealt.SUFFIX}")
                yield from routes.objects(named, lane, copies, rules)

    @cached_property
    def _entries(self) -> list[Scope]:
        """Where the chain is entered, by its own Service and from Gateways."""
        entry = self._intent.entry.service
        here = [one for one in self._services if one.service == entry]
        return [*here, *(one for one in self._gateways if entry and one.is_entry(entry))]

    @cached_property
    def _clashes(self) -> list[Finding]:
        share = self._intent.share
        if share is None or share.lane not in self._existing.lanes:
            return []
        carriers = self._intent.carriers
        return [one for scope in self._entries for one in dealt.clashes(scope, share, carriers)]

    @cached_property
    def _closed(self) -> list[Scope]:
        """The scopes at Gateways where lanes may not be named by the header."""
        return [one for one in self._gateways if entrance.by_header(one, self._intent) is How.REFUSED]

    def _refused(self, scope: Scope) -> Iterator[Json]:
        for name in sorted(self._open):
            yield from self._of_lane(scope, name, {}, How.REFUSED)

    def _at_hosts(self, lane: str) -> Iterator[Json]:
        for scope in entrance.of_hosts(lane, self._gateways, self._intent):
            yield from self._of_lane(scope, lane, self._copies_at(scope, lane), How.HOST)

    def _by_header(self, scope: Scope, how: How) -> Iterator[Json]:
        here = {place: by_lane for place in scope.places if (by_lane := self._copies.get(place))}
        names = {lane for by_lane in here.values() for lane in by_lane}
        if self._intent.share and scope in self._entries:
            names |= self._existing.lanes.keys()  # else a release would take its requests
        for name in sorted(names):
            yield from self._of_lane(scope, name, self._copies_at(scope, name), how)

    def _copies_at(self, scope: Scope, lane: str) -> dict[Place, Copy]:
        known = self._copies
        return {place: copy for place in scope.places if (copy := known.get(place, {}).get(lane))}

    def _of_lane(self, scope: Scope, name: str, copies: dict[Place, Copy], how: How) -> Iterator[Json]:
        lane = self._existing.lanes.get(name)
        if lane is not None:
            yield from routes.of_lane(scope, lane, copies, how, self._asking)


def _copies(intent: ChainIntent) -> dict[Place, dict[str, Copy]]:
    """By Service port and lane, the copies that requests are led to."""
    return {
        (service.namespace, service.name, port.number): {
            copy.lane: copy for copy in port.copies if copy.state in ROUTED
        }
        for service in intent.services
        for port in service.ports
    }


def _grpc(intent: ChainIntent, existing: Existing) -> frozenset[Place]:
    """The ports of gRPC, as the Services say."""
    names = {(one.namespace, one.name) for one in intent.services}
    return frozenset(
        (metadata["namespace"], metadata["name"], int(port["port"]))
        for one in existing.services
        if ((metadata := one["metadata"])["namespace"], metadata["name"]) in names
        for port in one["spec"].get("ports") or ()
        if "grpc" in (str(port.get("appProtocol")).lower(), (port.get("name") or "").split("-")[0].lower())
    )


def _once(things: list[Json]) -> tuple[Json, ...]:
    """Each object once: several routes of a lane may need the same grant."""
    return tuple(
        {(one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]): one for one in things}.values()
    )

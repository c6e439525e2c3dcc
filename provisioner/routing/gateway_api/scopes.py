"""Where lanes need routes: at the Services of a chain, and beside the user's routes at Gateways. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from provisioner.chain.model import Protocol
from provisioner.routing.gateway_api import references
from provisioner.routing.gateway_api.references import Place
from provisioner.routing.gateway_api.variants import EVERY_PATH, Rule, backend
from provisioner.routing.intent import ChainIntent, Port, Service

Json = dict[str, Any]
Known = Mapping[Place, Place]  # a Service port, also of a Service that leads to some of its pods: the chain's


@dataclass(frozen=True)
class Scope:
    """One set of parents, and the rules that hold there without lanes. `stem` and `suffix` name the lanes'
    routes. `alone`: the rules are no user's, so each lane's route has them, too."""

    service: str
    namespace: str
    stem: str
    suffix: str
    parents: tuple[Json, ...]
    rules: tuple[Rule, ...]
    hostnames: tuple[str, ...] = ()
    alone: bool = False

    @cached_property
    def parent_refs(self) -> list[Json]:
        """The parents as JSON has them."""
        return list(self.parents)

    @cached_property
    def places(self) -> frozenset[Place]:
        """The Service ports that the rules lead to."""
        return frozenset(place for rule in self.rules for place in rule.backends if place)

    def is_entry(self, entry: str) -> bool:
        """Whether it leads to the service at which the chain is entered; `entry`: that service, or empty
        where that is each of them."""
        names = {place[1] for place in self.places}
        return entry in names if entry else bool(names)


@dataclass(frozen=True)
class Standing:
    """The user's HTTPRoutes that have a Service as their parent, the oldest first. Where they name no port,
    neither may the lanes': of routes with a port and without one on a Service only those like the oldest
    count."""

    routes: tuple[Json, ...]
    with_port: bool
    without_effect: tuple[Json, ...] = ()


def standing(service: Service, routes: Iterable[Json]) -> Standing:
    """What the user's routes of a Service are."""
    found = [
        (route, references.service_parents(route, service.namespace, service.name))
        for route in sorted(routes, key=references.age)
        if route["metadata"]["namespace"] == service.namespace
    ]
    attached = [(route, "port" in refs[0]) for route, refs in found if refs]
    with_port = attached[0][1] if attached else True
    return Standing(
        tuple(route for route, form in attached if form is with_port),
        with_port,
        tuple(route for route, form in attached if form is not with_port),
    )


def at_service(service: Service, there: Standing, known: Known) -> Iterator[Scope]:
    """Where routes of lanes have a Service as their parent: at each HTTP port, or at all of them as one."""
    ports = [port for port in service.ports if port.protocol is Protocol.HTTP]
    if not there.with_port:
        yield _of_users(service, there.routes, None, known)
        return
    for port in ports:
        here = [one for one in there.routes if _is_at(one, service, port.number)]
        yield _of_users(service, here, port, known) if here else _of_nobody(service, port)


def at_gateways(routes: Iterable[Json], known: Known) -> Iterator[Scope]:
    """The user's routes that have Gateways as their parents, wherever they lead."""
    for route in sorted(routes, key=references.age):
        gateways = tuple(one for one in references.parents(route) if references.is_gateway(one))
        if gateways:
            metadata, rules = route["metadata"], _rules([route], known)
            led = sorted(place[1] for rule in rules for place in rule.backends if place)
            yield Scope(
                led[0] if led else "",
                metadata["namespace"],
                metadata["name"],
                "gateway",
                gateways,
                rules,
                tuple(route["spec"].get("hostnames") or ()),
            )


def _is_at(route: Json, service: Service, number: int) -> bool:
    refs = references.service_parents(route, service.namespace, service.name)
    return any(one.get("port") == number for one in refs)


def _of_users(service: Service, routes: Sequence[Json], port: Port | None, known: Known) -> Scope:
    return Scope(
        service.name,
        service.namespace,
        service.name,
        str(port.number) if port else "all",
        (_parent(service, port),),
        _rules(routes, known),
    )


def _of_nobody(service: Service, port: Port) -> Scope:
    """A Service port that nobody has routes for: everything leads to it."""
    to = {**backend(service.name, service.namespace, port.number, service.namespace), "weight": 1}
    rule = Rule(
        {"matches": [EVERY_PATH], "backendRefs": [to]},
        ((service.namespace, service.name, port.number),),
        service.namespace,
    )
    parents = (_parent(service, port),)
    return Scope(
        service.name, service.namespace, service.name, str(port.number), parents, (rule,), alone=True
    )


def _parent(service: Service, port: Port | None) -> Json:
    parent: Json = {"group": "", "kind": "Service", "name": service.name}
    return {**parent, "port": port.number} if port else parent


def _rules(routes: Iterable[Json], known: Known) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            body,
            tuple(_known(references.place(ref, route), known) for ref in body.get("backendRefs") or ()),
            route["metadata"]["namespace"],
        )
        for route in routes
        for body in references.rules(route)
    )


def _known(place: Place | None, known: Known) -> Place | None:
    return known.get(place) if place else None


def places(intent: ChainIntent, services: Iterable[Json]) -> dict[Place, Place]:
    """The chain's Service ports, each standing for itself; and the ports of those Services beside them that
    lead to some of the same pods, as the Services of a canary do."""
    chain = {(one.namespace, one.name): one for one in intent.services}
    known = {(*key, port.number): (*key, port.number) for key, one in chain.items() for port in one.ports}
    there = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in services}
    selectors = {key: (there[key]["spec"].get("selector") or {}) if key in there else {} for key in chain}
    for key, other in there.items():
        if key in chain:
            continue
        parts = other["spec"].get("selector") or {}
        for whole, selector in selectors.items():
            if whole[0] == key[0] and selector and selector.items() <= parts.items():
                known |= _alike(key, other, chain[whole])
    return known


def _alike(key: tuple[str, str], other: Json, service: Service) -> dict[Place, Place]:
    """A port of the other Service stands for the one of the same number or name, or the only one."""
    found: dict[Place, Place] = {}
    for port in other["spec"].get("ports") or ():
        same = [
            one
            for one in service.ports
            if one.number == port["port"] or (one.name and one.name == port.get("name"))
        ] or (list(service.ports) if len(service.ports) == 1 else [])
        if same:
            found[(*key, int(port["port"]))] = (service.namespace, service.name, same[0].number)
    return found

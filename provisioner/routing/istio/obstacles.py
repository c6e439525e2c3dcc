"""What keeps lanes out of a host or a service, and what else has to be said of the user's routing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.chain.model import Entry, Protocol, Trust
from provisioner.routing.intent import ChainIntent
from provisioner.routing.istio import addresses, expressions, hosts, lines
from provisioner.routing.istio.addresses import Key
from provisioner.routing.istio.hosts import Host
from provisioner.routing.mesh import Existing, Finding

Json = dict[str, Any]


@dataclass(frozen=True)
class Obstacles:
    """`services`: a VirtualService for them has no effect, or cannot have one. `hosts`: no lane may have a
    line in them."""

    findings: tuple[Finding, ...]
    services: frozenset[Key]
    hosts: frozenset[Key]


def of_user(intent: ChainIntent, every: Sequence[Host], existing: Existing) -> Obstacles:
    services = [*_routes(intent, existing), *_tcp(intent), *_foreign(intent, every, existing)]
    closed = [(host.key, finding) for host in every for finding in _closed(host, intent)]
    told = [finding for host in every for finding in _elsewhere(host)]
    return Obstacles(
        (*(one for _, one in services), *(one for _, one in closed), *told, *_entry(intent.entry)),
        frozenset(key for key, one in services if one.blocks),
        frozenset(key for key, _ in closed),
    )


def illegal(intent: ChainIntent, lanes: Iterable[str]) -> list[Finding]:
    """What may not be written into routes: it would stop the configuration of every host of a port."""
    return [
        Finding(
            "",
            "IllegalValue",
            f"{what} cannot be written into routes: Envoy would refuse those of every other host with it",
            blocks=True,
        )
        for what, is_wrong in _judged(intent, lanes)
        if is_wrong
    ]


def _judged(intent: ChainIntent, lanes: Iterable[str]) -> Iterator[tuple[str, bool]]:
    carriers, entry = intent.carriers, intent.entry
    yield f"header {carriers.header!r}", expressions.illegal_name(carriers.header)
    yield f"baggage key {carriers.baggage!r}", expressions.illegal_name(carriers.baggage)
    yield f"cookie {entry.cookie!r}", bool(entry.cookie) and expressions.illegal_name(entry.cookie)
    yield f"domain {entry.domain!r}", expressions.illegal_value(entry.domain)
    for lane in lanes:
        yield f"lane {lane!r}", expressions.illegal_lane(lane)
    for service in intent.services:
        yield f"service {service.name!r}", expressions.illegal_value(service.name)


def _routes(intent: ChainIntent, existing: Existing) -> Iterator[tuple[Key, Finding]]:
    """HTTPRoutes win over VirtualServices: in the Service's namespace for everybody, elsewhere for the
    clients of that namespace."""
    services = {(one.namespace, one.name) for one in intent.services}
    for route in existing.of("HTTPRoute"):
        where = route["metadata"]["namespace"]
        for parent in route["spec"].get("parentRefs") or ():
            key = (parent.get("namespace") or where, parent.get("name", ""))
            if parent.get("kind") == "Service" and key in services:
                yield key, _won(key, route, where)


def _won(key: Key, route: Json, where: str) -> Finding:
    mine = where == key[0]
    whose = "" if mine else f"requests from namespace {where} follow it alone and never find a lane; "
    return Finding(
        key[1],
        "HttpRoute",
        f"{addresses.called(route)} is attached to it, and wins over every VirtualService; {whose}write it "
        "as one, or route the chain by `routing: {driver: gateway-api}`",
        blocks=mine,
    )


def _tcp(intent: ChainIntent) -> Iterator[tuple[Key, Finding]]:
    for service in intent.services:
        if service.ports and not any(port.protocol is Protocol.HTTP for port in service.ports):
            yield (
                (service.namespace, service.name),
                Finding(
                    service.name,
                    "NoHttpPort",
                    "none of its ports is HTTP, and no header can be seen in anything else; set appProtocol, "
                    "or begin the port's name with http- or grpc-",
                    blocks=True,
                ),
            )


def _foreign(intent: ChainIntent, every: Sequence[Host], existing: Existing) -> Iterator[tuple[Key, Finding]]:
    """The names that Laneway needs and somebody else has."""
    wanted = {hosts.own_key(one.namespace, one.name): one for one in intent.services}
    governed = {key for host in every if hosts.is_public(host) for key in host.covered}
    for one in existing.of("VirtualService"):
        service = wanted.get(addresses.key_of(one))
        if service and not hosts.made_here(one) and (service.namespace, service.name) not in governed:
            yield (
                (service.namespace, service.name),
                Finding(
                    service.name,
                    "ForeignObject",
                    f"{addresses.called(one)} has the name that lanes need here, and is not Laneway's; "
                    "rename it",
                    blocks=True,
                ),
            )


def _closed(host: Host, intent: ChainIntent) -> Iterator[Finding]:
    if host.live is None:
        return
    called = addresses.called(host.live)
    others = lines.chains(host.live) - {intent.name}
    if others:
        yield Finding(
            host.about,
            "HostOfAnotherChain",
            f"{called} has the lanes of chain {', '.join(sorted(others))}; a host can be of one chain only: "
            "take its service out of one of the two files",
            blocks=True,
        )
    for delegate in host.unseen:
        yield Finding(
            host.about,
            "UnseenDelegate",
            f"{called} delegates to {delegate}, which lies in none of the chain's namespaces and cannot be "
            "read; move it into one of them",
            blocks=True,
        )
    if len(lines.original(host.live)) > lines.MOST_NOTED and not host.ours:
        yield Finding(
            host.about,
            "HostTooLarge",
            f"{called} has rules of more than {lines.MOST_NOTED} bytes, too many to note; split it",
            blocks=True,
        )


def _elsewhere(host: Host) -> Iterator[Finding]:
    for key in sorted(host.covered - host.led) if host.live else ():
        yield Finding(
            key[1],
            "LeadsElsewhere",
            f"{addresses.called(host.live or {})} is for it, but none of its rules leads to it: copies of it "
            "get no request that way",
        )


def _entry(entry: Entry) -> Iterator[Finding]:
    if entry.trust is Trust.SIGNED:
        yield Finding(
            entry.service,
            "EntryNotTrusted",
            "this driver does not check signed links, so no request from outside the mesh can name a lane; "
            "use the built-in router for that, or trust: header",
        )
    if entry.networks:
        yield Finding(
            entry.service,
            "NetworksNotTold",
            "routes of Istio do not tell networks apart: requests by a Gateway are all from outside",
        )

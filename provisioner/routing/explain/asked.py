"""The requests that people ask about: by lane, at a service of a chain. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from provisioner.chain.model import Chain, Protocol
from provisioner.errors import InputError
from provisioner.routing.explain.explainers import explain
from provisioner.routing.explain.story import BASELINE, Json, Live, Request
from provisioner.routing.protocols import protocol


def header(text: str) -> tuple[str, str]:
    """A header as the command line takes it, NAME=VALUE. InputError for anything else."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise InputError(f"{text[:80]!r} is no header; write NAME=VALUE", where="--header")
    return name.strip(), value


def port(chain: Chain, live: Live, service: str, wanted: int = 0) -> int:
    """A port of a service: the wanted one, else its first that speaks HTTP, else its first. InputError where
    the Service, or the port, is not there."""
    where = f"Service {chain.service(service).namespace}/{service}"
    there = live.find("Service", (chain.service(service).namespace, service))
    ports: list[Json] = list((there or {}).get("spec", {}).get("ports") or ())
    if not ports:
        raise InputError("does not exist, or has no ports", where=where)
    said = chain.protocols(service)
    first = sorted(ports, key=lambda one: protocol(one, said) is not Protocol.HTTP)[0]
    if wanted and wanted not in (one["port"] for one in ports):
        known = ", ".join(str(one["port"]) for one in ports)
        raise InputError(f"has no port {wanted}; it has {known}", where=where)
    return wanted or int(first["port"])


def request(chain: Chain, live: Live, lane: str, service: str, number: int = 0) -> Request:
    """A lane's request from another service, with the header; the lane `baseline` says nothing of lanes."""
    tagged = ((chain.carriers.header, lane),) if lane != BASELINE else ()
    namespace = chain.service(service).namespace
    return Request(service, namespace, port(chain, live, service, number), tagged)


def table(chain: Chain, live: Live, lanes: Iterable[str]) -> dict[str, dict[str, str]]:
    """Who answers each lane at each service of the chain, by lane and service; empty where that cannot be
    told, since there is no such Service."""
    return {lane: {one.name: _who(chain, live, lane, one.name) for one in chain.services} for lane in lanes}


def _who(chain: Chain, live: Live, lane: str, service: str) -> str:
    try:
        return explain(chain, live, request(chain, live, lane, service)).who
    except InputError:
        return ""

"""The intent of a mesh chain, of which nothing is attached: ports are those of the live Services. Pure.

It is about a few lanes: those whose routes are looked at, and their ancestors. Drivers see no baseline
endpoints here, since a mesh finds them by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from provisioner.chain.model import Chain
from provisioner.chain.model import Service as Listed
from provisioner.lane.model import Lane
from provisioner.names import derived
from provisioner.release.model import Release
from provisioner.routing import lineage, share
from provisioner.routing.intent import ChainIntent, Copy, Port, Service
from provisioner.routing.lineage import Routed, Site
from provisioner.routing.protocols import protocol
from provisioner.routing.slices import Slice

Json = dict[str, Any]


def build(
    chain: Chain,
    services: Iterable[Json],
    slices: Sequence[Slice],
    lanes: Iterable[Lane],
    release: Release | None = None,
) -> ChainIntent:
    """The intent of a chain for these lanes. `services` are the baseline's, live; a service of the chain that
    has none is left out. `release` is the one that may take untagged requests; whether its copies are ready
    is known only where its lane is among `lanes`, and elsewhere it takes none."""
    there = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in services}
    routed = lineage.routed_lanes(({**one.to_object(), "status": one.status} for one in lanes), chain)
    by_service = _by_service(chain, slices)
    found = tuple(
        _service(
            chain,
            listed,
            there[listed.namespace, listed.name],
            by_service.get((listed.namespace, listed.name), {}),
            routed,
        )
        for listed in chain.services
        if (listed.namespace, listed.name) in there
    )
    return ChainIntent(
        chain.name,
        chain.carriers,
        chain.shards,
        found,
        chain.entry,
        chain.warmup,
        chain.failover,
        share.of_release(release, found),
    )


def everywhere(chain: Chain, services: Iterable[Json], lane: str, names: Collection[str]) -> list[Slice]:
    """What would be there if a lane had a ready copy of each of these services of the chain."""
    there = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in services}
    return [
        Slice(
            (one.namespace, derived(one.name, lane)),
            chain.name,
            one.name,
            lane,
            ("192.0.2.1",),
            (),
            tuple((port.get("name") or "", int(port["port"])) for port in live["spec"].get("ports") or ()),
        )
        for one in chain.services
        if one.name in names and (live := there.get((one.namespace, one.name)))
    ]


def _by_service(chain: Chain, slices: Iterable[Slice]) -> dict[tuple[str, str], dict[str, list[Slice]]]:
    found: dict[tuple[str, str], dict[str, list[Slice]]] = {}
    for one in slices:
        if one.chain == chain.name and one.lane:
            found.setdefault((one.key[0], one.service), {}).setdefault(one.lane, []).append(one)
    return found


def _service(
    chain: Chain,
    listed: Listed,
    live: Json,
    slices: Mapping[str, Sequence[Slice]],
    routed: Mapping[str, Routed],
) -> Service:
    said = chain.protocols(listed.name)
    specs = sorted(live["spec"].get("ports") or (), key=lambda one: int(one["port"]))
    names = tuple(str(one.get("name") or "") for one in specs)
    copies = _copies(Site(listed.name, names, slices, routed))
    ports = tuple(
        Port(name, int(one["port"]), 0, protocol(one, said), (), tuple(copied[place] for copied in copies))
        for place, (name, one) in enumerate(zip(names, specs, strict=True))
    )
    domain = chain.entry.domain if chain.entry.service in ("", listed.name) else ""
    return Service(listed.name, listed.namespace, ports, domain)


def _copies(site: Site) -> list[tuple[Copy, ...]]:
    """What each lane is at a service's ports, sorted by lane."""
    found = lineage.every_copy(site)
    return [found[lane] for lane in sorted(found)]

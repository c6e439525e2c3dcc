"""The intent of attached chains, from plain Kubernetes objects (JSON dicts as the API gives them). Pure.

* the **twin** of each attached Service: headless, with the Service's own selector and ports, labelled with
  chain, service and role `baseline`; its annotation says which listener port each of its ports has;
* the **EndpointSlices** of the twins and of the lanes' copies (Kubernetes copies a Service's labels to them);
* the **Lanes**: which may be entered, and how each is to be taken (`lineage`);
* the **Releases**: what the one that runs takes of the requests without a lane (`share`).

Equal input in any order gives an equal `Intent`. A lane that sleeps is left alone by requests even while its
pods still run; one that wakes is entered as soon as a pod is ready.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain, Protocol
from provisioner.release.model import Release
from provisioner.routing import lineage, share
from provisioner.routing.intent import ChainIntent, Copy, Endpoint, Intent, Port, Service, domain
from provisioner.routing.lineage import Routed, Site
from provisioner.routing.protocols import UNSAID, protocol
from provisioner.routing.slices import Slice, read_slice

Json = dict[str, Any]


def baseline_endpoints(slices: Iterable[Slice], port: str) -> tuple[Endpoint, ...]:
    """The ready pods of a port; when there is none, those that end but still serve, as kube-proxy does."""
    known = tuple(slices)
    return lineage.endpoints(known, port, "ready") or lineage.endpoints(known, port, "leaving")


def listeners(twin: Json) -> dict[str, int]:
    """The listener port of each port of an attached Service, by the port's number as text."""
    annotations = twin["metadata"].get("annotations") or {}
    stored = json.loads(annotations.get(labels.LISTENERS) or "{}")
    return {str(port): int(listener) for port, listener in stored.items()}


def ports(twin: Json, said: Mapping[int, Protocol] = UNSAID) -> tuple[Port, ...]:
    """The ports of an attached Service that have a listener, without endpoints yet; `said` as for
    `protocols.protocol`."""
    stored = listeners(twin)
    return tuple(
        Port(one.get("name") or "", int(one["port"]), stored[str(one["port"])], protocol(one, said))
        for one in sorted(twin["spec"].get("ports") or (), key=lambda one: int(one["port"]))
        if str(one["port"]) in stored
    )


def service_name(obj: Json) -> tuple[str, str, str]:
    """Chain, namespace and service that a labelled object is about; empty strings where it does not say."""
    marks = obj["metadata"].get("labels") or {}
    return marks.get(labels.CHAIN, ""), obj["metadata"].get("namespace", ""), marks.get(labels.SERVICE, "")


def build(
    chains: Sequence[Chain],
    services: Iterable[Json],
    endpointslices: Iterable[Json],
    lanes: Iterable[Json],
    releases: Iterable[Json] = (),
) -> Intent:
    """The intent of all chains. `services` are the twins; objects of other chains are left out."""
    twins = sorted(services, key=service_name)
    slices = [found for obj in endpointslices if (found := read_slice(obj))]
    every_lane, every_release = list(lanes), [Release.from_object(one) for one in releases]
    return Intent(tuple(build_chain(chain, twins, slices, every_lane, every_release) for chain in chains))


def build_chain(
    chain: Chain,
    twins: Iterable[Json],
    slices: Iterable[Slice],
    lanes: Iterable[Json],
    releases: Iterable[Release] = (),
) -> ChainIntent:
    """The intent of one chain."""
    routed = lineage.routed_lanes(lanes, chain)
    known = {service.name for service in chain.services}
    grouped = _grouped(slices)
    services = tuple(
        build_service(chain, twin, grouped.get(service_name(twin), ()), routed)
        for twin in twins
        if service_name(twin)[0] == chain.name and service_name(twin)[2] in known
    )
    running = share.running(one for one in releases if one.chain == chain.name)
    return whole(chain, services, running)


def whole(chain: Chain, services: tuple[Service, ...], running: Release | None) -> ChainIntent:
    """A chain's intent from its services, and the release that runs."""
    return ChainIntent(
        chain.name,
        chain.carriers,
        chain.shards,
        services,
        chain.entry,
        chain.warmup,
        share=share.of_release(running, services) if chain.entry.service else None,
    )


def _grouped(slices: Iterable[Slice]) -> dict[tuple[str, str, str], list[Slice]]:
    """By chain, namespace and service."""
    found: dict[tuple[str, str, str], list[Slice]] = {}
    for one in slices:
        found.setdefault((one.chain, one.key[0], one.service), []).append(one)
    return found


def build_service(chain: Chain, twin: Json, slices: Iterable[Slice], routed: Mapping[str, Routed]) -> Service:
    """The intent of one attached Service, of which `slices` are."""
    by_lane: dict[str, list[Slice]] = {}
    for one in slices:
        by_lane.setdefault(one.lane, []).append(one)
    baseline = by_lane.pop("", [])
    return assemble(chain, twin, baseline, lineage.every_copy(site(twin, by_lane, routed)))


def site(twin: Json, slices: Mapping[str, Collection[Slice]], routed: Mapping[str, Routed]) -> Site:
    """An attached Service as lanes meet it."""
    return Site(service_name(twin)[2], tuple(port.name for port in ports(twin)), slices, routed)


def assemble(
    chain: Chain, twin: Json, baseline: Sequence[Slice], by_lane: Mapping[str, tuple[Copy, ...]]
) -> Service:
    """A Service from its parts; `by_lane` has the copies of each lane, in the order of `ports`."""
    _, namespace, name = service_name(twin)
    ordered = [by_lane[lane] for lane in sorted(by_lane)]
    full = tuple(
        Port(
            port.name,
            port.number,
            port.listener,
            port.protocol,
            baseline_endpoints(baseline, port.name),
            tuple(copied[place] for copied in ordered),
        )
        for place, port in enumerate(ports(twin, chain.protocols(name)))
    )
    return Service(name, namespace, full, domain(chain, name))

"""What routing has to achieve, in terms of no data plane: each driver compiles from this and nothing else.

Built purely from plain Kubernetes objects (JSON dicts as the API gives them):

* the **twin** of each attached Service: headless, with the Service's own selector and ports, labelled with
  chain, service and role `baseline`; its annotation says which listener port each of its ports has;
* the **EndpointSlices** of the twins and of the lanes' copies (Kubernetes copies a Service's labels to them);
* the **Lanes**: which may be entered, and which services' copies sleep (`route: waker` in the status).

Equal input in any order gives an equal `Intent`: everything is sorted. What a lane is at a service is its
`State` there; a lane without a copy of a service is not listed at that service at all. A lane that sleeps is
left alone by requests even while its pods still run; one that wakes is entered as soon as a pod is ready.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from provisioner import labels
from provisioner.chain.model import Carriers, Chain, Entry, Protocol, Warmup
from provisioner.lane.model import Mode, Phase
from provisioner.routing.protocols import UNSAID, protocol
from provisioner.routing.slices import Slice, read_slice

Json = dict[str, Any]

WAKER = "waker"  # the route of a service whose copy sleeps, in `Lane.status.services`


class State(StrEnum):
    """What a lane's copy of a service is. Absent copies are not listed."""

    READY = "ready"
    UNREADY = "unready"
    ASLEEP = "asleep"  # it has no pods, or they are on their way: the waker holds its requests
    MISSING = "missing"  # a strict lane has no ready copy here: 503, never the baseline


@dataclass(frozen=True, order=True)
class Endpoint:
    address: str
    port: int


@dataclass(frozen=True)
class Copy:
    """A lane's copy of a service at one port; `endpoints` are its ready pods. `origin` is the ancestor whose
    copy it is, empty where it is the lane's own; `name` that of the Service which the pods are behind, empty
    where there is none."""

    lane: str
    state: State
    endpoints: tuple[Endpoint, ...] = ()
    mode: Mode = Mode.LOOSE
    origin: str = ""
    name: str = ""


@dataclass(frozen=True)
class Routed:
    """A lane that requests may enter. `asleep` are the services of which the waker has the requests while
    they have no ready pod; while the lane is `resting`, even when they have one."""

    mode: Mode = Mode.LOOSE
    asleep: frozenset[str] = frozenset()
    resting: bool = False


@dataclass(frozen=True)
class Port:
    name: str
    number: int
    listener: int  # the port at which the router takes this port's connections
    protocol: Protocol
    baseline: tuple[Endpoint, ...] = ()
    copies: tuple[Copy, ...] = ()


@dataclass(frozen=True)
class Service:
    """`domain` is what follows the lane in a preview host; empty where no preview host leads."""

    name: str
    namespace: str
    ports: tuple[Port, ...]
    domain: str = ""


@dataclass(frozen=True)
class Standing:
    """Who can answer a lane's request at one port: its copy, None where it has none, and the baseline."""

    copy: Copy | None = None
    baseline: tuple[Endpoint, ...] = ()


@dataclass(frozen=True)
class ChainIntent:
    name: str
    carriers: Carriers
    shards: int
    services: tuple[Service, ...]
    entry: Entry = field(default_factory=Entry)
    warmup: Warmup | None = None

    def within(self, namespace: str) -> tuple[Service, ...]:
        """The services of one namespace: what one router there serves."""
        return tuple(service for service in self.services if service.namespace == namespace)


@dataclass(frozen=True)
class Intent:
    chains: tuple[ChainIntent, ...]


def routed_lanes(lanes: Iterable[Json], chain: Chain) -> dict[str, Routed]:
    """The lanes of a chain that requests may still enter: a lane that ends has no routes."""
    entry = chain.entry.service
    return {lane["spec"]["lane"]: _routed(lane, entry) for lane in lanes if _open(lane, chain.name)}


def _routed(lane: Json, entry: str) -> Routed:
    """A lane that is not all awake sleeps at the chain's entry as well: who waits there has a browser's
    patience, and those in between their own time-outs."""
    status = lane.get("status") or {}
    resting = status.get("phase") == Phase.SLEEPING
    waking = [one for one in status.get("services") or () if one.get("route") == WAKER]
    asleep = {one["name"] for one in waking}
    if entry and (any(not one.get("ready") for one in waking) or (resting and waking)):
        asleep.add(entry)
    return Routed(Mode(lane["spec"].get("mode", Mode.LOOSE)), frozenset(asleep), resting)


def _open(lane: Json, chain: str) -> bool:
    ends = (
        lane["metadata"].get("deletionTimestamp")
        or (lane.get("status") or {}).get("phase") == Phase.TERMINATING
    )
    return lane["spec"]["chain"] == chain and not ends


def baseline_endpoints(slices: Iterable[Slice], port: str) -> tuple[Endpoint, ...]:
    """The ready pods of a port; when there is none, those that end but still serve, as kube-proxy does."""
    known = tuple(slices)
    return _endpoints(known, port, "ready") or _endpoints(known, port, "leaving")


def copy_of(lane: str, slices: Iterable[Slice], port: str, routed: Routed, service: str) -> Copy:
    """What a lane's copy of a service is at one of its ports."""
    ready = _endpoints(slices, port, "ready")
    if service in routed.asleep and (routed.resting or not ready):
        return Copy(lane, State.ASLEEP, (), routed.mode)
    return Copy(lane, State.READY if ready else State.UNREADY, ready, routed.mode)


def _endpoints(slices: Iterable[Slice], port: str, which: str) -> tuple[Endpoint, ...]:
    found = {
        Endpoint(address, number)
        for one in slices
        for name, number in one.ports
        if name == port
        for address in getattr(one, which)
    }
    return tuple(sorted(found))


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


def domain(chain: Chain, service: str) -> str:
    """The preview domain at a service: only where the chain is entered."""
    return chain.entry.domain if chain.entry.service in ("", service) else ""


def service_name(obj: Json) -> tuple[str, str, str]:
    """Chain, namespace and service that a labelled object is about; empty strings where it does not say."""
    marks = obj["metadata"].get("labels") or {}
    return marks.get(labels.CHAIN, ""), obj["metadata"].get("namespace", ""), marks.get(labels.SERVICE, "")


def build(
    chains: Sequence[Chain], services: Iterable[Json], endpointslices: Iterable[Json], lanes: Iterable[Json]
) -> Intent:
    """The intent of all chains. `services` are the twins; objects of other chains are left out."""
    twins = sorted(services, key=service_name)
    slices = [found for obj in endpointslices if (found := read_slice(obj))]
    every_lane = list(lanes)
    return Intent(tuple(build_chain(chain, twins, slices, every_lane) for chain in chains))


def build_chain(
    chain: Chain, twins: Iterable[Json], slices: Sequence[Slice], lanes: Iterable[Json]
) -> ChainIntent:
    """The intent of one chain."""
    routed = routed_lanes(lanes, chain)
    known = {service.name for service in chain.services}
    services = (
        build_service(chain, twin, slices, routed)
        for twin in twins
        if service_name(twin)[0] == chain.name and service_name(twin)[2] in known
    )
    return ChainIntent(chain.name, chain.carriers, chain.shards, tuple(services), chain.entry, chain.warmup)


def build_service(chain: Chain, twin: Json, slices: Iterable[Slice], routed: Mapping[str, Routed]) -> Service:
    """The intent of one attached Service."""
    _, namespace, name = service_name(twin)
    mine = [one for one in slices if (one.chain, one.key[0], one.service) == (chain.name, namespace, name)]
    by_lane: dict[str, list[Slice]] = {}
    for one in mine:
        by_lane.setdefault(one.lane, []).append(one)
    baseline = by_lane.pop("", [])
    for lane in sleepers(name, routed):
        by_lane.setdefault(lane, [])
    return assemble(chain, twin, baseline, copies(twin, by_lane, routed))


def sleepers(service: str, routed: Mapping[str, Routed]) -> list[str]:
    """The lanes whose copy of a service sleeps: it may have no EndpointSlice, and must be listed all the
    same."""
    return [lane for lane, one in routed.items() if service in one.asleep]


def copies(
    twin: Json, by_lane: Mapping[str, Iterable[Slice]], routed: Mapping[str, Routed]
) -> dict[str, tuple[Copy, ...]]:
    """For each routed lane, its copy at each of the Service's ports, in the order of `ports`."""
    names, service = [port.name for port in ports(twin)], service_name(twin)[2]
    return {
        lane: tuple(copy_of(lane, slices, name, routed[lane], service) for name in names)
        for lane, slices in by_lane.items()
        if lane in routed
    }


def assemble(
    chain: Chain, twin: Json, baseline: Sequence[Slice], by_lane: Mapping[str, tuple[Copy, ...]]
) -> Service:
    """A Service from its parts; `by_lane` is what `copies` gave, whole or piece by piece."""
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

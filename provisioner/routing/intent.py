"""What routing has to achieve, in terms of no data plane: each driver compiles from this and nothing else.

`attached` builds it for chains behind the built-in router, `mesh_intent` for those in a mesh; which copy
answers a lane at a service is decided in `lineage`, for all drivers alike. Equal intents compare equal:
everything in one is sorted. What a lane is at a service is its `State` there; a lane without a copy of a
service, whom the baseline answers, is not listed at that service at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from provisioner.chain.model import Carriers, Chain, Entry, Protocol, Warmup
from provisioner.chain.strategy import Audience, Sticky
from provisioner.lane.model import Mode


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
class Share:
    """The part of a chain's untagged requests that the entry puts into a release's lane. `weight` is in
    percent; it is 0 while a copy of the lane is missing, unless it is `firm`: the baseline is between two
    versions then. Which request is in it: `provisioner.routing.share`."""

    release: str
    lane: str
    weight: int
    sticky: Sticky = field(default_factory=Sticky)
    audience: Audience = field(default_factory=Audience)
    firm: bool = False


@dataclass(frozen=True)
class ChainIntent:
    name: str
    carriers: Carriers
    shards: int
    services: tuple[Service, ...]
    entry: Entry = field(default_factory=Entry)
    warmup: Warmup | None = None
    failover: bool = False  # whether sidecars go from a copy back to the baseline by themselves
    share: Share | None = None  # of the release that runs, while it does

    def within(self, namespace: str) -> tuple[Service, ...]:
        """The services of one namespace: what one router there serves."""
        return tuple(service for service in self.services if service.namespace == namespace)


@dataclass(frozen=True)
class Intent:
    chains: tuple[ChainIntent, ...]


def domain(chain: Chain, service: str) -> str:
    """The preview domain at a service: only where the chain is entered."""
    return chain.entry.domain if chain.entry.service in ("", service) else ""

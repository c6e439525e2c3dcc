"""A chain as its file describes it: frozen data, no IO. `grammar` reads and checks the file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum

from provisioner.chain.strategy import Strategy
from provisioner.lane.model import Mode


class Driver(StrEnum):
    ENVOY = "envoy"
    GATEWAY_API = "gateway-api"
    ISTIO = "istio"


class ForkPolicy(StrEnum):
    NEVER = "never"
    APPROVE = "approve"
    ALWAYS = "always"


class Trigger(StrEnum):
    """When a pull request opens a lane."""

    OPENED = "opened"
    LABELLED = "labelled"


class WhenFull(StrEnum):
    """What a lane does that there is no room for within the limits."""

    WAIT = "wait"
    SLEEP = "sleep"  # the longest idle lane is put to sleep, which makes room


class Protocol(StrEnum):
    """How a port's bytes are read: HTTP is routed by lane, TCP is passed through to the baseline."""

    HTTP = "http"
    TCP = "tcp"


@dataclass(frozen=True)
class WorkloadRef:
    kind: str  # Deployment, StatefulSet or Rollout; what else it is is refused when the lane is planned
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True)
class Repository:
    """`url` is what git clones (never taken from a payload); `name` is what deliveries call it, such as
    `acme/shop` (derived from the url unless given)."""

    url: str
    name: str
    base: str = "main"
    credentials: str = ""  # name of the Secret with the token, empty for none


@dataclass(frozen=True)
class Service:
    """One service of a chain. `paths` are globs in gitignore's terms, relative to the repository."""

    name: str
    workload: WorkloadRef
    image: str  # pattern with the placeholders of `changes`: {sha}, {service_sha}, {branch}, {pull} ...
    namespace: str
    paths: tuple[str, ...]
    repository: str = ""  # name of the repository its code lies in; empty: any of the chain's
    depends_on: tuple[str, ...] = ()  # services whose change also puts this one into the lane
    container: str = ""  # empty: the first
    clone: bool = (
        False  # clone it although something would refuse it (no Service selects it, ReadWriteOnce claim)
    )
    protocols: tuple[tuple[int, Protocol], ...] = ()  # (port, how it is read), where its Service does not say


class Trust(StrEnum):
    """What of a request from outside may name its lane, where the chain is entered."""

    HEADER = "header"  # every carrier that is configured
    SIGNED = "signed"  # a signed link, or the cookie that it set
    NONE = "none"


class Untrusted(StrEnum):
    """What a request gets that names a lane by what is not trusted."""

    BASELINE = "baseline"  # what it said of a lane is taken away
    FORBIDDEN = "forbidden"  # 403, which says what to do


@dataclass(frozen=True)
class Entry:
    """Where people and other systems call the chain. `provisioner.routing.entry` decides by it."""

    service: str = ""
    host: str = ""  # "{lane}.preview.example.com"; empty: no preview hosts
    url: str = ""  # "https://{lane}.preview.example.com:8443"; empty: http:// and the host
    cookie: str = ""  # whose value names the lane, unsigned; empty: none
    link: str = ""  # the query parameter of signed links; empty: there are none
    trust: Trust = Trust.HEADER
    untrusted: Untrusted = Untrusted.BASELINE
    networks: tuple[str, ...] = ()  # CIDR: requests from there are trusted as those from inside
    hops: int = 0  # proxies in front that append to X-Forwarded-For, counted from the entry

    def url_of(self, lane: str) -> str:
        """Where a browser finds the lane; empty where no address names it by itself."""
        pattern = self.address
        return pattern.replace("{lane}", lane) if "{lane}" in pattern else ""

    @property
    def address(self) -> str:
        """Where browsers find the chain, with `{lane}` where the lane's name belongs, if it does."""
        return self.url or (f"http://{self.host}" if self.host else "")

    @property
    def ticket(self) -> str:
        """The name of the cookie that a signed link sets; empty where there are none."""
        return f"laneway-{self.link}" if self.link else ""

    @property
    def secure(self) -> bool:
        """Whether browsers reach it by TLS."""
        return self.address.startswith("https://")

    @property
    def domain(self) -> str:
        """What follows the lane's name in a preview host, without the dot: `preview.example.com`."""
        return self.host.removeprefix("{lane}.") if self.host else ""


@dataclass(frozen=True)
class Carriers:
    header: str = "x-preview-lane"
    baggage: str = "preview-lane"


@dataclass(frozen=True)
class Lifecycle:
    ttl: timedelta | None = timedelta(hours=72)
    idle: timedelta | None = timedelta(hours=8)
    max_lanes: int = 50
    when: Trigger = Trigger.OPENED
    label: str = "preview"  # for when: labelled
    follow: bool = True
    max_per_author: int | None = None
    max_pods: int | None = None  # copies of all the chain's lanes together
    when_full: WhenFull = WhenFull.WAIT


@dataclass(frozen=True)
class Warmup:
    """How a new endpoint is eased in: over `duration` its share rises from `minimum_percent` of its full one,
    in a line with an `aggression` of 1, sooner with a greater one."""

    duration: timedelta
    minimum_percent: int = 10
    aggression: float = 1.0


@dataclass(frozen=True)
class Chain:
    name: str
    repositories: tuple[Repository, ...]
    services: tuple[Service, ...]
    shared_paths: tuple[
        tuple[str, tuple[str, ...]], ...
    ] = ()  # (glob, services); all services are spelled out
    entry: Entry = field(default_factory=Entry)
    carriers: Carriers = field(default_factory=Carriers)
    driver: Driver = Driver.ENVOY
    warmup: Warmup | None = None
    failover: bool = False  # with istio: the data plane itself goes back to the baseline
    mode: Mode = Mode.LOOSE  # of new lanes
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    release: Strategy = field(default_factory=Strategy)
    forks: ForkPolicy = ForkPolicy.APPROVE
    source: str = ""  # the file it was read from

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Every namespace that a service lies in, sorted."""
        return tuple(sorted({service.namespace for service in self.services}))

    @property
    def revision(self) -> str:
        """Changes with everything that the file says; where the file lies does not count."""
        return hashlib.sha256(repr(replace(self, source="")).encode()).hexdigest()[:12]

    def service(self, name: str) -> Service:
        """The service of that name; KeyError when the chain has none."""
        return {service.name: service for service in self.services}[name]

    def protocols(self, service: str) -> dict[int, Protocol]:
        """What the file says of a service's ports, by number; nothing for one that it does not list."""
        return {port: how for one in self.services if one.name == service for port, how in one.protocols}

    def repository(self, name: str) -> Repository | None:
        """The repository that deliveries call `name` (case-insensitive, as forges do), or None."""
        wanted = name.lower()
        return next((one for one in self.repositories if one.name.lower() == wanted), None)

    @property
    def shards(self) -> int:
        """How many clusters a port's lanes are spread over: the power of two that keeps each below about
        100 lanes, where rebuilding one's subsets goes unnoticed."""
        wanted = -(-self.lifecycle.max_lanes // 100)
        return 1 << max(0, wanted - 1).bit_length()

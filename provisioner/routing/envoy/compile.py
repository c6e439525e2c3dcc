"""From an intent to resources, building again only what changed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain as joined

from provisioner.chain.model import Protocol, Warmup
from provisioner.names import shard as shard_of
from provisioner.routing.envoy import (
    clusters,
    endpoints,
    entrance,
    listeners,
    missing,
    routes,
    scripts,
    waking,
)
from provisioner.routing.envoy.node import Node
from provisioner.routing.envoy.resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES, Resource, Resources
from provisioner.routing.intent import ChainIntent, Copy, Port, Service
from provisioner.routing.links import Keys

Make = Callable[[], Resource]
Part = tuple[tuple[str, str], Hashable, Make]  # (type, name), what it is made of, how
Parts = Callable[[Service], Iterable[Part]]


class Compiler:
    """Compiles one of two things for the routers of one chain in one namespace, again and again, and keeps
    each resource until what it is made of differs. What did not change of an intent should be the same
    objects: comparing them is then free."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], tuple[Hashable, Resource]] = {}
        self._services: dict[str, tuple[Hashable, list[Resource]]] = {}

    def shared(self, intent: ChainIntent, namespace: str) -> Resources:
        """Clusters, endpoints, and routes that are resources of their own: the same for every router of the
        namespace."""
        services = intent.within(namespace)
        woken = self._resource((CLUSTER, waking.WOKEN), (), waking.woken)
        spread = _Spread(intent.shards, intent.warmup)
        entered = [self._resource(*part) for part in _route_parts(intent, services)]
        return _by_type([woken, *self._collect(services, spread, partial(_shared_parts, spread)), *entered])

    def own(self, intent: ChainIntent, node: Node, keys: Keys = ()) -> Resources:
        """Listeners: each router binds its own address. `keys` check the chain's links."""
        services = intent.within(node.namespace)
        context = (intent.carriers, intent.shards, intent.entry, keys, node.address)
        ready = [self._resource(*part) for part in _ready_parts(services, node)]
        return _by_type([*self._collect(services, context, partial(_own_parts, intent, node, keys)), *ready])

    def _collect(self, services: Iterable[Service], context: Hashable, parts: Parts) -> Iterator[Resource]:
        for service in services:
            content = (service, context)
            known = self._services.get(service.name)
            if known is None or known[0] != content:
                known = (content, [self._resource(*part) for part in parts(service)])
                self._services[service.name] = known
            yield from known[1]

    def _resource(self, key: tuple[str, str], content: Hashable, make: Make) -> Resource:
        known = self._made.get(key)
        if known is None or known[0] != content:
            known = (content, make())
            self._made[key] = known
        return known[1]


def _by_type(resources: Iterable[Resource]) -> Resources:
    found: dict[str, dict[str, Resource]] = {}
    for one in resources:
        found.setdefault(one.type_url, {})[one.name] = one
    return found


def compile_intent(intent: ChainIntent, node: Node) -> Resources:
    """Everything that one router is told, by type and name, sorted."""
    return {**Compiler().shared(intent, node.namespace), **Compiler().own(intent, node)}


@dataclass(frozen=True)
class _Spread:
    """What all clusters of a chain have in common."""

    shards: int
    warmup: Warmup | None


def _shared_parts(spread: _Spread, service: Service) -> Iterator[Part]:
    return joined.from_iterable(_port_parts(service, port, spread) for port in service.ports)


def _port_parts(service: Service, port: Port, spread: _Spread) -> Iterator[Part]:
    name, warmup = clusters.baseline_name(service.name, port.number), spread.warmup
    yield (CLUSTER, name), warmup, lambda: clusters.baseline(name, warmup)
    yield (ENDPOINTS, name), port.baseline, lambda: endpoints.baseline(name, service.name, port.baseline)
    if port.protocol is Protocol.HTTP:
        for number, copies in enumerate(sharded(port.copies, spread.shards)):
            shard = f"{clusters.shard_prefix(service.name, port.number)}{number}"
            yield (CLUSTER, shard), warmup, partial(clusters.lanes, shard, warmup)
            yield _shard_endpoints(service, port, shard, copies)


def _shard_endpoints(service: Service, port: Port, name: str, copies: tuple[Copy, ...]) -> Part:
    place = endpoints.Place(
        service.name,
        clusters.fallback_name(service.name, port.number),
        clusters.waker_name(service.name, port.number),
        clusters.missing_name(service.name, port.number),
    )
    made = partial(endpoints.shard, name, place, port.baseline, copies)
    return (ENDPOINTS, name), (port.baseline, copies), made


_shard = lru_cache(maxsize=1 << 16)(shard_of)  # thousands are asked for at each change, and always the same


def sharded(copies: Sequence[Copy], shards: int) -> tuple[tuple[Copy, ...], ...]:
    """The copies by shard, in their order."""
    found: list[list[Copy]] = [[] for _ in range(shards)]
    for copy in copies:
        found[_shard(copy.lane, shards)].append(copy)
    return tuple(tuple(one) for one in found)


def _route_parts(intent: ChainIntent, services: Iterable[Service]) -> Iterator[Part]:
    """The routes where the chain is entered: all that a release changes."""
    header, entry, share = intent.carriers.header, intent.entry, intent.share
    for service in services:
        for port in service.ports if _is_entry(intent, service) else ():
            if port.protocol is Protocol.HTTP:
                name = routes.name_of(service.name, port.number, header)
                made = partial(routes.entered, service.name, port.number, header, entry, share)
                yield (ROUTES, name), (header, entry, share), made


def _is_entry(intent: ChainIntent, service: Service) -> bool:
    return service.name == intent.entry.service


def _own_parts(intent: ChainIntent, node: Node, keys: Keys, service: Service) -> Iterator[Part]:
    entered, checked = _is_entry(intent, service), entrance.at(intent, service, keys)
    lanes = scripts.Lanes(intent.carriers, intent.shards, entered, checked)
    return joined.from_iterable(_listener_parts(intent, node, lanes, service, port) for port in service.ports)


def _ready_parts(services: Iterable[Service], node: Node) -> Iterator[Part]:
    """Nothing while a listener is missing that the pod was started for."""
    there = {port.listener for service in services for port in service.ports}
    if there and there.issuperset(node.listeners):
        key = (LISTENER, listeners.READY)
        yield key, (node.address, node.ready_port), lambda: listeners.ready(node.address, node.ready_port)


def _listener_parts(
    intent: ChainIntent, node: Node, lanes: scripts.Lanes, service: Service, port: Port
) -> Iterator[Part]:
    name = clusters.baseline_name(service.name, port.number)
    content = (service.domain, port.listener, port.protocol, lanes, node.address)
    if port.protocol is Protocol.TCP:
        yield (LISTENER, name), content, lambda: listeners.tcp(service, port, node.address)
        return
    internal = clusters.fallback_name(service.name, port.number)
    yield (LISTENER, internal), (), lambda: listeners.fallback(service, port)
    at = waking.Place(intent.name, service.namespace, service.name, port.number)
    yield (
        (LISTENER, clusters.waker_name(service.name, port.number)),
        intent.carriers,
        lambda: waking.listener(at, intent.carriers),
    )
    yield (
        (LISTENER, clusters.missing_name(service.name, port.number)),
        intent.carriers,
        lambda: missing.listener(intent.name, service.name, port.number, intent.carriers),
    )
    yield (LISTENER, name), content, lambda: listeners.http(service, port, lanes, node.address)

"""From an intent to resources, building again only what changed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import chain as joined

from provisioner.names import shard as shard_of
from provisioner.routing.envoy import clusters, endpoints, listeners
from provisioner.routing.envoy.node import Node
from provisioner.routing.envoy.resources import CLUSTER, ENDPOINTS, LISTENER, Resource, Resources
from provisioner.routing.intent import ChainIntent, Copy, Port, Protocol, Service

Make = Callable[[], Resource]
Part = tuple[tuple[str, str], Hashable, Make]  # (type, name), what it is made of, how


class Compiler:
    """Compiles for the routers of one chain in one namespace, and keeps each resource until what it is made
    of differs. The parts of an intent that did not change should be the same objects: comparing them is then
    free."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], tuple[Hashable, Resource]] = {}

    def shared(self, intent: ChainIntent, namespace: str) -> Resources:
        """Clusters and endpoints: the same for every router of the namespace."""
        return self._collect(_shared_parts(intent, namespace))

    def own(self, intent: ChainIntent, node: Node) -> Resources:
        """Listeners: each router binds its own address."""
        return self._collect(_own_parts(intent, node))

    def _collect(self, parts: Iterable[Part]) -> Resources:
        found: dict[str, dict[str, Resource]] = {}
        for key, content, make in parts:
            found.setdefault(key[0], {})[key[1]] = self._resource(key, content, make)
        return found

    def _resource(self, key: tuple[str, str], content: Hashable, make: Make) -> Resource:
        known = self._made.get(key)
        if known is None or known[0] != content:
            known = (content, make())
            self._made[key] = known
        return known[1]


def compile_intent(intent: ChainIntent, node: Node) -> Resources:
    """Everything that one router is told, by type and name, sorted."""
    compiler = Compiler()
    return {**compiler.shared(intent, node.namespace), **compiler.own(intent, node)}


def _shared_parts(intent: ChainIntent, namespace: str) -> Iterator[Part]:
    return joined.from_iterable(
        _port_parts(service, port, intent.shards)
        for service in intent.within(namespace)
        for port in service.ports
    )


def _port_parts(service: Service, port: Port, shards: int) -> Iterator[Part]:
    name = clusters.baseline_name(service.name, port.number)
    yield (CLUSTER, name), (), lambda: clusters.baseline(name)
    yield (ENDPOINTS, name), port.baseline, lambda: endpoints.baseline(name, port.baseline)
    if port.protocol is Protocol.HTTP:
        for number, copies in enumerate(sharded(port.copies, shards)):
            yield from _shard_parts(service, port, number, copies)


def _shard_parts(service: Service, port: Port, number: int, copies: tuple[Copy, ...]) -> Iterator[Part]:
    name = f"{clusters.shard_prefix(service.name, port.number)}{number}"
    fallback = clusters.fallback_name(service.name, port.number)
    yield (CLUSTER, name), (), lambda: clusters.lanes(name)
    yield (
        (ENDPOINTS, name),
        (port.baseline, copies),
        lambda: endpoints.shard(name, fallback, port.baseline, copies),
    )


def sharded(copies: Sequence[Copy], shards: int) -> tuple[tuple[Copy, ...], ...]:
    """The copies by shard, in their order."""
    found: list[list[Copy]] = [[] for _ in range(shards)]
    for copy in copies:
        found[shard_of(copy.lane, shards)].append(copy)
    return tuple(tuple(one) for one in found)


def _own_parts(intent: ChainIntent, node: Node) -> Iterator[Part]:
    services = intent.within(node.namespace)
    for service in services:
        for port in service.ports:
            yield from _listener_parts(intent, node, service, port)
    there = {port.listener for service in services for port in service.ports}
    if there and there.issuperset(node.listeners):
        key = (LISTENER, listeners.READY)
        yield key, (node.address, node.ready_port), lambda: listeners.ready(node.address, node.ready_port)


def _listener_parts(intent: ChainIntent, node: Node, service: Service, port: Port) -> Iterator[Part]:
    name = clusters.baseline_name(service.name, port.number)
    content = (service.domain, port.listener, port.protocol, intent.carriers, intent.shards, node.address)
    if port.protocol is Protocol.TCP:
        yield (LISTENER, name), content, lambda: listeners.tcp(service, port, node.address)
        return
    internal = clusters.fallback_name(service.name, port.number)
    yield (LISTENER, internal), (), lambda: listeners.fallback(service, port)
    yield (
        (LISTENER, name),
        content,
        lambda: listeners.http(service, port, intent.carriers, intent.shards, node.address),
    )

"""The discovery server: Envoys connect, and are told what they should have, whenever that changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Protocol

import grpc
import structlog
from envoy.service.discovery.v3 import ads_pb2_grpc

from provisioner.errors import ConfigError
from provisioner.routing.envoy import Compiler, Node, Resources
from provisioner.routing.envoy.clusters import shards_among
from provisioner.routing.router import metrics
from provisioner.routing.router.lag import Lag, Lags
from provisioner.routing.router.session import Session

log = structlog.get_logger()

_KEEPALIVE = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.so_reuseport", 0),  # a second router on the port is an error, not a silent share of the Envoys
)


class Told(Protocol):
    """What Envoys are told: `RoutingState`, or what is left of it when no router runs."""

    @property
    def generation(self) -> int:
        """Grows with whatever there is to tell."""

    def join(self, event: asyncio.Event, envoy: Node) -> None: ...

    def leave(self, event: asyncio.Event) -> None: ...

    def resources(self, node: Node, own: Compiler) -> Resources | None: ...

    def take(self, event: asyncio.Event, generation: int) -> None:
        """The Envoy that joined with the event has all of a generation."""


class Discovery(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):
    """Delta discovery only; an Envoy that asks for state of the world is told so by gRPC (UNIMPLEMENTED)."""

    def __init__(self, state: Told) -> None:
        self._state = state
        self._lags = Lags()

    async def DeltaAggregatedResources(
        self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        first = await anext(aiter(requests))
        # an Envoy asks for clusters first, and says which it has from a router before this one
        has = shards_among(first.initial_resource_versions)
        node = replace(await node_of(first, context), shards=has)
        session, wake = Session(), asyncio.Event()
        lag = self._lags.of(node)
        self._state.join(wake, node)
        metrics.STREAMS.labels(node.chain, node.namespace).inc()
        reading = asyncio.create_task(_read(session, first, requests, wake, node, lag))
        log.info("router.connected", chain=node.chain, namespace=node.namespace, address=node.address)
        try:
            async for response in self._answers(session, node, wake, reading):
                lag.begins()
                yield response
        finally:
            lag.ends()
            reading.cancel()
            self._state.leave(wake)
            metrics.STREAMS.labels(node.chain, node.namespace).dec()
            log.info("router.disconnected", chain=node.chain, namespace=node.namespace, address=node.address)

    async def _answers(
        self, session: Session, node: Node, wake: asyncio.Event, reading: asyncio.Task[None]
    ) -> AsyncIterator[Any]:
        own = Compiler()
        while not reading.done():
            await wake.wait()
            wake.clear()
            generation, resources = self._state.generation, self._state.resources(node, own)
            for response in session.responses(resources) if resources is not None else ():
                metrics.SENT.labels(response.type_url.rsplit(".", 1)[-1]).inc(len(response.resources))
                yield response
            if resources is None or session.has_endpoints(resources):  # who is told nothing lacks nothing
                self._state.take(wake, generation)


async def node_of(first: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Node:
    """Who is asking; the stream ends with INVALID_ARGUMENT when that is no router of ours."""
    try:
        return Node.from_metadata(dict(first.node.metadata))
    except (KeyError, ValueError) as error:
        await context.abort(
            grpc.StatusCode.INVALID_ARGUMENT, f"node metadata of no Laneway router: {error!r}"
        )
        raise


async def _read(
    session: Session, first: Any, requests: AsyncIterator[Any], wake: asyncio.Event, node: Node, lag: Lag
) -> None:
    """Takes in what Envoy says until it hangs up."""
    _receive(session, first, node)
    wake.set()
    try:
        async for request in requests:
            _receive(session, request, node)
            if session.settled:
                lag.ends()
            wake.set()
    finally:
        wake.set()


def _receive(session: Session, request: Any, node: Node) -> None:
    if rejection := session.receive(request):
        kind = rejection.type_url.rsplit(".", 1)[-1]
        metrics.REJECTED.labels(node.chain, node.namespace, kind).inc()
        log.error(
            "router.rejected",
            chain=node.chain,
            namespace=node.namespace,
            type=kind,
            message=rejection.message,
        )


def serve(state: Told, address: str) -> tuple[grpc.aio.Server, int]:
    """A server bound to `HOST:PORT`, not started yet, and its port. ConfigError when it cannot listen."""
    server = grpc.aio.server(options=_KEEPALIVE)
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(Discovery(state), server)
    try:
        return server, server.add_insecure_port(address)
    except RuntimeError as error:  # gRPC says no more than that
        raise ConfigError(
            "cannot listen: the address is in use, or not one of this machine's",
            where=f"LANEWAY_DISCOVERY_HOST, LANEWAY_DISCOVERY_PORT: {address}",
        ) from error

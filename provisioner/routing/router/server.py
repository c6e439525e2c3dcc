"""`laneway router`: watches, discovery, and what a cluster asks of a process (health, metrics)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from provisioner.chain import Chain
from provisioner.routing.router import discovery, feed, metrics
from provisioner.routing.router.state import RoutingState

log = structlog.get_logger()

STOP_SECONDS = 1.0  # Envoys connect again at once; nothing is gained by waiting longer


@dataclass(frozen=True)
class Addresses:
    """`HOST:PORT` of the discovery server, and of health and metrics (None: not served)."""

    discovery: str
    health: tuple[str, int] | None


async def run(source: feed.Source, chains: Sequence[Chain], addresses: Addresses) -> None:
    """Serves until SIGTERM or SIGINT."""
    state = RoutingState(chains)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop.set)
    async with asyncio.TaskGroup() as group:
        health = group.create_task(_serve_health(state, addresses.health)) if addresses.health else None
        await serve(source, chains, state, addresses.discovery, stop)
        if health:
            health.cancel()


async def serve(
    source: feed.Source, chains: Sequence[Chain], state: RoutingState, address: str, stop: asyncio.Event
) -> None:
    """Watches and answers Envoys until `stop` is set; raises what ended a watch that should have gone on."""
    loop = asyncio.get_running_loop()
    broken: asyncio.Future[None] = loop.create_future()

    def deliver(change: feed.Change) -> None:
        metrics.CHANGES.labels(change.query.kind).inc()
        loop.call_soon_threadsafe(state.apply, change)

    def failed(error: Exception) -> None:
        loop.call_soon_threadsafe(broken.set_exception, error)

    server, port = discovery.serve(state, address)
    await server.start()
    log.info("router.serving", port=port, chains=[chain.name for chain in chains])
    watches = feed.start(source, feed.queries(chains), feed.Sink(deliver, failed))
    stopping = asyncio.ensure_future(stop.wait())
    ends: set[asyncio.Future[Any]] = {stopping, broken}
    try:
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if broken in done:
            broken.result()
    finally:
        stopping.cancel()
        watches.set()
        await server.stop(STOP_SECONDS)


async def _serve_health(state: RoutingState, address: tuple[str, int]) -> None:
    config = uvicorn.Config(
        health(state), host=address[0], port=address[1], log_level="warning", lifespan="off"
    )
    await uvicorn.Server(config)._serve()


def health(state: RoutingState) -> Starlette:
    """`/livez`, `/readyz` (which says what is missing), `/metrics`."""

    async def alive(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> Response:
        if state.missing:
            return PlainTextResponse(f"not listed yet: {', '.join(state.missing)}\n", 503)
        return PlainTextResponse("ok\n")

    async def counted(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/livez", alive), Route("/readyz", ready), Route("/metrics", counted)])

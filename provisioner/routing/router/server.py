"""`laneway router`: watches, discovery, and what a cluster asks of a process (health, metrics)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import grpc
import structlog
import uvicorn
from envoy.service.auth.v3 import external_auth_pb2_grpc
from envoy.service.load_stats.v3 import lrs_pb2_grpc
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from provisioner import sleeping
from provisioner.chain import Chain
from provisioner.routing.router import discovery, feed, metrics
from provisioner.routing.router.activity import Activity, Notes, Pace
from provisioner.routing.router.holds import Holds, Limits
from provisioner.routing.router.reports import Reports
from provisioner.routing.router.state import RoutingState
from provisioner.routing.router.waker import Waker

log = structlog.get_logger()

STOP_SECONDS = 1.0  # Envoys connect again at once; nothing is gained by waiting longer


@dataclass(frozen=True)
class Addresses:
    """`HOST:PORT` of the discovery server, and of health and metrics (None: not served)."""

    discovery: str
    health: tuple[str, int] | None


@dataclass(frozen=True)
class Waking:
    """How lanes' use is seen and noted, and how requests for those that sleep are held."""

    notes: Notes
    limits: Limits
    report_seconds: float = 10.0
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


async def run(source: feed.Source, chains: Sequence[Chain], addresses: Addresses, waking: Waking) -> None:
    """Serves until SIGTERM or SIGINT."""
    state = RoutingState(chains)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop.set)
    async with asyncio.TaskGroup() as group:
        health = group.create_task(_serve_health(state, addresses.health)) if addresses.health else None
        await serve(source, chains, state, addresses.discovery, stop, waking)
        if health:
            health.cancel()


async def serve(
    source: feed.Source,
    chains: Sequence[Chain],
    state: RoutingState,
    address: str,
    stop: asyncio.Event,
    waking: Waking,
) -> None:
    """Watches and answers Envoys until `stop` is set; raises what ended a watch, or a task of the waker's,
    that should have gone on."""
    loop = asyncio.get_running_loop()
    broken: asyncio.Future[None] = loop.create_future()

    def deliver(change: feed.Change) -> None:
        metrics.CHANGES.labels(change.query.kind).inc()
        loop.call_soon_threadsafe(state.apply, change)

    def failed(error: Exception) -> None:
        loop.call_soon_threadsafe(broken.set_exception, error)

    server, port = discovery.serve(state, address)
    tasks = _add_waker(server, chains, state, waking)
    await server.start()
    log.info("router.serving", port=port, chains=[chain.name for chain in chains])
    watches = feed.start(source, feed.queries(chains), feed.Sink(deliver, failed))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await _first_of(stopping, broken, *tasks)
    finally:
        for task in (stopping, *tasks):
            task.cancel()
        watches.set()
        await server.stop(STOP_SECONDS)


def _add_waker(
    server: grpc.aio.Server, chains: Sequence[Chain], state: RoutingState, waking: Waking
) -> tuple[asyncio.Task[None], ...]:
    """Has the server also take reports and hold requests; the tasks that do the work of both."""
    pace = Pace({chain.name: sleeping.renewal(chain) for chain in chains})
    activity = Activity(state, waking.notes, pace, waking.clock)
    holds = Holds(state, activity, waking.limits)
    lrs_pb2_grpc.add_LoadReportingServiceServicer_to_server(Reports(activity, waking.report_seconds), server)
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(Waker(chains, holds), server)
    return asyncio.create_task(activity.run()), asyncio.create_task(holds.run())


async def _first_of(*ends: asyncio.Future[Any]) -> None:
    """Returns when the first one ends, or raises what it raised."""
    done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for one in done:
        one.result()


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

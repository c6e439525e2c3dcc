"""`laneway router`: watches, discovery, and what a cluster asks of a process (health, metrics)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
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

from provisioner.routing.router import discovery, feed
from provisioner.routing.router.activity import Activity, Notes
from provisioner.routing.router.holds import Holds, Limits
from provisioner.routing.router.keeping import Keeping, Shelf
from provisioner.routing.router.reports import Reports
from provisioner.routing.router.state import RoutingState
from provisioner.routing.router.waker import Waker
from provisioner.routing.router.watching import Files, Watching

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


async def run(source: feed.Source, files: Files, addresses: Addresses, waking: Waking, shelf: Shelf) -> None:
    """Serves until SIGTERM or SIGINT."""
    state = RoutingState(tuple(files.chains().values()), files.keys())
    watching = Watching(source, files, state)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop.set)
    serving = serve(watching, state, addresses.discovery, stop, waking, Keeping(state, shelf))
    tasks = [asyncio.create_task(serving)]
    if addresses.health:
        tasks.append(asyncio.create_task(_serve_health(state, watching, addresses.health)))
    try:
        await _first_of(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def serve(
    watching: Watching,
    state: RoutingState,
    address: str,
    stop: asyncio.Event,
    waking: Waking,
    keeping: Keeping | None = None,
) -> None:
    """Watches and answers Envoys until `stop` is set; raises what ended a watch, or a task of the waker's,
    that should have gone on."""
    server, port = discovery.serve(state, address)
    tasks = [*_add_waker(server, state, waking)]
    if keeping:
        tasks.append(asyncio.create_task(keeping.run()))
    await server.start()
    log.info("router.serving", port=port, chains=sorted(state.chains))
    ends = (asyncio.create_task(watching.run()), asyncio.ensure_future(stop.wait()), *tasks)
    try:
        await _first_of(*ends)
    finally:
        for task in ends:
            task.cancel()
        await server.stop(STOP_SECONDS)


def _add_waker(
    server: grpc.aio.Server, state: RoutingState, waking: Waking
) -> tuple[asyncio.Task[None], ...]:
    """Has the server also take reports and hold requests; the tasks that do the work of both."""
    activity = Activity(state, waking.notes, waking.clock)
    holds = Holds(state, activity, waking.limits)
    lrs_pb2_grpc.add_LoadReportingServiceServicer_to_server(Reports(activity, waking.report_seconds), server)
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(Waker(state, holds), server)
    return asyncio.create_task(activity.run()), asyncio.create_task(holds.run())


async def _first_of(*ends: asyncio.Future[Any]) -> None:
    """Returns when the first one ends, or raises what it raised."""
    done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for one in done:
        one.result()


async def _serve_health(state: RoutingState, watching: Watching, address: tuple[str, int]) -> None:
    config = uvicorn.Config(
        health(state, watching), host=address[0], port=address[1], log_level="warning", lifespan="off"
    )
    await uvicorn.Server(config)._serve()


def health(state: RoutingState, watching: Watching) -> Starlette:
    """`/livez`, `/readyz` (which says what is missing), `/metrics`."""

    async def alive(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> Response:
        """Ready although new chain files are wrong: what the old ones say is served, and an Envoy that
        starts has to find a router."""
        missing = [f"not listed yet: {', '.join(state.missing)}"] if state.missing else []
        told = [*missing, *filter(None, [watching.problem])] or ["ok"]
        return PlainTextResponse("\n".join(told) + "\n", 503 if missing else 200)

    async def counted(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/livez", alive), Route("/readyz", ready), Route("/metrics", counted)])

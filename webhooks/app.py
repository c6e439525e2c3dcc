"""The receiver: POST /hooks/{forge} verifies, parses, queues and answers 202. Nothing else happens here.

A delivery is answered 202 only when Redis has its job; when that fails or takes too long the answer is 503
with Retry-After, so that the forge shows it as failed and it can be sent again. GET /livez, /readyz (names
what is missing) and /metrics.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import anyio
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from provisioner.chain.book import ChainBook
from provisioner.errors import QueueError, TemporaryError
from provisioner.settings import Settings
from webhooks import body as bodies
from webhooks import metrics
from webhooks.delivery import Ignored, Parsed, Ping
from webhooks.dispatch import Receipt, Status, dispatch
from webhooks.errors import DeliveryError
from webhooks.forges import FORGES, Forge
from workers.queue import Queue

QUEUE_SECONDS = 2.5  # how long a forge waits for the queue before it is told to come back
QUEUE_THREADS = 32  # Redis flushes to disk once for all that arrived together
INLINE_BYTES = 128 * 1024  # a larger body is read in a thread, so that it does not hold up the others

log = structlog.get_logger()
T = TypeVar("T")


@dataclass(frozen=True)
class Receiver:
    """What the handlers need."""

    settings: Settings
    book: ChainBook
    queue: Queue
    threads: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(QUEUE_THREADS))


def build(receiver: Receiver) -> Starlette:
    """The application."""
    app = Starlette(
        routes=[
            Route("/hooks/{forge}", hook, methods=["POST"]),
            Route("/livez", livez),
            Route("/readyz", readyz),
            Route("/metrics", exposition),
        ],
    )
    app.state.receiver = receiver
    return app


async def hook(request: Request) -> Response:
    """One delivery, and its answer."""
    forge = FORGES.get(request.path_params["forge"])
    if forge is None:
        return _problem(404, "UnknownForge", f"no such forge; Laneway knows {', '.join(sorted(FORGES))}")
    try:
        receipt = await _receive(request, forge)
    except DeliveryError as error:
        _note(request, forge, error.reason, error=str(error))
        return _problem(error.status, error.reason, str(error))
    except TemporaryError as error:
        _note(request, forge, error.reason, error=str(error))
        return _problem(503, error.reason, str(error), {"Retry-After": str(int(error.retry_after or 5))})
    _note(request, forge, receipt.status.value, why=receipt.reason, chains=receipt.chains)
    return JSONResponse(receipt.to_json(), 202)


async def livez(_: Request) -> Response:
    """The process answers."""
    return PlainTextResponse("ok\n")


async def readyz(request: Request) -> Response:
    """200 while deliveries can be taken; else 503. Each dependency is named with what is wrong with it."""
    receiver: Receiver = request.app.state.receiver
    problems: dict[str, str] = {}
    try:
        await _in_thread(receiver, receiver.queue.reachable)
    except QueueError as error:
        problems["redis"] = str(error)
    if receiver.book.problem:
        problems["chains"] = f"{receiver.book.problem}; the last good files are in use"
    ready = "redis" not in problems
    return JSONResponse({"ready": ready, "problems": problems}, 200 if ready else 503)


async def exposition(request: Request) -> Response:
    """The metrics, in Prometheus' text format."""
    receiver: Receiver = request.app.state.receiver
    metrics.CHAIN_FILES_WRONG.set(1 if receiver.book.problem else 0)
    return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)


async def _receive(request: Request, forge: Forge) -> Receipt:
    receiver: Receiver = request.app.state.receiver
    body = await bodies.read(request, receiver.settings.max_body_bytes)
    secrets = forge.secrets(receiver.settings)
    headers: Mapping[str, str] = request.headers

    def parse() -> Parsed:
        return forge.parse(headers, body, secrets, datetime.now(UTC))

    large = len(body) > INLINE_BYTES
    parsed = await anyio.to_thread.run_sync(parse) if large else parse()
    return await _answer(receiver, parsed)


async def _answer(receiver: Receiver, parsed: Parsed) -> Receipt:
    match parsed:
        case Ping(delivery):
            return Receipt(delivery, Status.PONG)
        case Ignored(delivery, reason):
            return Receipt(delivery, Status.IGNORED, reason)
    chains = receiver.book.chains().values()
    with metrics.ENQUEUE_SECONDS.time():
        return await _in_thread(receiver, lambda: dispatch(parsed, chains, receiver.queue))


async def _in_thread(receiver: Receiver, call: Callable[[], T]) -> T:
    """Runs a call that waits for Redis. What it was about to do may still happen after it was given up; the
    forge's next try is then a duplicate."""
    try:
        async with asyncio.timeout(QUEUE_SECONDS):
            return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=receiver.threads)
    except TimeoutError as error:
        raise QueueError(
            f"the queue did not answer within {QUEUE_SECONDS} s", where="LANEWAY_REDIS_URL", retry_after=5
        ) from error


def _note(request: Request, forge: Forge, result: str, **fields: object) -> None:
    event = forge.event(request.headers)
    delivery = request.headers.get(forge.delivery_header, "")[:128]
    metrics.DELIVERIES.labels(forge.name, event, result).inc()
    said = {key: value for key, value in fields.items() if value}
    log.info("delivery", forge=forge.name, event_name=event, result=result, delivery=delivery, **said)


def _problem(status: int, reason: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": reason, "message": message}, status, headers)

"""The responder's two ports: HTTP, WebSocket's first request among it, and gRPC of any method."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import structlog
import uvicorn

from provisioner.errors import ConfigError
from provisioner.routing.responder import answer
from provisioner.routing.responder.answer import MISSING

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

HEALTH = "/healthz"
DRAIN_SECONDS = 5

log = structlog.get_logger()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """503 to everything that a lane's route leads here; 200 to probes, which none does."""
    missing = next(
        (value.decode("latin-1") for key, value in scope["headers"] if key == MISSING.encode()), ""
    )
    if not missing and scope["path"] == HEALTH:
        await _respond(send, 200, "ok\n", [])
        return
    said = answer.to(missing)
    await _respond(send, 503, said.text, [(said.header.encode(), said.served.encode())])


async def _respond(send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]]) -> None:
    body = text.encode()
    usual = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*usual, *headers]})
    await send({"type": "http.response.body", "body": body})


class _Web(uvicorn.Server):
    """A server that ends on a signal and leaves what comes after that to its caller."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        for one in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(one, self._end)
        yield

    def _end(self) -> None:
        self.should_exit = True


class _AnyMethod(grpc.GenericRpcHandler):
    """Answers each call of each method, unary or streaming, with UNAVAILABLE."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        said = answer.to(dict(handler_call_details.invocation_metadata).get(MISSING, ""))

        async def refuse(_: Any, context: grpc.aio.ServicerContext) -> None:
            await context.send_initial_metadata(((said.header, said.served),))
            await context.abort(grpc.StatusCode.UNAVAILABLE, said.text.rstrip())

        return grpc.stream_stream_rpc_method_handler(refuse)


async def run(host: str, http: int, rpc: int) -> None:
    """Serves until it is told to end. Raises ConfigError when a port cannot be had."""
    calls = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    calls.add_generic_rpc_handlers((_AnyMethod(),))
    try:
        calls.add_insecure_port(f"{host}:{rpc}")
    except RuntimeError as error:
        raise ConfigError(
            f"{host}:{rpc} cannot be had: {error}", where="LANEWAY_RESPONDER_GRPC_PORT"
        ) from error
    await calls.start()
    web = _Web(
        uvicorn.Config(
            application,
            host=host,
            port=http,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )
    log.info("responder.started", host=host, http=http, grpc=rpc)
    try:
        await web.serve()
    finally:
        await asyncio.shield(calls.stop(DRAIN_SECONDS))
        log.info("responder.stopped")

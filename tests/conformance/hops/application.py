"""One instance of a service: answers on each of its ports, having asked the next service of the chain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc

from tests.conformance.hops import wire
from tests.conformance.hops.calling import EACH, ONCE, Target, call, relay
from tests.conformance.hops.story import Headers, Hop, encode, passed_on


@dataclass(frozen=True)
class Instance:
    """`who` is a lane, or `baseline`; `ports` maps the names of its ports to numbers; `number` tells several
    copies of one from another."""

    service: str
    who: str
    address: str
    ports: Mapping[str, int]
    number: int = 0


@dataclass
class Roads:
    """Which service follows on which, and where each is reached, by service and name of port."""

    services: tuple[str, ...]
    targets: dict[tuple[str, str], Target] = field(default_factory=dict)

    def after(self, service: str, port: str) -> Target | None:
        place = self.services.index(service) + 1
        return self.targets[self.services[place], port] if place < len(self.services) else None


class Application:
    """Lives on the loop of its process. `begun` are the HTTP requests that it has had, `busy` those of them
    that it has not answered yet."""

    def __init__(self, instance: Instance, roads: Roads) -> None:
        self.instance, self._roads = instance, roads
        self._open: set[asyncio.StreamWriter] = set()
        self._servers: list[asyncio.Server] = []
        self._grpc: Any = None
        self.begun = self.busy = 0

    async def start(self) -> None:
        """Listens on all its ports: gRPC on the one that is called so, HTTP on the others."""
        here = self.instance
        for name, number in here.ports.items():
            if name == "grpc":
                await self._start_grpc(number)
            else:
                serve = self._serving(name)
                self._servers.append(await asyncio.start_server(serve, here.address, number, limit=1 << 20))

    async def _start_grpc(self, number: int) -> None:
        self._grpc = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        handlers = {
            ONCE.rpartition("/")[2]: grpc.unary_unary_rpc_method_handler(self._once),
            EACH.rpartition("/")[2]: grpc.unary_stream_rpc_method_handler(self._each),
        }
        service = ONCE.split("/")[1]
        self._grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        self._grpc.add_insecure_port(f"{self.instance.address}:{number}")
        await self._grpc.start()

    async def kill(self) -> None:
        """Ends as a killed process does: nobody listens, open connections are reset."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        for writer in self._open:
            writer.transport.abort()
        if self._grpc:
            await self._grpc.stop(None)

    def _hop(self, port: str, headers: Headers) -> Hop:
        passes = tuple(passed_on(headers))
        return Hop(self.instance.service, self.instance.who, port, passes=passes)

    async def _walk(self, protocol: str, port: str, headers: Headers) -> tuple[Hop, ...]:
        following = self._roads.after(self.instance.service, port)
        mine = self._hop(port, headers)
        rest = await call(protocol, following, mine.passes) if following else ()
        return (mine, *rest)

    def _serving(self, port: str) -> Any:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._open.add(writer)
            connection = wire.Connection(reader, writer)
            try:
                await self._answer_all(connection, port)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass  # the other side is done
            finally:
                self._open.discard(writer)
                await connection.close()

        return serve

    async def _answer_all(self, connection: wire.Connection, port: str) -> None:
        while True:
            request = await connection.read_body(await connection.read_head())
            if (request.get("upgrade") or "").lower() == "websocket":
                await self._converse(connection, request, port)
                return
            self.begun += 1
            self.busy += 1
            try:
                body = encode(await self._walk("http", port, request.headers))
                await connection.send("HTTP/1.1 200 OK", [("content-length", str(len(body)))], body)
            finally:
                self.busy -= 1

    async def _converse(self, connection: wire.Connection, request: wire.Message, port: str) -> None:
        await connection.send("HTTP/1.1 101 Switching Protocols", wire.accept(request))
        while await connection.read_text():
            hops = await self._walk("websocket", port, request.headers)
            await connection.send_text(encode(hops), masked=False)

    async def _once(self, _: bytes, context: Any) -> bytes:
        return encode(await self._walk("grpc", "grpc", list(context.invocation_metadata())))

    async def _each(self, _: bytes, context: Any) -> AsyncIterator[bytes]:
        mine = self._hop("grpc", list(context.invocation_metadata()))
        yield encode([mine])
        following = self._roads.after(self.instance.service, "grpc")
        if following:
            async for hop in relay(following, mine.passes):
                yield encode([hop])

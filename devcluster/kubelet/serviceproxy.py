"""The process that listens on Services' addresses and passes connections on to their endpoints.

What kube-proxy does with kernel rules, for machines where nobody is root. It reads what to serve from a
socket (its file descriptor is the only argument) and answers with events, one JSON object a line:

    {"op": "set", "address", "port", "backends": [[ip, port], ...], "sticky": seconds}
                                              -> {"event": "failed", "address", "port", "error"} or nothing
    {"op": "remove", "address", "port"}

Promises: a change of backends touches no established connection; a backend that cannot be connected to is
passed over for another before a byte is sent; without backends connections are refused; half-closed
connections stay half open; a reset on one side is a reset on the other. It ends when the socket closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import sys
import time
from typing import Any, cast

import uvloop

Backend = tuple[str, int]

CONNECT_LIMIT = 3.0  # seconds for one backend
BACKLOG = 4096
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER that turns a close into a reset


class Frontend:
    """One address and port of a Service."""

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.port = port
        self.backends: list[Backend] = []
        self.sticky = 0.0  # seconds that a client keeps its backend; 0 for round robin
        self._turn = 0
        self._kept: dict[str, tuple[Backend, float]] = {}
        self._server: asyncio.Server | None = None

    async def update(self, backends: list[Backend], sticky: float) -> None:
        """:raises OSError: it cannot listen"""
        self.backends, self.sticky = backends, sticky
        if backends and self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: Downstream(self), self.address, self.port, backlog=BACKLOG, reuse_address=True
            )
        elif not backends:
            self.close()

    def close(self) -> None:
        """Stop listening; established connections go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def candidates(self, client: str) -> list[Backend]:
        """All backends in the order in which to try them for this client."""
        backends = self.backends
        if not backends:
            return []
        self._turn = (self._turn + 1) % len(backends)
        order = backends[self._turn :] + backends[: self._turn]
        kept, until = self._kept.get(client, (None, 0.0))
        if self.sticky and kept in backends and time.monotonic() < until:
            order = [kept, *(b for b in order if b != kept)]
        return order

    def chosen(self, client: str, backend: Backend) -> None:
        if self.sticky:
            self._kept[client] = (backend, time.monotonic() + self.sticky)


class Side(asyncio.Protocol):
    """One end of a proxied connection: what it reads, the other end writes."""

    def __init__(self, other: Side | None = None) -> None:
        self.transport: asyncio.Transport | None = None
        self.other = other
        self.ended = False  # it has sent its last byte

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        other = self.other
        if other is not None and other.transport is not None and not other.transport.is_closing():
            if other.ended:
                other.transport.close()
                return False
            other.transport.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        other, self.other = self.other, None
        if other is None or other.transport is None:
            return
        if exc is None:
            other.transport.close()
        else:
            reset(other.transport)

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()


class Downstream(Side):
    """The client's end: what it sends before a backend is connected is kept for the backend."""

    def __init__(self, frontend: Frontend) -> None:
        super().__init__()
        self._frontend = frontend
        self._connecting: asyncio.Task[None] | None = None
        self._early = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._connecting is not None:
            self._connecting.cancel()

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
            return
        self._early += data
        if self.transport is not None:
            self.transport.pause_reading()

    async def _connect(self) -> None:
        if self.transport is None:
            return
        client = str((self.transport.get_extra_info("peername") or [""])[0])
        loop = asyncio.get_running_loop()
        for backend in self._frontend.candidates(client):
            try:
                async with asyncio.timeout(CONNECT_LIMIT):
                    _, upstream = await loop.create_connection(lambda: Side(self), *backend)
            except (OSError, TimeoutError):
                continue
            if self._join(upstream):
                self._frontend.chosen(client, backend)
            return
        if self.transport is not None:
            reset(self.transport)

    def _join(self, upstream: Side) -> bool:
        if self.transport is None:  # the client went away meanwhile
            if upstream.transport is not None:
                upstream.transport.close()
            return False
        if upstream.transport is None:  # the backend accepted and hung up at once; so did we, then
            return False
        self.other = upstream
        upstream.transport.write(bytes(self._early))
        self._early.clear()
        self.transport.resume_reading()
        if self.ended:
            upstream.transport.write_eof()
        return True


def reset(transport: asyncio.Transport) -> None:
    if (sock := transport.get_extra_info("socket")) is not None:
        with contextlib.suppress(OSError):  # it is closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


async def serve(control: socket.socket) -> None:
    """Do what the control socket says until it closes."""
    reader, writer = await asyncio.open_unix_connection(sock=control, limit=1 << 24)
    frontends: dict[Backend, Frontend] = {}
    async for line in reader:
        request: dict[str, Any] = json.loads(line)
        key = (request["address"], request["port"])
        if request["op"] == "remove":
            if (frontend := frontends.pop(key, None)) is not None:
                frontend.close()
            continue
        frontend = frontends.setdefault(key, Frontend(*key))
        try:
            await frontend.update([(ip, port) for ip, port in request["backends"]], request["sticky"])
        except OSError as error:
            del frontends[key]
            said = {
                "event": "failed",
                "address": key[0],
                "port": key[1],
                "error": error.strerror or str(error),
            }
            writer.write(json.dumps(said).encode() + b"\n")


def main() -> None:
    uvloop.run(serve(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()

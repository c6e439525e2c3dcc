"""Bytes on both sides of the router: an application written by hand, and a client of plain bytes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from provisioner.routing.envoy.node import FIRST_LISTENER
from tests.support.routing import LoopThread, address

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
END = b"\r\n\r\n"
TCP_LISTENER = FIRST_LISTENER + 1  # of the service `database`


class Wire:
    """An application at an address of its own: every connection is one `talk`; `heads` are what came first on
    each."""

    def __init__(self, thread: LoopThread, talk: Talk, port: int = 8080) -> None:
        self._thread, self._talk = thread, talk
        self.address = address()
        self.heads: list[bytes] = []
        self.errors: list[BaseException] = []
        self._server = thread.run(asyncio.start_server(self._serve, self.address, port, limit=1 << 22))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.errors.append(error)
        finally:
            writer.close()

    async def _end(self) -> None:
        self._server.close()

    def close(self) -> None:
        self._thread.run(self._end())


def answering(wire: Callable[[], Wire], answer: bytes) -> Talk:
    """Takes one request head after the other, notes it, and gives each the same answer."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            wire().heads.append(await reader.readuntil(END))
            writer.write(answer)
            await writer.drain()

    return talk


@contextmanager
def client(host: str, port: int = FIRST_LISTENER) -> Iterator[socket.socket]:
    with socket.create_connection((host, port), 20) as connection:
        yield connection


def until(connection: socket.socket, end: bytes = END) -> bytes:
    """What comes up to and with `end`; less when the other side ended before."""
    found = b""
    while not found.endswith(end) and (more := connection.recv(1)):
        found += more
    return found


def exactly(connection: socket.socket, count: int) -> bytes:
    """The next `count` bytes; fewer when the other side ended before."""
    found = bytearray()
    while len(found) < count and (more := connection.recv(count - len(found))):
        found += more
    return bytes(found)


def rest(connection: socket.socket) -> bytes:
    """Everything until the other side ends."""
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def fields(head: bytes) -> list[tuple[str, str]]:
    """The header fields of a head, in order and as written."""
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]

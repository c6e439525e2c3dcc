"""Bytes on both sides of the router: an application written by hand, and a client of plain bytes."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from provisioner.routing.envoy.node import FIRST_LISTENER
from tests.support.loops import LoopThread, Talk
from tests.support.routing import address, endpoint_slice, lane
from tests.support.waiting import SECONDS

END = b"\r\n\r\n"
TCP_LISTENER = FIRST_LISTENER + 1  # of the service `database`


class Wire:
    """An application at an address of its own: every connection is one `talk`; `heads` are what came first on
    each, if the talk notes it."""

    def __init__(self, thread: LoopThread, talk: Talk, port: int = 8080) -> None:
        self._thread, self._talk = thread, talk
        self.address = address()
        self.heads: list[bytes] = []
        self.errors: list[BaseException] = []
        self.connections = 0  # so far
        self._server = thread.listen(self._serve, self.address, port, limit=1 << 22, backlog=4096)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.errors.append(error)
        finally:
            writer.close()

    def close(self) -> None:
        """Nobody listens, and no connection is left."""
        self._thread.run(self._server.close())


def answering(wire: Callable[[], Wire], answer: bytes) -> Talk:
    """Takes one request head after the other, notes it, and gives each the same answer."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            wire().heads.append(await reader.readuntil(END))
            writer.write(answer)
            await writer.drain()

    return talk


@contextmanager
def client(host: str, port: int = FIRST_LISTENER, seconds: float = SECONDS) -> Iterator[socket.socket]:
    """A connection; nothing on it may take longer than that many seconds."""
    with socket.create_connection((host, port), seconds) as connection:
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


def is_over(connection: socket.socket) -> bool:
    """Whether the other side ends without another byte; by a reset where it had yet to read some."""
    try:
        return rest(connection) == b""
    except ConnectionResetError:
        return True


def fields(head: bytes) -> list[tuple[str, str]]:
    """The header fields of a head, in order and as written."""
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]


def silence(seconds: float) -> None:
    """A time in which nobody says anything: what a test is about, not what it waits for."""
    threading.Event().wait(seconds)


@contextmanager
def applications(
    world: Any, talk: Talk, names: tuple[str, ...] = ("baseline", "pr-4")
) -> Iterator[list[Wire]]:
    """Applications behind payment that talk so: the baseline's and copies in lanes, in the order of names."""
    wires = [Wire(world.thread, talk) for _ in names]
    for name, wire in zip(names, wires, strict=True):
        own = "" if name == "baseline" else name
        world.store.put(*([lane(own)] if own else []), endpoint_slice("payment", [wire.address], own))
    try:
        yield wires
    finally:
        for wire in wires:
            wire.close()


@contextmanager
def through(world: Any, talk: Talk) -> Iterator[list[Wire]]:
    """Starts a router in front of an application that talks so, and of its copy in pr-4; gives both."""
    with applications(world, talk) as wires:
        world.start()
        yield wires

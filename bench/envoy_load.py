"""Load for one HTTP/1.1 address, from a process of its own, so that it shares no interpreter with the router.

The client is as lean as Python allows: it sends prepared bytes and counts bytes, since every answer of the
measured addresses has the same length. With a `depth` above 1 it sends that many requests at once on a
connection, which leaves the processor to Envoy.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import uvloop


@dataclass(frozen=True)
class Target:
    """What is asked: an address, the lane (empty: none), and further header lines (each with its end)."""

    host: str
    port: int
    lane: str = ""
    headers: str = ""

    @property
    def request(self) -> bytes:
        tag = f"x-preview-lane: {self.lane}\r\n" if self.lane else ""
        return f"GET / HTTP/1.1\r\nhost: payment\r\n{tag}{self.headers}\r\n".encode()


@dataclass(frozen=True)
class Load:
    """For how long (seconds), on how many connections, how many requests at once on each, and how long each
    connection rests (seconds) between batches."""

    seconds: float
    connections: int = 1
    depth: int = 1
    rest: float = 0.0


@dataclass
class Measured:
    """Answers, the seconds they took together, and how long each batch waited, sorted."""

    answers: int = 0
    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.answers / self.seconds

    def quantile(self, share: float) -> float:
        return self.waits[min(len(self.waits) - 1, int(share * len(self.waits)))]


class _Connection(asyncio.Protocol):
    """Sends a batch whenever the one before is answered."""

    def __init__(self, target: Target, size: int, measured: Measured, load: Load) -> None:
        self._batch, self._size = target.request * load.depth, size * load.depth
        self._measured, self._load = measured, load
        self._until = time.perf_counter() + load.seconds
        self._missing = 0
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its type
        self._send()

    def data_received(self, data: bytes) -> None:
        self._missing -= len(data)
        if self._missing:
            assert self._missing > 0, "an answer of another length: an error"
            return
        now = time.perf_counter()
        self._measured.waits.append(now - self._sent)
        self._measured.answers += self._load.depth
        if now < self._until:
            self._again()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc or self._missing:
            self.closed.set_exception(exc or ConnectionError("closed before the answer came"))
        else:
            self.closed.set_result(None)

    def _again(self) -> None:
        if self._load.rest:
            asyncio.get_running_loop().call_later(self._load.rest, self._send)
        else:
            self._send()

    def _send(self) -> None:
        self._missing = self._size
        self._sent = time.perf_counter()
        self._transport.write(self._batch)


def measure(target: Target, load: Load) -> Measured:
    """Asks as `load` says; a wait is that of a whole batch."""
    return uvloop.run(_measure(target, load))


async def _measure(target: Target, load: Load) -> Measured:
    size = len(await _once(target))
    measured, start = Measured(), time.perf_counter()
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(
            partial(_Connection, target, size, measured, load), target.host, target.port
        )
        for _ in range(load.connections)
    ]
    await asyncio.gather(*(protocol.closed for _, protocol in opened))
    measured.seconds = time.perf_counter() - start
    measured.waits.sort()
    return measured


async def _once(target: Target) -> bytes:
    """One answer, whole; its length is that of all."""
    reader, writer = await asyncio.open_connection(target.host, target.port)
    try:
        writer.write(target.request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        return head + await reader.readexactly(_length(head))
    finally:
        writer.close()


def first_answer(target: Target, wanted: bytes, seconds: float) -> float:
    """Asks every millisecond until the answer's head holds `wanted`; when it came, by the monotonic clock,
    which all processes of a machine share."""
    return uvloop.run(_first_answer(target, wanted, seconds))


async def _first_answer(target: Target, wanted: bytes, seconds: float) -> float:
    reader, writer = await asyncio.open_connection(target.host, target.port)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        writer.write(target.request)
        head = await reader.readuntil(b"\r\n\r\n")
        now = time.monotonic()
        await reader.readexactly(_length(head))
        if wanted in head:
            writer.close()
            return now
        await asyncio.sleep(0.001)
    raise TimeoutError(f"{wanted!r} did not come within {seconds} s: {head!r}")


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])

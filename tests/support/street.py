"""A chain of services that call each other through the router, each in a version: web -> orders -> payment ->
logistics. Each passes on what carries a lane, and answers with the versions that a request has met."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from provisioner.routing.envoy.node import FIRST_LISTENER
from tests.support.loops import LoopThread
from tests.support.many import Reply, ask
from tests.support.routing import address
from tests.support.wire import END

SERVICES = ("web", "orders", "payment", "logistics")
CARRIED = ("x-preview-lane", "baggage")
PORT = 8080
CLIENTS = 4

Where = tuple[str, int]


class House:
    """A pod of a service in a version. `onward` is where it calls the next service, None for the last."""

    def __init__(self, thread: LoopThread, service: str, version: str, onward: Where | None) -> None:
        self.service, self.version = service, version
        self._thread, self._onward, self._carried = thread, onward, CARRIED
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self._calls: set[asyncio.StreamWriter] = set()
        self.address = address()
        self._server = thread.listen(self._talk, self.address, PORT, backlog=1024)

    def kill(self) -> None:
        """Ends as a killed process does; nothing happens when it has."""
        self._thread.run(self._end())

    async def _end(self) -> None:
        await self._server.close()
        while self._calls:
            writer = self._calls.pop()
            writer.transport.abort()
            await asyncio.wait({asyncio.ensure_future(writer.wait_closed())})

    def lead(self, onward: Where | None, carried: tuple[str, ...] = CARRIED) -> None:
        """From now on it calls the next service there, and passes these headers on."""
        self._onward, self._carried = onward, carried

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                status, body = await self._answer(_fields(await reader.readuntil(END)))
                head = f"HTTP/1.1 {status} Said\r\ncontent-length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side is done
        finally:
            writer.close()

    async def _answer(self, headers: Mapping[str, str]) -> tuple[int, bytes]:
        met = [f"{self.service}={self.version}"]
        if self._onward is not None:
            status, body = await self._ask(self._onward, headers)
            if status != 200:
                return status, body
            met += json.loads(body)["met"]
        return 200, json.dumps({"name": self.version, "met": met}).encode()

    async def _ask(self, onward: Where, headers: Mapping[str, str]) -> tuple[int, bytes]:
        carried = "".join(f"{name}: {headers[name]}\r\n" for name in self._carried if name in headers)
        reader, writer = self._idle.popleft() if self._idle else await asyncio.open_connection(*onward)
        self._calls.add(writer)
        writer.write(f"GET / HTTP/1.1\r\nhost: next\r\n{carried}\r\n".encode())
        head = await reader.readuntil(END)
        body = await reader.readexactly(int(_fields(head)["content-length"]))
        self._idle.append((reader, writer))
        return int(head.split(b" ", 2)[1]), body


def _fields(head: bytes) -> dict[str, str]:
    lines = (line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:-2])
    return {name.lower(): value for name, _, value in lines}


@dataclass(frozen=True)
class Passage:
    """What became of a request: the version of each service that it met, or an error."""

    status: int
    met: Mapping[str, str]

    @property
    def versions(self) -> frozenset[str]:
        """Of the services that are released."""
        return frozenset(version for service, version in self.met.items() if service != "web")

    @property
    def mixed(self) -> bool:
        return len(self.versions) > 1


def passages(host: str, count: int, headers: Mapping[str, str] | None = None) -> list[Passage]:
    """So many requests at once from several clients, each by the first service's listener."""
    share = -(-count // CLIENTS)

    def go(_: int) -> list[Passage]:
        return [_passage(one) for one in ask(host, [headers or {}] * share)]

    with ThreadPoolExecutor(CLIENTS) as pool:
        return [one for some in pool.map(go, range(CLIENTS)) for one in some]


def _passage(reply: Reply) -> Passage:
    met = json.loads(reply.body)["met"] if reply.status == 200 else ()
    return Passage(reply.status, dict(one.split("=") for one in met))


def listener(service: str) -> int:
    return FIRST_LISTENER + SERVICES.index(service)


def following() -> Iterator[tuple[str, str | None]]:
    """Each service with the one that it calls."""
    return zip(SERVICES, (*SERVICES[1:], None), strict=True)


def kill(houses: Iterable[House]) -> None:
    for one in houses:
        one.kill()

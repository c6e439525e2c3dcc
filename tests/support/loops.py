"""Event loops in threads of their own, and servers of plain bytes in them. Nothing outlives either: when a
server has closed every connection of it is over, when a loop has closed so is everything that ran in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class _Connection(asyncio.StreamReaderProtocol):
    """Is among `them` from before it is made until its socket is about to be closed."""

    def __init__(self, talk: Talk, limit: int, them: set[_Connection]) -> None:
        super().__init__(asyncio.StreamReader(limit), talk)
        self._held: asyncio.Transport | None = None
        self._them = them
        them.add(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._held = transport
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._them.discard(self)

    def abort(self) -> None:
        if self._held is not None:
            self._held.abort()


class Server:
    """Takes connections at an address, each of which is one talk."""

    def __init__(self, listening: asyncio.Server, open_: set[_Connection]) -> None:
        self._listening, self._open = listening, open_

    async def close(self) -> None:
        """Ends as a killed process does: nobody listens, open connections are reset. Returns when they are
        over; nothing happens when it has closed."""
        loop = asyncio.get_running_loop()
        for one in self._listening.sockets:
            loop.remove_reader(one.fileno())
        await asyncio.sleep(0)  # a server that closes forgets what it has accepted in this turn of the loop
        self._listening.close()
        while self._open:
            for connection in self._open:
                connection.abort()
            await asyncio.sleep(0)


async def _listen(talk: Talk, host: str, port: int, limit: int, backlog: int) -> Server:
    connections: set[_Connection] = set()
    listening = await asyncio.get_running_loop().create_server(
        lambda: _Connection(talk, limit, connections), host, port, backlog=backlog
    )
    return Server(listening, connections)


async def _ended() -> None:
    """Returns when all other tasks of the loop have ended: those that a server leaves say goodbye first."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        _, left = await asyncio.wait(tasks, timeout=50)
        assert not left, f"do not end: {left}"


class LoopThread:
    """An event loop in a thread of its own, and the servers in it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._servers: list[Server] = []
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def listen(self, talk: Talk, host: str, port: int, *, limit: int = 1 << 16, backlog: int = 100) -> Server:
        """A server that ends with the loop at the latest. `limit` is of what a reader takes at once."""
        server: Server = self.run(_listen(talk, host, port, limit, backlog))
        self._servers.append(server)
        return server

    def close(self) -> None:
        for server in self._servers:
            self.run(server.close())
        self.run(_ended())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(60)
        self.loop.close()

"""A version of an application that fails, or is slow, as often as the test says."""

from __future__ import annotations

import asyncio

from tests.support.loops import LoopThread
from tests.support.routing import Upstream


class Ill(Upstream):
    """Answers 500 to this part of its requests, evenly spread, and each only after so many seconds."""

    def __init__(self, thread: LoopThread, name: str, *, failing: float = 0.0, seconds: float = 0.0) -> None:
        self.failing, self.seconds = failing, seconds
        self._owed = 0.0
        super().__init__(thread, name)

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._owed += self.failing
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if self._owed < 0.999:
            await super()._answer(head, reader, writer)
            return
        self._owed -= 1
        writer.write(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 3\r\n\r\nill")
        await writer.drain()

"""HTTP/1.1 and WebSocket by hand, so that each header is sent and seen exactly as it is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from dataclasses import dataclass

from tests.conformance.hops.story import Headers

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
TEXT = 0x81  # a final frame of text
_LIMIT = 1 << 20


@dataclass(frozen=True)
class Message:
    """A request or a response; `first` is its first line."""

    first: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def status(self) -> str:
        return self.first.split(" ")[1]


@dataclass
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read_head(self) -> Message:
        """IncompleteReadError when the other side ends the connection instead."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        pairs = (line.partition(":") for line in lines)
        return Message(first, tuple((key, value.strip()) for key, _, value in pairs))

    async def read_body(self, head: Message) -> Message:
        if (head.get("transfer-encoding") or "").lower() == "chunked":
            return Message(head.first, head.headers, await self._chunks())
        length = int(head.get("content-length") or 0)
        return Message(head.first, head.headers, await self.reader.readexactly(length))

    async def _chunks(self) -> bytes:
        found = b""
        while size := int((await self.reader.readline()).split(b";")[0], 16):
            found += await self.reader.readexactly(size)
            await self.reader.readline()
        return found

    async def send(self, first: str, headers: Headers, body: bytes = b"") -> None:
        lines = [first, *(f"{key}: {value}" for key, value in headers)]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)
        await self.writer.drain()

    async def send_text(self, text: bytes, *, masked: bool) -> None:
        """One WebSocket frame; a client's are masked."""
        size = len(text)
        length = bytes([size]) if size < 126 else bytes([126]) + size.to_bytes(2, "big")
        mask = os.urandom(4) if masked else b""
        flagged = bytes([length[0] | (0x80 if masked else 0)]) + length[1:]
        self.writer.write(bytes([TEXT]) + flagged + mask + _masked(text, mask))
        await self.writer.drain()

    async def read_text(self) -> bytes:
        _, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
        mask = await self.reader.readexactly(4) if second & 0x80 else b""
        return _masked(await self.reader.readexactly(size), mask)

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass  # it is closed


def _masked(text: bytes, mask: bytes) -> bytes:
    return bytes(byte ^ mask[place % 4] for place, byte in enumerate(text)) if mask else text


async def connect(host: str, port: int) -> Connection:
    return Connection(*await asyncio.open_connection(host, port, limit=_LIMIT))


def upgrade() -> list[tuple[str, str]]:
    """The headers of a client that wants to speak WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    return [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", key),
    ]


def accept(request: Message) -> list[tuple[str, str]]:
    """The headers of a server's agreement."""
    digest = hashlib.sha1(((request.get("sec-websocket-key") or "") + GUID).encode()).digest()
    return [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-accept", base64.b64encode(digest).decode()),
    ]

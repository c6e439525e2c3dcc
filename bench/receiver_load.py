"""Sends signed deliveries at a fixed rate, whatever the answers take, and prints what happened as JSON.

`python -m bench.receiver_load PORT RATE SECONDS SECRET`. A process of its own, so that it does not share the
interpreter with what it measures. A latency counts from the moment at which the delivery was due, so waiting
for a free connection is part of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys
import uuid
from pathlib import Path
from typing import cast

import uvloop

CONNECTIONS = 64
PAYLOAD = Path(__file__).parents[1] / "tests" / "data" / "github" / "pull_request.json"
PADDING = "A pull request's description, and all the addresses that a forge adds. " * 300  # 24 kB in all

Sample = tuple[float, int]  # seconds from when it was due, and the status


async def send(port: int, rate: float, seconds: float, secret: str) -> list[Sample]:
    """One sample for each delivery; status 0 when the connection broke."""
    body = json.dumps(json.loads(PAYLOAD.read_text()) | {"padding": PADDING}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST /hooks/github HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-GitHub-Event: pull_request\r\n"
        f"X-Hub-Signature-256: sha256={signature}\r\nX-GitHub-Delivery: "
    ).encode()
    loop = asyncio.get_running_loop()
    idle: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
        idle.put_nowait(connection)
    samples: list[Sample] = []
    start, running = loop.time() + 0.2, []
    for number in range(int(rate * seconds)):
        due = start + number / rate
        await asyncio.sleep(max(0.0, due - loop.time()))
        request = head + uuid.uuid4().hex.encode() + b"\r\n\r\n" + body
        running.append(asyncio.create_task(_one(idle, request, due, samples)))
    await asyncio.gather(*running)
    return samples


async def _one(idle: asyncio.Queue[Connection], request: bytes, due: float, samples: list[Sample]) -> None:
    connection = await idle.get()
    status = await connection.ask(request)
    samples.append((asyncio.get_running_loop().time() - due, status))
    if status:
        idle.put_nowait(connection)


class Connection(asyncio.Protocol):
    """One keep-alive connection: one request at a time, its status as the answer."""

    def __init__(self) -> None:
        self._data = b""
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is one by shape only

    def ask(self, request: bytes) -> asyncio.Future[int]:
        assert self._transport is not None
        self._data, self._answer = b"", asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if end and len(rest) >= _length(head):
            self._settle(int(head.split(b" ", 2)[1]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle(0)

    def _settle(self, status: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


def main() -> None:
    port, rate, seconds, secret = sys.argv[1:]
    samples = uvloop.run(send(int(port), float(rate), float(seconds), secret))
    json.dump(samples, sys.stdout)


if __name__ == "__main__":
    main()

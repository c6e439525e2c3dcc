"""Load within a cluster, from one pod to others: this file alone runs there, by the standard library.

`serve PORT` answers each request at once with the same bytes. `latency ROUNDS ADDRESS...` asks the addresses
in turn, one request at a time, each on a connection that stays open, and prints what each waited, as JSON.
`watch ADDRESS...` asks without end, each request on a connection of its own, until its standard input ends,
and prints how many were answered, and every other outcome with its count. An address is HOST:PORT, or
HOST:PORT@LANE.
"""

from __future__ import annotations

import asyncio
import json
import random
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"
END = b"\r\n\r\nok"
PATIENCE = 30.0  # seconds that an answer may take
WARMING = 50  # rounds that do not count


class Answering(asyncio.Protocol):
    """One answer for each request; requests have no body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\r\n\r\n")
        self._transport.write(ANSWER * len(whole))


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "0.0.0.0", port)
    await server.serve_forever()


class Connection:
    """A connection to an address, and the one request that is sent on it."""

    def __init__(self, address: str) -> None:
        place, _, lane = address.partition("@")
        host, _, port = place.rpartition(":")
        tag = f"x-preview-lane: {lane}\r\n" if lane else ""
        self._request = f"GET / HTTP/1.1\r\nhost: {host}\r\n{tag}\r\n".encode()
        self._socket = socket.create_connection((host, int(port)), timeout=PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self) -> str:
        """`ok`, or the answer's first line."""
        self._socket.sendall(self._request)
        got = b""
        while not got.endswith(END):
            more = self._socket.recv(65536)
            if not more:
                return f"cut after {len(got)} bytes"
            got += more
            if b"\r\n\r\n" in got and not got.startswith(b"HTTP/1.1 200"):
                break
        return "ok" if got.startswith(b"HTTP/1.1 200") else got.split(b"\r\n", 1)[0].decode()

    def close(self) -> None:
        self._socket.close()


def latency(rounds: int, addresses: Sequence[str]) -> dict[str, list[float]]:
    """The seconds that each request waited, by address, in no order that favours one."""
    opened = {address: Connection(address) for address in addresses}
    waits: dict[str, list[float]] = {address: [] for address in addresses}
    order = list(addresses)
    for number in range(rounds + WARMING):
        random.shuffle(order)
        for address in order:
            began = time.perf_counter()
            said = opened[address].ask()
            waited = time.perf_counter() - began
            assert said == "ok", f"{address}: {said}"
            if number >= WARMING:
                waits[address].append(waited)
    return waits


def watch(addresses: Sequence[str]) -> Counter[str]:
    """What came of requests until the standard input ends."""
    seen: Counter[str] = Counter()
    while not select.select([sys.stdin], [], [], 0)[0]:
        for address in addresses:
            seen[_once(address)] += 1
    return seen


def _once(address: str) -> str:
    try:
        connection = Connection(address)
    except OSError as error:
        return f"{address}: not connected: {error}"
    try:
        said = connection.ask()
        return said if said == "ok" else f"{address}: {said}"
    except OSError as error:
        return f"{address}: {type(error).__name__}: {error}"
    finally:
        connection.close()


def main(verb: str, *arguments: str) -> None:
    if verb == "serve":
        asyncio.run(serve(int(arguments[0])))
    elif verb == "latency":
        print(json.dumps(latency(int(arguments[0]), arguments[1:])))
    else:
        print(json.dumps(watch(arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])

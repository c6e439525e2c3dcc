"""What the tests' own servers promise: nothing of them is left for the garbage collector to find."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from tests.support.loops import LoopThread
from tests.support.routing import address

MORE_THAN_A_SOCKET_TAKES = b"x" * 50_000_000


async def generous(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says more than anybody hears to whoever ends its half."""
    try:
        await reader.read()
        writer.write(MORE_THAN_A_SOCKET_TAKES)
    finally:
        writer.close()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_loop_that_closes_leaves_no_connection_however_far_it_has_come() -> None:
    before = open_files()
    for _ in range(20):
        thread, host = LoopThread(), address()
        thread.listen(generous, host, 8080)
        clients = [socket.create_connection((host, 8080)) for _ in range(10)]
        for client in clients[::2]:
            client.shutdown(socket.SHUT_WR)
        thread.close()
        for client in clients:
            client.close()
    assert open_files() == before


def test_a_server_that_closes_has_reset_its_connections() -> None:
    thread, host = LoopThread(), address()
    server = thread.listen(generous, host, 8080)
    with socket.create_connection((host, 8080), 20) as client:
        thread.run(server.close())
        assert client.recv(1) == b""
    thread.close()

"""A port that is not HTTP: every byte, every silence and every end passes as it came."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import threading

import pytest

from tests.support.routing import endpoint_slice, wait_until
from tests.support.wire import TCP_LISTENER, Wire, client, exactly, rest, silence

MEGABYTE = 1 << 20


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def to_database(world):
    return client(world.envoy.address, TCP_LISTENER)


def test_a_server_that_speaks_first_is_heard_at_once(world, database):
    async def greeting(reader, writer):
        writer.write(b"hello")
        writer.write(await reader.readexactly(5))

    database(greeting)
    with to_database(world) as connection:
        assert exactly(connection, 5) == b"hello"
        connection.sendall(b"there")
        assert rest(connection) == b"there"


def test_a_client_that_has_said_all_still_hears_the_answer(world, database):
    async def summing(reader, writer):
        writer.write(b"%d" % sum(map(int, (await reader.read()).split())))

    database(summing)
    with to_database(world) as connection:
        connection.sendall(b"1 2 3")
        connection.shutdown(socket.SHUT_WR)
        assert rest(connection) == b"6"


def test_a_server_that_has_said_all_still_hears_the_client(world, database):
    heard = []

    async def closing_first(reader, writer):
        writer.write(b"bye")
        writer.write_eof()
        heard.append(await reader.read())

    database(closing_first)
    with to_database(world) as connection:
        assert rest(connection) == b"bye"
        connection.sendall(b"one thing more")
        connection.shutdown(socket.SHUT_WR)
        wait_until(lambda: heard, what="the server's hearing")
    assert heard == [b"one thing more"]


ANYTHING = {
    "binary": bytes(range(256)),
    "http": b"GET / HTTP/1.1\r\nx-preview-lane: pr-4\r\n\r\n",
    "tls": b"\x16\x03\x01",
}


@pytest.mark.parametrize("bytes_", ANYTHING.values(), ids=ANYTHING)
def test_bytes_are_not_looked_at(world, database, bytes_):
    database(echo)
    with to_database(world) as connection:
        connection.sendall(bytes_)
        assert exactly(connection, len(bytes_)) == bytes_


def test_a_hundred_megabytes_pass_both_ways_unchanged(world, database):
    database(echo)
    block = hashlib.shake_256(b"laneway").digest(MEGABYTE)
    with to_database(world) as connection:
        sending = threading.Thread(target=lambda: [connection.sendall(block) for _ in range(100)])
        sending.start()
        for _ in range(100):
            assert exactly(connection, MEGABYTE) == block
        sending.join(60)


def test_a_connection_outlives_its_pods_place_among_the_endpoints(world, database):
    old = database(echo)
    new = Wire(world.thread, echo, 5432)
    with to_database(world) as connection:
        connection.sendall(b"a")
        assert exactly(connection, 1) == b"a"
        world.store.put(endpoint_slice("database", [new.address], port=5432, name=""))
        known = "/clusters?filter=database"
        wait_until(lambda: new.address in world.envoy.admin(known), what="the new pod")
        wait_until(lambda: old.address not in world.envoy.admin(known), what="the old pod's end")
        connection.sendall(b"b")
        assert exactly(connection, 1) == b"b"
    new.close()


def test_an_application_that_hangs_up_hangs_up_on_the_client(world, database):
    async def silent(reader, writer):
        await reader.readexactly(1)

    database(silent)
    with to_database(world) as connection:
        connection.sendall(b"x")
        assert rest(connection) == b""


def test_a_client_that_hangs_up_is_gone_for_the_application(world, database):
    ended = asyncio.Event()

    async def listening(reader, writer):
        assert await reader.read() == b""
        ended.set()

    database(listening)
    with to_database(world):
        pass
    wait_until(ended.is_set, what="the application's knowledge")


def test_a_client_that_rests_gets_all_that_was_sent_before_the_end(world, database):
    size = 8 * MEGABYTE

    async def leaving(reader, writer):
        writer.write(bytes(size))
        await writer.drain()

    database(leaving)
    with to_database(world) as connection:
        silence(2)
        assert len(rest(connection)) == size

"""Many at once, and much of it: no limit of Envoy's, and no buffer that grows with what passes."""

from __future__ import annotations

import asyncio
import re
import resource
import threading
from pathlib import Path

import pytest

from provisioner.routing.envoy.node import FIRST_LISTENER
from provisioner.routing.router import launch
from tests.support.routing import wait_until
from tests.support.wire import END, client, exactly, fields, through, until

MANY = 5_000
MEGABYTE, GIGABYTE = 1 << 20, 1 << 30
SECONDS = 120
LARGE = 256 * MEGABYTE  # far more than what all sockets on the way hold
ROOM = 32 * MEGABYTE  # what Envoy may take more while any amount passes
BLOCK = bytes(range(256)) * (MEGABYTE // 256)
both = pytest.mark.parametrize("tag", [b"", b"x-preview-lane: pr-4\r\n"], ids=["untagged", "tagged"])


@pytest.fixture
def open_files():
    """As many as this process may have; Envoy inherits that."""
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    launch.raise_open_files()
    assert usual[1] >= 3 * MANY, f"this needs {3 * MANY} open files, and `ulimit -Hn` is {usual[1]}"
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, usual)


class Crowd:
    """An application that answers nobody before everybody is there."""

    def __init__(self, count):
        self._missing, self._all = count, asyncio.Event()

    async def talk(self, reader, writer):
        await reader.readuntil(END)
        self._missing -= 1
        if not self._missing:
            self._all.set()
        await self._all.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await writer.drain()


async def one_of_the_crowd(host, tag, door):
    """A connection of its own, and its one answer."""
    async with door:
        reader, writer = await asyncio.open_connection(host, FIRST_LISTENER)
        writer.write(b"GET / HTTP/1.1\r\nhost: payment\r\nconnection: close\r\n" + tag + b"\r\n")
    try:
        return (await reader.read()).split(b"\r\n", 1)[0]
    finally:
        writer.close()


async def crowd(host, tag):
    door = asyncio.Semaphore(100)  # as many as can stand in line at a socket
    return await asyncio.gather(*(one_of_the_crowd(host, tag, door) for _ in range(MANY)))


@both
def test_five_thousand_requests_at_once_are_all_in_the_applications_hands(world, open_files, tag):
    with through(world, Crowd(MANY).talk) as applications:
        found = asyncio.run_coroutine_threadsafe(crowd(world.envoy.address, tag), world.thread.loop)
        assert set(found.result(SECONDS)) == {b"HTTP/1.1 200 OK"}
        assert [one.connections for one in applications] == ([0, MANY] if tag else [MANY, 0])


async def sized(reader, writer):
    """Takes a body of any size and says how large it was; gives one as large as the request wants."""
    while True:
        asked = dict(fields(await reader.readuntil(END)))
        await taken(reader, int(asked.get("content-length", 0)))
        size = int(asked.get("size", 0))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(size // MEGABYTE):
            writer.write(BLOCK)
            await writer.drain()


async def taken(reader, count):
    while count:
        count -= len(await reader.readexactly(min(count, MEGABYTE)))


def memory(envoy):
    """Bytes that Envoy's process has had in memory at most."""
    status = Path(f"/proc/{envoy.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


def upload(world, tag, size):
    with client(world.envoy.address, seconds=SECONDS) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nhost: payment\r\ncontent-length: %d\r\n" % size + tag + b"\r\n"
        )
        for _ in range(size // MEGABYTE):
            connection.sendall(BLOCK)
        assert until(connection).startswith(b"HTTP/1.1 200 ")


def download(world, tag, size):
    with client(world.envoy.address, seconds=SECONDS) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: payment\r\nsize: %d\r\n" % size + tag + b"\r\n")
        assert until(connection).startswith(b"HTTP/1.1 200 ")
        for _ in range(size // MEGABYTE):
            assert exactly(connection, MEGABYTE) == BLOCK


def passes_at_constant_memory(world, tag, size):
    with through(world, sized):
        for way in (upload, download):
            way(world, tag, 8 * MEGABYTE)  # after which every buffer has been there once
        before = memory(world.envoy)
        for way in (upload, download):
            way(world, tag, size)
        assert memory(world.envoy) - before < ROOM


@both
def test_a_hundred_megabytes_pass_both_ways_at_constant_memory(world, tag):
    passes_at_constant_memory(world, tag, 100 * MEGABYTE)


@pytest.mark.proof
@both
def test_a_gigabyte_passes_both_ways_at_constant_memory(world, tag):
    passes_at_constant_memory(world, tag, GIGABYTE)


@both
def test_who_does_not_take_a_body_holds_its_sender_up_and_fills_no_memory(world, tag):
    going_on = asyncio.Event()

    async def stalling(reader, writer):
        await reader.readuntil(END)
        await going_on.wait()
        await taken(reader, LARGE)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    with through(world, stalling):
        before = memory(world.envoy)
        sending = threading.Thread(target=upload, args=(world, tag, LARGE))
        sending.start()
        read = "http.payment_8080.downstream_cx_rx_bytes_total"
        wait_until(lambda: settled(lambda: world.envoy.stat(read)), 30, "that nobody takes more")
        assert 0 < world.envoy.stat(read) < LARGE / 2, "the rest waits at its sender"
        assert memory(world.envoy) - before < ROOM
        world.thread.loop.call_soon_threadsafe(going_on.set)
        sending.join(SECONDS)
        assert not sending.is_alive()


def settled(number):
    """Whether a number that is not 0 stays as it is for half a second."""
    first = number()
    return first and not threading.Event().wait(0.5) and first == number()

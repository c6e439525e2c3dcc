"""A router pod that leaves: it waits for those that talk, and for those who have not heard of it yet."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest

from provisioner.routing.envoy.node import FIRST_LISTENER
from provisioner.routing.router import launch
from tests.support.routing import wait_until
from tests.support.wire import TCP_LISTENER, client, exactly, until

PORTS = (FIRST_LISTENER, TCP_LISTENER)
LONG = 60.0
WEBSOCKET = b"GET / HTTP/1.1\r\nhost: payment\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"


@contextmanager
def draining(world, seconds=LONG, least=0.0):
    """A drain under way, once the pod counts as ready no more; it has ended when the block has."""
    admin = world.envoy.home / launch.ADMIN_SOCKET
    thread = threading.Thread(target=launch.drain, args=(admin, PORTS, seconds, least))
    thread.start()
    wait_until(lambda: not world.envoy.is_ready(), what="the end of readiness")
    yield thread
    thread.join(LONG / 2)
    assert not thread.is_alive()


@contextmanager
def conversation(world, port):
    """A connection that somebody answers on, whatever its protocol."""
    with client(world.envoy.address, port) as connection:
        if port == FIRST_LISTENER:
            connection.sendall(WEBSOCKET)
            until(connection)
        connection.sendall(b"ping")
        assert exactly(connection, 4)
        yield connection


@pytest.fixture
def everything(world, database):
    """A router with an HTTP and a TCP port."""

    async def echo(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)

    database(echo)
    return world


def settled(world, port):
    wait_until(lambda: count(world, port) == 0, what="no connection")


def count(world, port):
    return launch.open_connections(world.envoy.home / launch.ADMIN_SOCKET, [port])


@pytest.mark.parametrize("port", PORTS, ids=["http", "tcp"])
def test_a_drain_waits_for_open_connections_and_answers_those_that_still_come(everything, port):
    with conversation(everything, port) as connection:
        assert count(everything, port) == 1
        with draining(everything) as drain:
            drain.join(1)
            assert drain.is_alive(), "somebody is talking"
            assert everything.ask() == (200, "baseline", None), "requests that still come are answered"
            connection.sendall(b"still there?")
            assert exactly(connection, 12)
            connection.close()


def test_without_connections_a_drain_still_waits_for_those_who_have_not_heard(everything):
    settled(everything, FIRST_LISTENER)
    start = time.monotonic()
    with draining(everything, least=2.0):
        pass
    assert 2.0 <= time.monotonic() - start < LONG / 2


def test_a_drain_ends_when_its_time_is_over(everything):
    with conversation(everything, TCP_LISTENER):
        start = time.monotonic()
        with draining(everything, seconds=1.0):
            pass
        assert time.monotonic() - start >= 1.0
        assert count(everything, TCP_LISTENER) == 1


def test_a_client_is_told_with_its_next_answer_that_the_pod_leaves(everything):
    with client(everything.envoy.address) as connection, draining(everything):
        connection.sendall(b"GET / HTTP/1.1\r\nhost: payment\r\n\r\n")
        assert b"connection: close" in until(connection).lower()

"""Nobody is hurried: whoever is silent, slow or idle may be so for as long as without the router.

Ten minutes are not waited for. Instead each time-out that Envoy has is lowered to a second, one at a time,
and cuts what it is about; as the router sets them all are off, and the same silence passes. `make proof` is
silent for longer than Envoy waits for an answer unless it is told otherwise.
"""

from __future__ import annotations

import asyncio
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from provisioner.routing.envoy import defaults, routes
from provisioner.routing.envoy.node import FIRST_LISTENER
from tests.support.wire import (
    END,
    TCP_LISTENER,
    applications,
    client,
    exactly,
    fields,
    rest,
    silence,
    through,
    until,
)

TAG = b"x-preview-lane: pr-4\r\n"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
SHORT, LONG = 2.5, 65.0  # seconds


async def leisurely(reader, writer):
    """Answers each request `ok`, as slowly as it says; an upgrade ends in an echo."""
    while True:
        asked = dict(fields(await reader.readuntil(END)))
        if "upgrade" in asked:
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
            )
            await echo(reader, writer)
            return
        await reader.readexactly(int(asked.get("content-length", 0)))
        await asyncio.sleep(float(asked.get("before", 0)))
        writer.write(HEAD + b"o")
        await asyncio.sleep(float(asked.get("amid", 0)))
        writer.write(b"k")


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)


def answered(connection):
    return until(connection).startswith(b"HTTP/1.1 200 ") and exactly(connection, 2) == b"ok"


def request(tag, *lines):
    return b"POST / HTTP/1.1\r\nhost: payment\r\n" + tag + b"".join(line + b"\r\n" for line in lines)


def an_answer_that_is_long_in_coming(connection, tag, seconds):
    connection.sendall(request(tag, b"before: %d" % seconds) + b"\r\n")
    return answered(connection)


def an_answer_that_pauses_in_the_middle(connection, tag, seconds):
    connection.sendall(request(tag, b"amid: %d" % seconds) + b"\r\n")
    return answered(connection)


def a_request_that_pauses_within_its_headers(connection, tag, seconds):
    connection.sendall(request(tag))
    silence(seconds)
    connection.sendall(b"\r\n")
    return answered(connection)


def a_request_that_pauses_before_its_body(connection, tag, seconds):
    connection.sendall(request(tag, b"content-length: 4") + b"\r\n")
    silence(seconds)
    connection.sendall(b"body")
    return answered(connection)


def a_connection_that_is_idle_between_two_requests(connection, tag, seconds):
    connection.sendall(request(tag) + b"\r\n")
    assert answered(connection)
    silence(seconds)
    connection.sendall(request(tag) + b"\r\n")
    return answered(connection)


def a_websocket_on_which_nobody_speaks(connection, tag, seconds):
    connection.sendall(request(tag, b"connection: upgrade", b"upgrade: websocket") + b"\r\n")
    assert b" 101 " in until(connection).splitlines()[0]
    return echoed_after(connection, seconds)


def a_tcp_connection_on_which_nobody_speaks(connection, tag, seconds):
    return echoed_after(connection, seconds)


def echoed_after(connection, seconds):
    connection.sendall(b"ping")
    assert exactly(connection, 4) == b"ping"
    silence(seconds)
    connection.sendall(b"pong")
    return exactly(connection, 4) == b"pong"


OVER_HTTP = (
    an_answer_that_is_long_in_coming,
    an_answer_that_pauses_in_the_middle,
    a_request_that_pauses_within_its_headers,
    a_request_that_pauses_before_its_body,
    a_connection_that_is_idle_between_two_requests,
    a_websocket_on_which_nobody_speaks,
)
TCP = a_tcp_connection_on_which_nobody_speaks
WAYS = [*((one, tag) for one in OVER_HTTP for tag in (b"", TAG)), (TCP, b"")]


def survives(world, way, tag, seconds):
    """Whether both sides go on after the silence."""
    port = TCP_LISTENER if way is TCP else FIRST_LISTENER
    with client(world.envoy.address, port, seconds + 30) as connection:
        try:
            return way(connection, tag, seconds)
        except ConnectionError:
            return False


def all_survive(world, database, seconds):
    with applications(world, leisurely), ThreadPoolExecutor(len(WAYS)) as pool:
        database(echo)
        found = list(pool.map(lambda one: survives(world, *one, seconds), WAYS))
    assert [way for way, fine in zip(WAYS, found, strict=True) if not fine] == []


def test_every_silence_passes(world, database):
    all_survive(world, database, SHORT)


@pytest.mark.proof
def test_every_silence_of_more_than_a_minute_passes(world, database):
    all_survive(world, database, LONG)


def in_the_manager(**fields):
    """What sets these fields of the connection manager."""
    usual = defaults.connection_manager
    return lambda patch: patch.setattr(defaults, "connection_manager", lambda: {**usual(), **fields})


def in_the_routes(**fields):
    """What sets these fields of every route."""
    return lambda patch: [patch.setitem(routes.PATIENT, *one) for one in fields.items()]


def wherever_it_is_off(monkeypatch):
    monkeypatch.setattr(defaults, "NEVER", "1s")


# it says goodbye first, and ends the connection later
SOON_IDLE = {"common_http_protocol_options": {"idle_timeout": "1s"}, "drain_timeout": "0.1s"}
LOWERED = {
    "the route's time for an answer": (
        in_the_routes(timeout="1s"),
        an_answer_that_is_long_in_coming,
    ),
    "the route's idle time": (
        in_the_routes(idle_timeout="1s"),
        an_answer_that_pauses_in_the_middle,
    ),
    "the time for headers": (
        in_the_manager(request_headers_timeout="1s"),
        a_request_that_pauses_within_its_headers,
    ),
    "a stream's idle time": (
        in_the_manager(stream_idle_timeout="1s"),
        a_request_that_pauses_within_its_headers,
    ),
    "the time for a whole request": (
        in_the_manager(request_timeout="1s"),
        a_request_that_pauses_before_its_body,
    ),
    "a connection's idle time": (
        in_the_manager(**SOON_IDLE),
        a_connection_that_is_idle_between_two_requests,
    ),
    "a tunnel's idle time": (
        in_the_routes(idle_timeout="1s"),
        a_websocket_on_which_nobody_speaks,
    ),
    "a TCP connection's idle time": (wherever_it_is_off, TCP),
}


@pytest.mark.parametrize("what", LOWERED)
def test_each_time_out_would_cut_that_silence_if_it_were_a_second(world, database, monkeypatch, what):
    lower, way = LOWERED[what]
    lower(monkeypatch)
    with applications(world, leisurely):
        database(echo)
        assert not survives(world, way, b"", SHORT)


MANAGER = "typed_config"  # the connection manager's own fields, and those of the TCP proxy
OFF = {
    *((MANAGER, f"{one}_timeout") for one in ("stream_idle", "request", "request_headers", "delayed_close")),
    ("common_http_protocol_options", "idle_timeout"),
    ("route", "timeout"),
    ("route", "idle_timeout"),
    (MANAGER, "idle_timeout"),
}
LIMITS = {
    "max_connection_duration",
    "max_stream_duration",
    "max_requests_per_connection",
    "connection_keepalive",
}
NAMES = {name for _, name in OFF} | LIMITS


def settings(value, within=""):
    """Every such field anywhere in a value: what it is in, its name, what it is set to."""
    if isinstance(value, list):
        yield from (found for one in value for found in settings(one, within))
    elif isinstance(value, dict):
        yield from (((within, name), one) for name, one in value.items() if name in NAMES)
        yield from (found for name, one in value.items() for found in settings(one, name))


def dumped(world, what):
    return json.loads(world.envoy.admin(f"/config_dump?resource={what}"))["configs"]


def test_every_time_out_that_envoy_was_told_is_off(world, database):
    database(echo)
    told = dumped(world, "dynamic_listeners")
    names = {one["name"] for one in told}
    assert names >= {"payment:8080", "payment:8080/baseline", "database:5432"}
    listeners = [one for one in told if one["name"] in ("payment:8080", "database:5432")]
    found = [*settings(listeners), *settings(dumped(world, "dynamic_route_configs"))]
    assert {place for place, _ in found} == OFF
    assert {value for _, value in found} == {"0s"}
    (fallback,) = (one for one in told if one["name"] == "payment:8080/baseline")
    assert list(settings(fallback)) == [((MANAGER, "idle_timeout"), "0s")]


async def a_lot(reader, writer):
    """Answers of the size that was asked for."""
    while True:
        size = int(dict(fields(await reader.readuntil(END)))["size"])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + bytes(size))
        await writer.drain()


def read_after_a_rest(world, size):
    """How much of that many bytes a client gets which ends its connection with this answer, has little room,
    and rests before it takes them."""
    with small_client(world.envoy.address) as connection:
        connection.sendall(request(b"", b"size: %d" % size, b"connection: close") + b"\r\n")
        until(connection)
        silence(SHORT)
        return len(rest(connection))


@contextmanager
def small_client(host):
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect((host, FIRST_LISTENER))
        yield connection


# Between what the kernel takes for the client, which differs, and what Envoy stops at, a megabyte more.
SIZES = range(500_000, 9_000_000, 500_000)


def rested(world):
    with through(world, a_lot), ThreadPoolExecutor(len(SIZES)) as pool:
        return list(pool.map(lambda size: read_after_a_rest(world, size), SIZES))


def test_a_client_that_rests_gets_all_of_an_answer_with_which_its_connection_ends(world):
    assert rested(world) == list(SIZES)


def test_it_would_lose_the_end_if_a_connection_had_a_second_to_close(world, monkeypatch):
    in_the_manager(delayed_close_timeout="1s")(monkeypatch)
    assert rested(world) != list(SIZES)

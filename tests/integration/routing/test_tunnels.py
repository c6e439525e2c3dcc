"""Protocols that begin as HTTP and become something else: bytes both ways, by whom the lane says."""

from __future__ import annotations

import re

import pytest

from tests.support.wire import END, client, exactly, fields, rest, through, until

BASELINE, LANE = b"", b"x-preview-lane: pr-4\r\n"
tagged = pytest.mark.parametrize("tag", [BASELINE, LANE], ids=["untagged", "tagged"])

UPGRADES = {
    "websocket": b"GET / HTTP/1.1\r\nhost: payment\r\nconnection: Upgrade\r\nupgrade: websocket\r\n",
    "SPDY/3.1": b"POST / HTTP/1.1\r\nhost: payment\r\nconnection: Upgrade\r\nupgrade: SPDY/3.1\r\n",
    "tcp": b"POST / HTTP/1.1\r\nhost: payment\r\nconnection: Upgrade\r\nupgrade: tcp\r\n",
}


async def switching(reader, writer):
    """Does as asked, and sends back what comes, in brackets."""
    head = await reader.readuntil(END)
    kind = re.search(rb"\r\nupgrade: (\S+)\r\n", head, re.IGNORECASE)
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: %s\r\n\r\n" % kind[1]
        if kind
        else b"HTTP/1.1 200 Connection established\r\n\r\n"
    )
    while data := await reader.read(65536):
        writer.write(b"<" + data + b">")
        if data == b"bye":
            return


@tagged
@pytest.mark.parametrize("kind", UPGRADES)
def test_an_upgrade_is_a_tunnel_to_whom_the_lane_says(world, kind, tag):
    with through(world, switching) as applications, client(world.envoy.address) as connection:
        connection.sendall(UPGRADES[kind] + tag + b"\r\n")
        head = until(connection)
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert ("upgrade", kind) in fields(head)
        told_and_heard(connection)
        assert [one.connections for one in applications] == ([0, 1] if tag else [1, 0])


@tagged
def test_a_connect_is_a_tunnel_to_whom_the_lane_says(world, tag):
    with through(world, switching) as applications, client(world.envoy.address) as connection:
        connection.sendall(
            b"CONNECT away.example.com:443 HTTP/1.1\r\nhost: away.example.com:443\r\n" + tag + b"\r\n"
        )
        assert until(connection).startswith(b"HTTP/1.1 200 Connection established\r\n")
        told_and_heard(connection)
        assert [one.connections for one in applications] == ([0, 1] if tag else [1, 0])


def told_and_heard(connection):
    for said in (b"ping", bytes(range(256))):
        connection.sendall(said)
        assert exactly(connection, len(said) + 2) == b"<" + said + b">"
    connection.sendall(b"bye")
    assert rest(connection) == b"<bye>", "and the application's end is the client's"


@tagged
def test_what_a_client_sends_along_with_its_wish_arrives(world, tag):
    """Docker's and Kubernetes' clients do not wait for the 101."""
    with through(world, switching), client(world.envoy.address) as connection:
        connection.sendall(UPGRADES["tcp"] + tag + b"\r\nfirst")
        until(connection)
        assert exactly(connection, 7) == b"<first>"


@tagged
def test_an_upgrade_that_is_refused_is_an_answer(world, tag):
    async def refusing(reader, writer):
        await reader.readuntil(END)
        writer.write(b"HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno")

    with through(world, refusing), client(world.envoy.address) as connection:
        connection.sendall(UPGRADES["websocket"] + tag + b"\r\n")
        assert until(connection).startswith(b"HTTP/1.1 426 Upgrade Required\r\n")
        assert exactly(connection, 2) == b"no"

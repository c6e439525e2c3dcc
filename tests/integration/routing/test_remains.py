"""What no setting of Envoy's prevents: most rows of the table in docs/routing.md, as they are.

The others are in the files beside this one that the page names.
"""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.support.wire import END, answering, client, exactly, fields, is_over, silence, through, until

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
EARLY = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n"
HOST = b"host: payment\r\n"
both = pytest.mark.parametrize("tag", [b"", b"x-preview-lane: pr-4\r\n"], ids=["untagged", "tagged"])
ADDED = ("x-forwarded-proto", "http")
CARRIERS = {"x-preview-lane", "baggage"}


async def fine(reader, writer):
    while True:
        await reader.readuntil(END)
        writer.write(OK)


def asked(world, raw):
    """The head of the answer to these bytes."""
    with client(world.envoy.address) as connection:
        connection.sendall(raw)
        return until(connection)


REFUSED = {
    "a fragment in the path": (b"GET /a#b HTTP/1.1\r\n" + HOST, 400),
    "a path with bytes beyond ASCII": (b"GET /\xc3\xa4 HTTP/1.1\r\n" + HOST, 400),
    "a length with another transfer coding": (
        b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 2\r\ntransfer-encoding: chunked\r\n",
        400,
    ),
    "a transfer coding but chunked": (
        b"POST / HTTP/1.1\r\n" + HOST + b"transfer-encoding: gzip, chunked\r\n",
        501,
    ),
    "no host": (b"GET / HTTP/1.1\r\n", 400),
    "a space in a header's name": (b"GET / HTTP/1.1\r\n" + HOST + b"x a: 1\r\n", 400),
    "an upgrade to what is not listed": (
        b"GET / HTTP/1.1\r\n" + HOST + b"connection: upgrade\r\nupgrade: other\r\n",
        403,
    ),
    "options of the whole server": (b"OPTIONS * HTTP/1.1\r\n" + HOST, 404),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_request_is_refused_that_has(world, what):
    raw, status = REFUSED[what]
    with through(world, fine) as applications:
        assert asked(world, raw + b"\r\n").split()[1] == b"%d" % status
        assert [one.connections for one in applications] == [0, 0]


@pytest.fixture
def noted(world):
    """Starts the router in front of an application that notes requests; asks it, and gives what it noted."""

    def ask(raw, tag):
        wires = []
        with through(world, answering(lambda: wires[1 if tag else 0], OK)) as made:
            wires.extend(made)
            answer = asked(world, raw)
            (head,) = wires[1 if tag else 0].heads
        return answer, head

    return ask


@both
@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH", b"OPTIONS"])
def test_a_request_that_could_have_a_body_and_has_none_gets_a_length_of_0(noted, method, tag):
    _, head = noted(method + b" / HTTP/1.1\r\n" + HOST + tag + b"\r\n", tag)
    added = [one for one in fields(head) if one[0] not in {"host", *CARRIERS}]
    assert sorted(added) == [("content-length", "0"), ADDED]


@both
def test_te_is_cut_to_trailers_and_hop_by_hop_headers_end(noted, tag):
    hop = b"te: gzip, trailers\r\nconnection: keep-alive, te\r\nkeep-alive: 5\r\nproxy-connection: x\r\n"
    _, head = noted(b"GET / HTTP/1.1\r\n" + HOST + tag + hop + b"\r\n", tag)
    got = dict(fields(head))
    assert got["te"] == "trailers"
    assert not {"connection", "keep-alive", "proxy-connection"} & set(got)


@both
def test_a_request_for_a_whole_url_arrives_as_path_and_host(noted, tag):
    raw = b"GET http://other.example.com/path?x HTTP/1.1\r\n" + HOST + tag + b"\r\n"
    _, head = noted(raw, tag)
    assert head.startswith(b"GET /path?x HTTP/1.1\r\n")
    assert ("host", "other.example.com") in fields(head)


@both
def test_answers_get_a_date_and_http_1_0_a_host(noted, tag):
    answer, head = noted(b"GET / HTTP/1.0\r\n" + tag + b"\r\n", tag)
    assert "date" in dict(fields(answer))
    assert ("host", "localhost") in fields(head)


@both
def test_of_several_interim_answers_the_first_passes(world, tag):
    async def hinting(reader, writer):
        await reader.readuntil(END)
        writer.write(EARLY + b"HTTP/1.1 102 Processing\r\n\r\n" + OK)

    with through(world, hinting), client(world.envoy.address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + HOST + tag + b"\r\n")
        assert until(connection) == EARLY
        assert until(connection).startswith(b"HTTP/1.1 200 OK\r\n")


@both
def test_a_client_that_ends_its_half_hears_no_answer(world, tag):
    async def slow(reader, writer):
        await reader.readuntil(END)
        await reader.read()
        writer.write(OK)

    with through(world, slow), client(world.envoy.address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + HOST + tag + b"\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert is_over(connection)


@both
def test_an_answer_before_the_request_is_complete_is_heard_and_ends_the_connection(world, tag):
    async def hasty(reader, writer):
        await reader.readuntil(END)
        writer.write(b"HTTP/1.1 413 Too Much\r\ncontent-length: 0\r\n\r\n")
        await reader.read()

    with through(world, hasty), client(world.envoy.address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\n" + HOST + tag + b"content-length: 10\r\n\r\nabc")
        assert until(connection).startswith(b"HTTP/1.1 413 Too Much\r\n")
        assert is_over(connection)


@both
def test_an_application_that_hangs_up_before_it_answers_is_a_503(world, tag):
    async def rude(reader, writer):
        await reader.readuntil(END)

    with through(world, rude):
        assert asked(world, b"GET / HTTP/1.1\r\n" + HOST + tag + b"\r\n").split()[1] == b"503"


@both
def test_an_idle_connection_to_an_application_ends_and_the_clients_does_not(world, tag):
    ended = asyncio.Event()

    async def keeping(reader, writer):
        await reader.readuntil(END)
        writer.write(OK)
        assert await reader.read() == b""
        ended.set()

    with through(world, keeping) as applications, client(world.envoy.address) as connection:
        for _ in range(2):
            connection.sendall(b"GET / HTTP/1.1\r\n" + HOST + tag + b"\r\n")
            until(connection)
            exactly(connection, 2)
            silence(2)
            assert ended.is_set()
            ended.clear()
        assert sum(one.connections for one in applications) == 2

"""Byte by byte: what applications and clients get through the router is what they got without it."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.routing import endpoint_slice, lane, wait_until
from tests.support.wire import END, Wire, answering, client, fields, rest, until

CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
TAG = b"x-preview-lane: pr-4\r\n"
both = pytest.mark.parametrize("tag", [b"", TAG], ids=["untagged", "tagged"])


@pytest.fixture
def through(world):
    """Starts the router in front of an application that talks as the test says, as does its copy in pr-4."""
    opened = []

    def begin(talk=None, answer=OK):
        wire = Wire(world.thread, talk or answering(lambda: wire, answer))
        copy = Wire(world.thread, talk or answering(lambda: wire, answer))
        opened.extend((wire, copy))
        world.store.put(lane("pr-4"), endpoint_slice("payment", [copy.address], "pr-4"))
        world.store.put(endpoint_slice("payment", [wire.address]))
        world.start()
        return wire

    yield begin
    for one in opened:
        one.close()


def asked(world, head, tag=b""):
    """The head of the answer to one request, sent as these bytes."""
    with client(world.envoy.address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: payment\r\n" + tag + head + b"\r\n")
        return until(connection)


SENSITIVE = [
    ("x-envoy-external-address", "192.0.2.1"),
    ("x-envoy-original-path", "/before"),
    ("x-envoy-attempt-count", "1"),
    ("X-Forwarded-Client-Cert", "Hash=abc"),
    ("X-Forwarded-Host", "shop.example.com"),
    ("X-Forwarded-Port", "8443"),
    ("X-Forwarded-Proto", "https"),
    ("X-Real-IP", "192.0.2.1"),
    ("X-Request-ID", "mine"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("x-b3-traceid", "1"),
    ("x-ot-span-context", "1"),
    ("Forwarded", "for=192.0.2.1"),
    ("Via", "1.1 before"),
    ("Cookie", "a=1; b=2"),
    ("Accept-Encoding", "gzip"),
    ("Date", "Tue, 15 Nov 1994 08:12:31 GMT"),
    ("Server", "odd"),
    ("x-repeated", "1"),
    ("x-repeated", "2"),
    ("x-latin", "caf\xe9"),
]


@both
def test_no_header_of_a_request_is_lost_or_changed(through, world, tag):
    wire = through()
    asked(world, "".join(f"{key}: {value}\r\n" for key, value in SENSITIVE).encode("latin-1"), tag)
    assert [one for one in fields(wire.heads[-1]) if one in SENSITIVE] == SENSITIVE


RESPONSE = [
    ("Server", "own"),
    ("Date", "Tue, 15 Nov 1994 08:12:31 GMT"),
    ("Via", "1.1 inside"),
    ("X-Custom-Case", "1"),
    ("Set-Cookie", "a=1"),
    ("Set-Cookie", "b=2"),
    ("X-Powered-By", "own"),
    ("x-request-id", "mine"),
    ("x-envoy-upstream-service-time", "7"),
    ("Content-Length", "0"),
]


@both
def test_no_header_of_an_answer_is_lost_or_changed_and_its_own_words_stay(through, world, tag):
    lines = "".join(f"{key}: {value}\r\n" for key, value in RESPONSE)
    through(answer=f"HTTP/1.1 299 Very Fine\r\n{lines}\r\n".encode())
    found = asked(world, b"", tag)
    assert found.startswith(b"HTTP/1.1 299 Very Fine\r\n")
    more = [("x-preview-lane-served", "payment=pr-4")] if tag else []
    assert fields(found) == [*RESPONSE, *more]


@both
@pytest.mark.parametrize("from_inside", [b"", b"x-forwarded-for: 10.0.0.1\r\n", b"x-forwarded-for: ::1\r\n"])
def test_no_client_can_have_a_request_sent_twice_or_cut_short(through, world, tag, from_inside):
    wire = through(answer=b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")
    wishes = (
        b"x-envoy-retry-on: 5xx,reset,connect-failure\r\nx-envoy-max-retries: 5\r\n"
        b"x-envoy-retry-grpc-on: unavailable\r\nx-envoy-retriable-status-codes: 503\r\n"
        b"x-envoy-upstream-rq-timeout-ms: 1\r\nx-envoy-upstream-rq-per-try-timeout-ms: 1\r\n"
        b"x-envoy-hedge-on-per-try-timeout: true\r\nx-envoy-upstream-alt-stat-name: x\r\n"
    )
    assert asked(world, wishes + from_inside, tag).startswith(b"HTTP/1.1 503 No")
    assert len(wire.heads) == 1
    assert b"x-envoy-" not in wire.heads[0], "docs/routing.md says that they are taken away"


@both
def test_a_request_whose_application_hangs_up_is_not_sent_again(through, world, tag):
    async def hang_up(reader, writer):
        wire.heads.append(await reader.readuntil(END))

    wire = through(hang_up)
    assert b" 503 " in asked(world, b"x-envoy-retry-on: reset\r\n", tag).splitlines()[0]
    assert len(wire.heads) == 1


@both
def test_an_offer_of_tls_is_ignored_as_a_server_may(through, world, tag):
    through()
    assert b" 200 " in asked(world, b"connection: Upgrade\r\nupgrade: TLS/1.2\r\n", tag).splitlines()[0]


@both
def test_an_offer_of_http_2_is_answered_in_http_1(through, world, tag):
    through()
    offer = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"
    assert b" 200 " in asked(world, offer, tag).splitlines()[0]


@both
def test_a_head_has_the_length_and_no_body(through, world, tag):
    through(answer=b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n")
    with client(world.envoy.address) as connection:
        connection.sendall(b"HEAD / HTTP/1.1\r\nhost: payment\r\nconnection: close\r\n" + tag + b"\r\n")
        found = rest(connection)
    assert ("content-length", "1234") in fields(found)
    assert found.endswith(END)


@both
def test_an_answer_of_90_kilobytes_of_headers_passes(through, world, tag):
    through(answer=b"HTTP/1.1 200 OK\r\nx-large: " + b"a" * 90_000 + b"\r\ncontent-length: 0\r\n\r\n")
    assert len(dict(fields(asked(world, b"", tag)))["x-large"]) == 90_000


@both
def test_a_client_that_waits_for_100_hears_it_from_the_application(through, world, tag):
    async def willing(reader, writer):
        await reader.readuntil(END)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(5)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n" + body)
        await writer.drain()

    through(willing)
    with client(world.envoy.address) as connection:
        head = b"POST / HTTP/1.1\r\nhost: payment\r\nexpect: 100-continue\r\ncontent-length: 5\r\n"
        connection.sendall(head + tag + b"\r\n")
        assert until(connection).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"hello")
        assert until(connection).startswith(b"HTTP/1.1 200 ")
        assert connection.recv(5) == b"hello"


@both
def test_a_client_that_waits_for_100_hears_a_refusal_instead(through, world, tag):
    through(answer=b"HTTP/1.1 401 Who\r\ncontent-length: 0\r\n\r\n")
    wish = b"expect: 100-continue\r\ncontent-length: 5\r\n"
    assert asked(world, wish, tag).startswith(b"HTTP/1.1 401 Who\r\n")


@both
def test_the_least_request_gets_one_header_more_and_with_a_lane_its_carriers(through, world, tag):
    wire = through()
    asked(world, b"", tag)
    carriers = [("x-preview-lane", "pr-4"), ("baggage", "preview-lane=pr-4")] if tag else []
    assert sorted(fields(wire.heads[-1])) == sorted(
        [("host", "payment"), ("x-forwarded-proto", "http"), *carriers]
    )


@both
def test_trailers_pass_both_ways(through, world, tag):
    async def trailing(reader, writer):
        await reader.readuntil(END)
        wire.heads.append(await reader.readuntil(END))
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nb\r\n0\r\nx-sum: 2\r\n\r\n")
        await writer.drain()

    wire = through(trailing)
    with client(world.envoy.address) as connection:
        head = b"POST / HTTP/1.1\r\nhost: payment\r\ntransfer-encoding: chunked\r\n"
        connection.sendall(head + tag + b"\r\n1\r\na\r\n0\r\nx-sum: 1\r\n\r\n")
        until(connection)
        assert until(connection) == b"1\r\nb\r\n0\r\nx-sum: 2\r\n\r\n"
    assert wire.heads == [b"1\r\na\r\n0\r\nx-sum: 1\r\n\r\n"]


@both
def test_events_arrive_one_by_one_as_they_are_sent(through, world, tag):
    seen = asyncio.Event()

    async def events(reader, writer):
        await reader.readuntil(END)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        for number in range(3):
            writer.write(b"data: %d\n\n" % number)
            await seen.wait()
            seen.clear()

    through(events)
    with client(world.envoy.address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: payment\r\n" + tag + b"\r\n")
        until(connection)
        for number in range(3):
            assert b"data: %d\n\n" % number in until(connection, b"\n\n\r\n")
            world.thread.loop.call_soon_threadsafe(seen.set)


@both
def test_a_client_that_leaves_is_gone_for_the_application_too(through, world, tag):
    left = []

    async def listening(reader, writer):
        wire.heads.append(await reader.readuntil(END))
        try:
            left.append(await reader.read())
        except ConnectionError as error:
            left.append(error)

    wire = through(listening)
    with client(world.envoy.address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: payment\r\n" + tag + b"\r\n")
        wait_until(lambda: wire.heads, what="the request")
        assert not left
    wait_until(lambda: left, what="the application's knowledge that the client left")


@both
def test_an_answer_that_breaks_off_breaks_off_for_the_client(through, world, tag):
    async def breaking(reader, writer):
        await reader.readuntil(END)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        await writer.drain()

    through(breaking)
    with client(world.envoy.address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: payment\r\n" + tag + b"\r\n")
        until(connection)
        assert rest(connection) == b"half", "the connection ends, and the answer is not whole"


@both
def test_a_thousand_headers_pass_both_ways(through, world, tag):
    many = [(f"x-{number}", str(number)) for number in range(1000)]
    lines = "".join(f"{key}: {value}\r\n" for key, value in many)
    wire = through(answer=f"HTTP/1.1 200 OK\r\n{lines}content-length: 0\r\n\r\n".encode())
    answer = asked(world, lines.encode(), tag)
    assert [one for one in fields(wire.heads[-1]) if one in many] == many
    assert [one for one in fields(answer) if one in many] == many


@both
def test_an_answer_that_ends_with_its_connection_is_whole(through, world, tag):
    async def old(reader, writer):
        await reader.readuntil(END)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + bytes(1_000_000))
        await writer.drain()

    through(old)
    with client(world.envoy.address) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n" + tag + b"\r\n")
        until(connection)
        assert rest(connection) == bytes(1_000_000)


@both
def test_requests_that_do_not_wait_for_answers_get_them_in_order(through, world, tag):
    wire = through()
    with client(world.envoy.address) as connection:
        connection.sendall(
            b"".join(b"GET /%d HTTP/1.1\r\nhost: payment\r\n%s\r\n" % (n, tag) for n in range(10))
        )
        for _ in range(10):
            assert until(connection).startswith(b"HTTP/1.1 200 OK\r\n")
    assert [head.split()[1] for head in wire.heads] == [b"/%d" % n for n in range(10)]


@both
def test_a_chunked_body_stays_chunked_and_a_measured_one_measured(through, world, tag):
    async def noting(reader, writer):
        for body in (CHUNKED, b"hello"):
            wire.heads.append(await reader.readuntil(END))
            assert await reader.readexactly(len(body)) == body
            writer.write(OK)

    wire = through(noting)
    with client(world.envoy.address) as connection:
        head = b"POST / HTTP/1.1\r\nhost: payment\r\n" + tag
        connection.sendall(head + b"transfer-encoding: chunked\r\n\r\n" + CHUNKED)
        until(connection)
        connection.sendall(head + b"content-length: 5\r\n\r\nhello")
        until(connection)
    chunked, measured = (dict(fields(head)) for head in wire.heads)
    assert (chunked.get("transfer-encoding"), chunked.get("content-length")) == ("chunked", None)
    assert (measured.get("transfer-encoding"), measured.get("content-length")) == (None, "5")


@both
def test_a_path_of_60_kilobytes_passes(through, world, tag):
    wire = through()
    path = b"/" + b"a" * 60_000
    with client(world.envoy.address) as connection:
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\nhost: payment\r\n" + tag + b"\r\n")
        assert until(connection).startswith(b"HTTP/1.1 200 OK\r\n")
    assert wire.heads[-1].split()[1] == path

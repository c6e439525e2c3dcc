"""HTTP/2 without TLS and without gRPC: the client begins with it, and the application hears it."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from hyperframe.frame import DataFrame, PingFrame, PriorityFrame, WindowUpdateFrame

from tests.support.http2 import Application, Client
from tests.support.routing import endpoint_slice, lane, twin, wait_until
from tests.support.wire import Wire, client

TAG = [("x-preview-lane", "pr-4")]
MANY = 2000
SERVED = "x-preview-lane-served"
ANSWERS = {"untagged": ([], "baseline"), "tagged": (TAG, "pr-4")}
both = pytest.mark.parametrize(("tag", "name"), ANSWERS.values(), ids=ANSWERS)


class Town:
    """The applications by name, and clients of the router in front of them."""

    def __init__(self, world):
        self._world = world
        self.applications = {name: Application(name) for name in ("baseline", "pr-4")}

    @contextmanager
    def client(self):
        with client(self._world.envoy.address) as connection:
            yield Client(connection)


@pytest.fixture
def port():
    """What the Service's port says of its protocol."""
    return {}


@pytest.fixture
def town(world, port):
    made = Town(world)
    wires = {name: Wire(world.thread, one.talk) for name, one in made.applications.items()}
    world.store.put(twin("payment", **port), lane("pr-4"))
    for name, wire in wires.items():
        world.store.put(endpoint_slice("payment", [wire.address], "" if name == "baseline" else name))
    world.start()
    yield made
    for wire in wires.values():
        wire.close()


@both
@pytest.mark.parametrize("port", [{}, {"appProtocol": "kubernetes.io/h2c"}, {"appProtocol": "grpc"}], ids=str)
def test_a_request_reaches_whom_its_lane_says_in_http_2(town, tag, name):
    with town.client() as two:
        found = two.ask("/", [*tag, ("x-own", "1")], b"hello")
    assert (found["name"], found.body) == (name, b"hello")
    assert dict(found.head).get(SERVED) == (f"payment={name}" if tag else None)
    (asked,) = town.applications[name].asked
    assert asked["x-own"] == "1"


NEW = {"x-forwarded-proto"}
CARRIERS = {"x-preview-lane", "baggage"}


@both
def test_nothing_is_added_but_what_is_documented(town, tag, name):
    with town.client() as two:
        found = two.ask("/", [*tag, ("te", "trailers"), ("cookie", "a=1; b=2"), ("x_own", "2")])
    (asked,) = town.applications[name].asked
    sent = {":method", ":scheme", ":authority", ":path", "te", "cookie", "x_own"}
    assert {key for key, _ in asked.head} - sent == NEW | (CARRIERS if tag else set())
    assert asked[":authority"] == "payment"
    assert asked[":scheme"] == "http"
    assert {key for key, _ in found.head} - {":status", "name"} == ({"date", SERVED} if tag else {"date"})


@both
def test_trailers_pass_both_ways(town, tag, name):
    with town.client() as two:
        stream = two.begin("/", tag)
        two.send(stream, b"sum me")
        two.end(stream, [("x-sum", "6")])
        found = two.answer(stream)
    assert (found.body, found.trailers) == (b"sum me", [("x-sum", "6")])
    assert town.applications[name].asked[0].trailers == [("x-sum", "6")]


@both
def test_both_sides_talk_at_once(town, tag, name):
    with town.client() as two:
        stream = two.begin("/stream", tag)
        assert two.until(stream, lambda found: found.head)["name"] == name
        for word in (b"one", b"two", b"three"):
            two.send(stream, word)
            two.until(stream, lambda found, word=word: found.body.endswith(word))
        two.send(stream, b"", end=True)
        assert two.answer(stream).body == b"onetwothree"


@both
def test_a_header_of_90_kilobytes_passes_both_ways(town, tag, name):
    large = "a" * 90_000
    with town.client() as two:
        found = two.ask("/", [*tag, ("x-large", large)])
    assert found["x-large"] == large


@both
def test_thousands_of_streams_are_open_at_once_though_a_connection_takes_a_hundred(town, tag, name):
    with town.client() as two:
        streams = [two.begin("/stream", tag) for _ in range(MANY)]
        for stream in streams:
            assert two.until(stream, lambda found: found.head)["name"] == name
        for stream in streams:
            two.send(stream, b"x", end=True)
        assert {two.answer(stream).body for stream in streams} == {b"x"}
    assert town.applications[name].connections >= MANY // 100


@both
def test_a_stream_that_the_application_resets_is_reset_and_not_asked_again(town, tag, name):
    with town.client() as two:
        found = two.ask("/reset", tag)
        assert found[":status"] == "503", "docs/routing.md says so"
        assert two.ask("/", tag)["name"] == name, "the connection and its other streams live on"
    assert len(town.applications[name].asked) == 2


@both
def test_a_stream_that_the_client_resets_is_reset_for_the_application(town, tag, name):
    with town.client() as two:
        stream = two.begin("/stream", tag)
        two.until(stream, lambda found: found.head)
        two.reset(stream)
        (asked,) = town.applications[name].asked
        wait_until(lambda: asked.code is not None, what="the application's knowledge")


@both
def test_a_websocket_over_http_2_is_a_tunnel_to_whom_the_lane_says(town, tag, name):
    head = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http")]
    with town.client() as two:
        stream = two.open([*head, (":authority", "payment"), (":path", "/chat"), *tag])
        assert two.until(stream, lambda found: found.head)["name"] == name
        two.send(stream, b"ping")
        assert two.until(stream, lambda found: found.body).body == b"ping"
    (asked,) = town.applications[name].asked
    assert (asked[":protocol"], asked[":path"]) == ("websocket", "/chat")


@both
def test_a_connect_over_http_2_is_a_tunnel_to_whom_the_lane_says(town, tag, name):
    with town.client() as two:
        stream = two.open([(":method", "CONNECT"), (":authority", "away.example.com:443"), *tag])
        assert two.until(stream, lambda found: found.head)["name"] == name
        two.send(stream, b"ping")
        assert two.until(stream, lambda found: found.body).body == b"ping"
        two.send(stream, b"", end=True)
        assert two.answer(stream).ended, "one side ends, and then the other"
    (asked,) = town.applications[name].asked
    assert asked[":authority"] == "away.example.com:443"


FLOODS = {
    "empty data": lambda stream: [DataFrame(stream) for _ in range(50)],
    "pings": lambda stream: [PingFrame(0, b"01234567") for _ in range(5000)],
    "priorities": lambda stream: [PriorityFrame(stream, depends_on=0) for _ in range(500)],
    "windows": lambda stream: [WindowUpdateFrame(0, window_increment=1) for _ in range(500)],
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_client_that_sends_many_odd_frames_is_not_shut_out(town, flood):
    with town.client() as two:
        stream = two.begin("/stream")
        two.send(stream, b"one")
        two.until(stream, lambda found: found.body)
        two.frames(FLOODS[flood](stream))
        two.send(stream, b"two", end=True)
        assert two.answer(stream).body == b"onetwo"


@both
def test_one_bad_message_ends_its_own_stream_only(town, tag, name):
    with town.client() as two:
        good = two.begin("/stream", tag)
        assert two.until(good, lambda found: found.head)["name"] == name
        bad = two.open([(":method", "GET"), (":scheme", "http"), (":authority", "payment"), *tag])
        assert two.answer(bad).ended, "it has no path"
        two.send(good, b"still here", end=True)
        assert two.answer(good).body == b"still here"

"""What the router must not change: headers, paths, protocols. And a tagged request keeps its lane in each."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from provisioner.routing.envoy.node import FIRST_LISTENER
from tests.support.routing import address, endpoint_slice, get, lane

ADDED = {"x-forwarded-proto"}


def test_request_headers_arrive_in_order_and_in_their_case_with_one_addition(running):
    sent = [
        ("Host", "payment"),
        ("X-Custom-Case", "1"),
        ("x_underscored", "2"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("x-request-id", "mine"),
        ("Te", "trailers"),
    ]
    got = [tuple(one) for one in running.seen(sent)["headers"]]
    assert [one for one in got if one[0] not in ADDED] == sent
    assert {key for key, _ in got} - {key for key, _ in sent} == ADDED


def test_the_applications_own_server_header_stays(running):
    assert get(running.envoy.address)[1]["server"] == "own"


@pytest.mark.parametrize("path", ["//a//b", "/a/../b", "/a%2Fb", "/a/./b?x=/../y", "/%7Eme", "/?a=b&a=c"])
def test_paths_arrive_as_they_were_sent(running, path):
    assert running.seen(path=path)["request"] == f"GET {path} HTTP/1.1"


def test_a_header_of_90_kilobytes_passes(running):
    got = dict(running.seen([("host", "payment"), ("x-large", "a" * 90_000)])["headers"])
    assert len(got["x-large"]) == 90_000


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "PROPFIND", "LANEWAY"])
def test_any_method_passes(running, method):
    assert running.seen(method=method)["request"].startswith(method)


def test_http_1_0_is_answered(running):
    with socket.create_connection((running.envoy.address, FIRST_LISTENER), 60) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\nx-preview-lane: pr-4\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b" 200 OK" in answer.splitlines()[0]
    assert b'"name": "pr-4"' in answer


def test_many_connections_at_once_are_served(running):
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: running.ask({"x-preview-lane": "pr-4"})[:2], range(400)))
    assert set(found) == {(200, "pr-4")}


UPGRADE = b"GET / HTTP/1.1\r\nhost: payment\r\nconnection: Upgrade\r\nupgrade: websocket\r\n%s\r\n"


@pytest.mark.parametrize(("tag", "name"), [(b"", b"baseline"), (b"x-preview-lane: pr-4\r\n", b"pr-4")])
def test_a_websocket_is_carried_both_ways_by_whom_the_lane_says(running, tag, name):
    with socket.create_connection((running.envoy.address, FIRST_LISTENER), 60) as connection:
        connection.sendall(UPGRADE % tag)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        assert b" 101 " in head.splitlines()[0]
        connection.sendall(b"ping")
        wanted = name + b":ping"
        assert receive(connection, len(wanted)) == wanted


def receive(connection, count):
    found = b""
    while len(found) < count and (more := connection.recv(count - len(found))):
        found += more
    return found


class Calls(grpc.GenericRpcHandler):
    """Answers any call with its own name; `/s/many` with three messages, `/s/fail` with an error."""

    def __init__(self, name):
        self._name = name.encode()

    def service(self, details):
        if details.method == "/s/many":
            return grpc.unary_stream_rpc_method_handler(lambda request, context: iter([self._name] * 3))
        if details.method == "/s/fail":
            return grpc.unary_unary_rpc_method_handler(
                lambda request, context: context.abort(grpc.StatusCode.NOT_FOUND, self._name.decode())
            )
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self._name)


@pytest.fixture
def calls(world):
    """A gRPC service with a baseline and a copy; gives a channel through the router."""
    servers = []
    for name in ("baseline", "pr-4"):
        server = grpc.server(ThreadPoolExecutor(4), handlers=[Calls(name)])
        where = address()
        server.add_insecure_port(f"{where}:8080")
        server.start()
        servers.append(server)
        world.store.put(endpoint_slice("payment", [where], "" if name == "baseline" else name))
    world.store.put(lane("pr-4"))
    world.start()
    with grpc.insecure_channel(f"{world.envoy.address}:{FIRST_LISTENER}") as channel:
        yield channel
    for server in servers:
        server.stop(None)


GRPC_TAG = (("x-preview-lane", "pr-4"),)


def test_grpc_calls_and_streams_follow_the_lane(calls):
    assert calls.unary_unary("/s/one")(b"", timeout=60) == b"baseline"
    answer, call = calls.unary_unary("/s/one").with_call(b"", timeout=60, metadata=GRPC_TAG)
    assert answer == b"pr-4"
    assert dict(call.initial_metadata())["x-preview-lane-served"] == "payment=pr-4"
    assert list(calls.unary_stream("/s/many")(b"", timeout=60, metadata=GRPC_TAG)) == [b"pr-4"] * 3


def test_grpc_errors_arrive_as_the_copy_gave_them(calls):
    with pytest.raises(grpc.RpcError) as found:
        calls.unary_unary("/s/fail")(b"", timeout=60, metadata=GRPC_TAG)
    assert found.value.code() is grpc.StatusCode.NOT_FOUND
    assert found.value.details() == "pr-4"

"""What happens to requests for a lane that sleeps, in a real Envoy."""

from __future__ import annotations

import http.client
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from provisioner.routing.envoy.node import FIRST_LISTENER
from provisioner.routing.router.holds import Limits
from tests.support.routing import address, endpoint_slice, get, lane, wait_until
from tests.support.sleeping import LANE, LONG_AGO, TAG, Bedroom, sleeper
from tests.support.waiting import SECONDS

ANSWERED = (200, LANE, f"payment={LANE}")
HASTY = Limits(0.2, 100)


def test_the_first_request_is_held_and_answered_by_the_lane(bedroom: Bedroom) -> None:
    bedroom.put_to_sleep()

    held = bedroom.asking()
    wait_until(lambda: bedroom.woken() == [LANE], what="the mark on the Lane")
    assert not held.done()
    bedroom.wake()

    assert held.result(SECONDS) == ANSWERED


def test_others_are_served_while_one_waits(bedroom: Bedroom) -> None:
    bedroom.put_to_sleep()
    held = bedroom.asking()
    wait_until(lambda: bedroom.held() == 1, what="the held request")

    assert get(bedroom.envoy.address)[0] == 200
    assert bedroom.ask("pr-9") == (200, "baseline", "payment=baseline")
    assert not held.done()
    bedroom.wake()
    assert held.result(SECONDS) == ANSWERED


def test_many_requests_at_once_wake_the_lane_once_and_all_are_answered(bedroom: Bedroom) -> None:
    bedroom.put_to_sleep()

    held = [bedroom.asking() for _ in range(20)]
    wait_until(lambda: bedroom.held() == 20, what="20 held requests")
    bedroom.wake()

    assert {one.result(SECONDS) for one in held} == {ANSWERED}
    assert bedroom.woken() == [LANE]


def test_a_lane_that_is_awake_again_is_asked_without_the_waker(bedroom: Bedroom) -> None:
    bedroom.put_to_sleep()
    bedroom.wake()
    wait_until(lambda: asked_by_itself(bedroom), what="the way to the pod, in each of Envoy's threads")
    before = len(bedroom.woken())

    assert [bedroom.ask() for _ in range(20)] == [ANSWERED] * 20
    assert len(bedroom.woken()) == before


def asked_by_itself(bedroom: Bedroom) -> bool:
    """Whether one more request passes without waking anybody."""
    before = len(bedroom.woken())
    return bedroom.ask() == ANSWERED and len(bedroom.woken()) == before


def test_two_lanes_that_sleep_are_told_apart(bedroom: Bedroom) -> None:
    bedroom.put_to_sleep()
    bedroom.put_to_sleep("pr-5")

    held, other = bedroom.asking(), bedroom.asking("pr-5")
    wait_until(lambda: sorted(bedroom.woken()) == [LANE, "pr-5"], what="both marks")
    bedroom.wake()

    assert held.result(SECONDS) == ANSWERED
    assert not other.done()
    bedroom.wake("pr-5", bedroom.baseline.address)
    assert other.result(SECONDS) == (200, "baseline", "payment=pr-5")


def test_a_request_that_needs_a_sleeping_parents_copy_wakes_it_and_is_answered_by_it(
    bedroom: Bedroom,
) -> None:
    bedroom.put_to_sleep()
    bedroom.store.put(lane("pr-5", {"phase": "Ready", "activeAt": LONG_AGO, "services": []}, parent=LANE))
    wait_until(lambda: bedroom.is_held("pr-5"), what="the child's way to the waker")

    held = bedroom.asking("pr-5")
    wait_until(lambda: LANE in bedroom.woken(), what="the mark on the parent")
    assert not held.done()
    bedroom.wake()

    assert held.result(SECONDS) == ANSWERED


@pytest.mark.parametrize("bedroom", [HASTY], indirect=True)
def test_a_client_that_is_no_browser_gets_503_when_its_time_is_over(bedroom: Bedroom) -> None:
    bedroom.put_to_sleep()

    started = time.monotonic()
    status, headers, body = bedroom.ask_whole(accept="application/json")

    assert time.monotonic() - started >= 0.2
    assert (status, headers["retry-after"], headers["x-preview-lane-served"]) == (503, "2", "payment=none")
    assert body == "Lane pr-4 is waking up. Its payment is not ready yet. Try again in 2 s.\n"


@pytest.mark.parametrize("bedroom", [HASTY], indirect=True)
def test_a_browser_gets_a_page_that_comes_again_by_itself(bedroom: Bedroom) -> None:
    bedroom.put_to_sleep()

    status, headers, body = bedroom.ask_whole(accept="text/html,application/xhtml+xml,*/*;q=0.8")

    assert (status, headers["retry-after"], headers["cache-control"]) == (503, "2", "no-store")
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert '<meta http-equiv="refresh" content="2">' in body
    assert "<h1>Lane pr-4 is waking up</h1>" in body


@pytest.mark.parametrize("bedroom", [HASTY], indirect=True)
def test_a_form_that_a_browser_sends_gets_no_page_that_would_lose_it(bedroom: Bedroom) -> None:
    bedroom.put_to_sleep()
    headers = bedroom.ask_whole(method="POST", accept="text/html")[1]
    assert headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("bedroom", [Limits(60, 2)], indirect=True)
def test_more_requests_than_may_be_held_are_told_to_come_again(bedroom: Bedroom) -> None:
    bedroom.put_to_sleep()
    held = [bedroom.asking() for _ in range(2)]
    wait_until(lambda: bedroom.held() == 2, what="two held requests")

    status, headers, _ = bedroom.ask_whole()

    assert (status, headers["retry-after"], headers["x-preview-lane-served"]) == (503, "5", "payment=none")
    bedroom.wake()
    assert {one.result(SECONDS) for one in held} == {ANSWERED}


def test_without_a_waker_the_answer_is_503_and_never_the_baseline(bedroom: Bedroom) -> None:
    bedroom.put_to_sleep()
    bedroom.router.stop()
    try:
        for answer in [bedroom.pool.submit(bedroom.ask_whole) for _ in range(10)]:
            status, headers, _ = answer.result(SECONDS)
            assert (status, headers["x-preview-lane-served"]) == (503, "payment=none")
            assert headers["retry-after"] == "5"
    finally:
        bedroom.router.start()
    bedroom.wake()
    wait_until(lambda: bedroom.ask() == ANSWERED, what="the lane's answer")


def test_a_request_that_waits_outlives_a_restart_of_the_router(bedroom: Bedroom) -> None:
    bedroom.put_to_sleep()
    held = bedroom.asking()
    wait_until(lambda: bedroom.held() == 1, what="the held request")

    bedroom.router.stop()
    bedroom.router.start()
    bedroom.wake()

    assert held.result(SECONDS) == ANSWERED


def test_a_request_that_waits_while_its_lane_ends_is_let_go(bedroom: Bedroom) -> None:
    bedroom.put_to_sleep()
    held = bedroom.asking()
    wait_until(lambda: bedroom.held() == 1, what="the held request")

    bedroom.store.delete(sleeper(LANE, "Sleeping"))

    assert held.result(SECONDS) == (200, "baseline", "payment=baseline")


def test_a_lane_that_falls_asleep_under_way_loses_no_request(bedroom: Bedroom) -> None:
    """Its pods still run while its requests are led away."""
    bedroom.wake()
    wait_until(lambda: bedroom.ask() == ANSWERED, what="the lane's answer")
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda _: bedroom.ask(), range(200))
        bedroom.put_to_sleep()
        bedroom.wake()
        assert set(answers) == {ANSWERED}


def test_a_woken_request_arrives_as_it_was_sent(bedroom: Bedroom) -> None:
    sent = {"Host": "payment", "X-Custom-Case": "1", "X-Forwarded-For": "10.0.0.1", "Te": "trailers", **TAG}
    bedroom.wake()
    wait_until(lambda: bedroom.ask() == ANSWERED, what="the lane's answer")
    direct = json.loads(get(bedroom.envoy.address, path="/a//b?c=%2F", headers=sent)[2])

    bedroom.put_to_sleep()
    held = bedroom.pool.submit(get, bedroom.envoy.address, path="/a//b?c=%2F", headers=sent)
    wait_until(lambda: bedroom.held() == 1, what="the held request")
    bedroom.wake()

    assert json.loads(held.result(SECONDS)[2]) == direct


def test_a_large_body_and_a_chunked_one_pass(bedroom: Bedroom) -> None:
    bedroom.put_to_sleep()
    sizes = [bedroom.pool.submit(post, bedroom, body) for body in (b"a" * 5_000_000, iter([b"b" * 1000] * 5))]
    wait_until(lambda: bedroom.held() == 2, what="two held requests")
    bedroom.wake()
    assert [one.result(SECONDS) for one in sizes] == [(200, LANE)] * 2


def post(bedroom: Bedroom, body: bytes) -> tuple[int, str]:
    connection = http.client.HTTPConnection(bedroom.envoy.address, FIRST_LISTENER, timeout=SECONDS)
    try:
        connection.request("POST", "/", body=body, headers=TAG)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())["name"]
    finally:
        connection.close()


def test_a_websocket_waits_and_is_carried_both_ways(bedroom: Bedroom) -> None:
    bedroom.put_to_sleep()
    upgrade = b"GET / HTTP/1.1\r\nhost: payment\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    with socket.create_connection((bedroom.envoy.address, FIRST_LISTENER), SECONDS) as connection:
        connection.sendall(upgrade + b"x-preview-lane: pr-4\r\n\r\n")
        wait_until(lambda: bedroom.held() == 1, what="the held request")
        bedroom.wake()
        stream = connection.makefile("rwb")
        assert b" 101 " in stream.readline()
        while stream.readline() != b"\r\n":
            pass
        stream.write(b"ping")
        stream.flush()
        assert stream.read(len(b"pr-4:ping")) == b"pr-4:ping"
        stream.close()


def test_a_tunnel_waits_as_any_request_does(bedroom: Bedroom) -> None:
    bedroom.put_to_sleep()
    with socket.create_connection((bedroom.envoy.address, FIRST_LISTENER), SECONDS) as connection:
        connection.sendall(b"CONNECT away:443 HTTP/1.1\r\nhost: away:443\r\nx-preview-lane: pr-4\r\n\r\n")
        wait_until(lambda: bedroom.held() == 1, what="the held request")
        bedroom.wake()
        connection.settimeout(SECONDS)
        assert connection.recv(64).startswith(b"HTTP/1.1 200 ")


def test_grpc_calls_and_streams_wait_and_are_answered(bedroom: Bedroom) -> None:
    server, where = grpc.server(ThreadPoolExecutor(4), handlers=[Doubler()]), address()
    server.add_insecure_port(f"{where}:8080")
    server.start()
    bedroom.put_to_sleep()
    target = f"{bedroom.envoy.address}:{FIRST_LISTENER}"
    with grpc.insecure_channel(target) as channel:
        call = channel.stream_stream("/s/double")(
            iter([b"a", b"b"]), timeout=SECONDS, metadata=list(TAG.items())
        )
        wait_until(lambda: bedroom.held() == 1, what="the held call")
        bedroom.wake(address=where)
        assert list(call) == [b"aa", b"bb"]
        assert call.code() is grpc.StatusCode.OK
    server.stop(None)


@pytest.mark.parametrize("bedroom", [HASTY], indirect=True)
def test_a_grpc_call_whose_time_is_over_is_unavailable(bedroom: Bedroom) -> None:
    bedroom.put_to_sleep()
    target = f"{bedroom.envoy.address}:{FIRST_LISTENER}"
    with grpc.insecure_channel(target) as channel, pytest.raises(grpc.RpcError) as found:
        channel.unary_unary("/s/one")(b"", timeout=10, metadata=list(TAG.items()))
    assert found.value.code() is grpc.StatusCode.UNAVAILABLE


class Doubler(grpc.GenericRpcHandler):
    """Answers each message of a stream with it twice."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.stream_stream_rpc_method_handler(lambda requests, context: (one * 2 for one in requests))


def test_requests_of_a_lane_are_noted_as_use_and_others_are_not(bedroom: Bedroom) -> None:
    bedroom.store.put(sleeper(LANE, "Ready"), endpoint_slice("payment", [bedroom.copy.address], LANE))
    wait_until(lambda: bedroom.router.notes.seen_chains, what="a report")
    for _ in range(10):
        get(bedroom.envoy.address)
    reports = bedroom.reports()
    wait_until(lambda: bedroom.reports() >= reports + 2, what="two more reports")
    assert bedroom.woken() == []

    wait_until(lambda: bedroom.ask() == ANSWERED, what="the lane's answer")
    wait_until(lambda: bedroom.woken() == [LANE], what="the note of use")

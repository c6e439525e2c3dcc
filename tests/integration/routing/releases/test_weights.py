"""While a release's weight changes, and while its pods come and go: nobody is interrupted or waits long."""

from __future__ import annotations

import time
from typing import Any

import pytest

from provisioner.release.model import Phase
from provisioner.routing.lineage import lacking
from tests.support.load import enough, load
from tests.support.many import ask
from tests.support.releasing import NAME, Releasing
from tests.support.routing import endpoint_slice, wait_until
from tests.support.wire import END, Wire, client, until

LANE = (200, NAME, None)
BASELINE = (200, "baseline", None)
TAG = {"x-preview-lane": NAME}
ROUTES = "http.payment_8080.rds.payment_8080/x-preview-lane.update_success"
CONFIGURED = ("listener_manager.lds.update_success", "cluster_manager.cds.update_success")


def test_a_change_of_weight_sends_routes_alone(releasing: Releasing) -> None:
    envoy = releasing.envoy
    before = [envoy.stat(name) for name in CONFIGURED]
    drained = envoy.stat("listener_manager.total_listeners_draining")
    for weight in (10, 50, 100, 0):
        releasing.step(weight)
    releasing.end()
    assert [envoy.stat(name) for name in CONFIGURED] == before
    assert envoy.stat("listener_manager.total_listeners_draining") == drained == 0


def test_streams_outlive_every_change_of_weight_on_the_side_where_they_began(releasing: Releasing) -> None:
    upgrade = b"GET / HTTP/1.1\r\nhost: payment\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
    address = releasing.envoy.address
    with client(address) as early, client(address) as late:
        early.sendall(upgrade)
        assert b" 101 " in until(early).splitlines()[0]
        releasing.step(100)
        late.sendall(upgrade)
        assert b" 101 " in until(late).splitlines()[0]
        for weight in (25, 100, 0):
            releasing.step(weight)
            for stream, name in ((early, b"baseline"), (late, NAME.encode())):
                stream.sendall(b"ping\n")
                assert until(stream, b"\n") == name + b":ping\n"


def test_a_request_in_flight_ends_where_it_began(releasing: Releasing) -> None:
    world = releasing.world
    asked: list[str] = []

    async def talk(reader: Any, writer: Any) -> None:
        """Answers when it is told to, by the rest of the body."""
        await reader.readuntil(END)
        asked.append("head")
        await reader.readexactly(4)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow")

    wire = Wire(world.thread, talk)
    try:
        world.store.put(endpoint_slice("payment", [wire.address], NAME))
        releasing.step(100)
        with client(releasing.envoy.address) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nhost: payment\r\ncontent-length: 4\r\n\r\n")
            wait_until(lambda: asked, what="the request at the copy")
            releasing.step(0)
            assert world.ask() == BASELINE
            connection.sendall(b"rest")
            assert until(connection, b"slow").startswith(b"HTTP/1.1 200 ")
    finally:
        wire.close()


def test_no_request_fails_while_the_weight_goes_up_and_to_nothing_in_the_middle_of_each_step(
    releasing: Releasing,
) -> None:
    with load(releasing.world, {}) as (untagged,):
        for weight in (10, 25, 50, 75, 100):
            releasing.step(weight)
            enough(untagged)
            releasing.step(0)
            enough(untagged)
    assert set(untagged) <= {LANE, BASELINE}
    assert untagged[LANE] > 30


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.ROLLING_BACK])
def test_going_back_takes_far_less_than_two_seconds(releasing: Releasing, phase: Phase) -> None:
    releasing.step(100)
    assert releasing.world.ask() == LANE
    start = time.monotonic()
    releasing.put(0, phase)
    wait_until(lambda: releasing.world.ask() == BASELINE, what="the baseline")
    assert time.monotonic() - start < 2
    assert {one.name for one in ask(releasing.envoy.address, [{}] * 200)} == {"baseline"}


def test_of_several_pods_one_that_dies_costs_no_request_that_had_not_been_sent(releasing: Releasing) -> None:
    """Discovery has not heard of it yet, and goes on not to."""
    releasing.bring(2)
    releasing.step(100)
    assert {releasing.world.ask() for _ in range(30)} == {LANE}
    releasing.copies[1].kill()
    answers = [releasing.world.ask() for _ in range(300)]
    assert set(answers) == {LANE}
    tagged = [releasing.world.ask(TAG) for _ in range(60)]
    assert set(tagged) == {(200, NAME, f"payment={NAME}")}


def test_of_several_pods_one_that_dies_under_load_costs_what_it_had_in_hands(releasing: Releasing) -> None:
    releasing.bring(2)
    releasing.step(100)
    with load(releasing.world, {}) as (untagged,):
        enough(untagged)
        releasing.copies[0].kill()
        enough(untagged, 200)
    failed = untagged.total() - untagged[LANE]
    assert failed <= 2, f"as many as there are clients: {untagged}"
    assert untagged[BASELINE] == 0, untagged


def test_while_it_has_no_pod_everybody_has_the_baseline_and_then_as_before(releasing: Releasing) -> None:
    releasing.step(100)
    for _ in range(2):
        releasing.show([])
        wait_until(lambda: releasing.taken() == 0, what="the share's pause")
        assert {releasing.world.ask() for _ in range(50)} == {BASELINE}
        releasing.show(releasing.copies)
        wait_until(lambda: releasing.taken() == 10_000, what="the share's return")
        assert {releasing.world.ask() for _ in range(50)} == {LANE}


@pytest.mark.parametrize("phase", [Phase.FINISHING, Phase.RESTORING])
def test_while_the_baseline_is_of_two_versions_nobody_is_left_to_it(
    releasing: Releasing, phase: Phase
) -> None:
    """And what nobody can answer says nothing of lanes to those who named none."""
    releasing.step(100, phase)
    releasing.show([])
    text = lacking("shop", NAME, "payment")
    wait_until(lambda: releasing.world.ask() == (503, text, None), what="503")
    assert releasing.taken() == 10_000
    assert releasing.world.ask(TAG) == (503, text, "payment=none")


def test_a_reply_of_envoys_own_says_nothing_of_lanes_either(releasing: Releasing) -> None:
    world = releasing.world
    releasing.step(0)
    world.store.put(endpoint_slice("payment", []))
    wait_until(lambda: world.ask()[0] == 503, what="no baseline")
    assert world.ask()[2] is None
    assert world.ask({"x-preview-lane": "pr-7"})[::2] == (503, "payment=none")


def test_counters_tell_both_sides_apart_and_leave_out_who_named_a_lane(releasing: Releasing) -> None:
    def count(side: str) -> int:
        return releasing.envoy.stat(f"vhost.payment.route.{side}.upstream_rq_2xx")

    before = count("baseline"), count("release")
    releasing.step(0)
    assert {one.name for one in ask(releasing.envoy.address, [{}] * 30)} == {"baseline"}
    releasing.step(100)
    assert {one.name for one in ask(releasing.envoy.address, [{}] * 20)} == {NAME}
    assert {one.name for one in ask(releasing.envoy.address, [TAG] * 10)} == {NAME}
    assert (count("baseline"), count("release")) == (before[0] + 30, before[1] + 20)


def test_a_router_that_comes_back_changes_nothing(releasing: Releasing) -> None:
    releasing.step(50)
    world, envoy = releasing.world, releasing.envoy
    before = [envoy.stat(name) for name in (*CONFIGURED, ROUTES)]
    world.router.stop()
    assert {name for _, name, _ in (world.ask() for _ in range(40))} == {NAME, "baseline"}
    world.router.start()
    wait_until(lambda: world.router.streams == 1, 20, "Envoy's return")
    releasing.step(75)
    after = [envoy.stat(name) for name in (*CONFIGURED, ROUTES)]
    assert after == [*before[:2], before[2] + 1], "what it had is not sent again"

"""Strict lanes through a real Envoy: where one has no ready copy nobody answers, and never the baseline."""

from __future__ import annotations

import pytest

from provisioner.routing.lineage import lacking
from tests.support.load import enough, load
from tests.support.routing import endpoint_slice, get, lane, wait_until
from tests.support.wire import client, until

TAG = {"x-preview-lane": "pr-4"}
MISSING = (503, lacking("shop", "pr-4", "payment"), "payment=none")
LANE = (200, "pr-4", "payment=pr-4")
PLAIN = (200, "baseline", None)
FELL_BACK = (200, "baseline", "payment=baseline")


def status(*own):
    services = [{"name": one, "inLane": True, "route": "none", "reason": "Changed"} for one in own]
    return {"phase": "Deploying", "services": services}


def brought(world, known, mode="members"):
    """The lane's mode and status become these."""
    world.store.put(lane("pr-4", known, mode=mode))


def missed(world, known=None, mode="members"):
    """A lane of which payment is missing, and the router knows it."""
    brought(world, known, mode)
    wait_until(lambda: world.ask(TAG) == MISSING, what="503")


def fell_back(world):
    wait_until(lambda: world.ask(TAG) == FELL_BACK, what="the baseline, which may answer for payment")


def test_a_copy_that_was_never_ready_is_answered_for_by_nobody(world):
    world.start()
    world.store.put(lane("pr-4", status("payment"), mode="members"))
    wait_until(lambda: world.ask(TAG)[0] == 503, what="503")
    assert world.ask(TAG) == MISSING
    assert world.ask() == PLAIN
    assert world.ask({"x-preview-lane": "pr-5"}) == FELL_BACK


def test_the_text_names_lane_and_service_and_is_plain(world):
    world.start()
    world.store.put(lane("pr-4", status("payment"), mode="members"))
    wait_until(lambda: world.ask(TAG)[0] == 503, what="503")
    _, headers, body = get(world.envoy.address, headers=TAG, method="POST", path="/orders?x=1")
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert b"lane pr-4 has no ready copy of payment" in body


def test_a_tunnel_to_a_copy_that_is_missing_gets_the_same(world):
    world.start()
    world.store.put(lane("pr-4", status("payment"), mode="members"))
    wait_until(lambda: world.ask(TAG)[0] == 503, what="503")
    with client(world.envoy.address) as connection:
        connection.sendall(b"CONNECT away:443 HTTP/1.1\r\nhost: away:443\r\nx-preview-lane: pr-4\r\n\r\n")
        assert until(connection).startswith(b"HTTP/1.1 503 ")


def test_before_anybody_knows_what_a_strict_lane_has_nobody_answers_in_it(world):
    world.start()
    missed(world)
    brought(world, status("orders"))
    fell_back(world)


def test_a_strict_lane_of_all_services_lacks_those_that_it_has_no_copy_of(world):
    world.start()
    missed(world, status("orders"), "all")


def test_a_copy_that_becomes_ready_answers_and_one_that_is_not_any_more_is_missed(world):
    world.start()
    copy = world.upstream("pr-4")
    world.store.put(lane("pr-4", status("payment"), mode="members"))
    for _ in range(2):
        world.store.put(endpoint_slice("payment", [copy.address], "pr-4"))
        wait_until(lambda: world.ask(TAG) == LANE, what="the copy")
        world.store.put(endpoint_slice("payment", [copy.address], "pr-4", ready=False))
        wait_until(lambda: world.ask(TAG) == MISSING, what="503")


@pytest.mark.parametrize("mode", ["members", "all"])
def test_a_copy_that_dies_under_load_is_never_stood_in_for_by_the_baseline(world, mode):
    world.start()
    copy = world.upstream("pr-4")
    world.store.put(
        lane("pr-4", status("payment"), mode=mode), endpoint_slice("payment", [copy.address], "pr-4")
    )
    wait_until(lambda: world.ask(TAG) == LANE, what="the copy")
    with load(world, {}, TAG) as (plain, tagged):
        enough(tagged)
        copy.kill()
        enough(tagged, 100)
    assert set(plain) == {PLAIN}
    assert tagged[MISSING] >= 98
    assert not any(name == "baseline" for _, name, _ in tagged), tagged


def test_a_change_of_mode_is_routed_at_once_and_both_ways(world):
    world.start()
    missed(world, status("payment"))
    brought(world, status("payment"), "loose")
    fell_back(world)
    missed(world, status("payment"), "all")


def test_a_strict_lane_that_ended_is_like_one_that_never_was(world):
    world.start()
    missed(world, status("payment"), "all")
    brought(world, {"phase": "Terminating"}, "all")
    fell_back(world)


def test_two_strict_lanes_of_one_cluster_are_missed_each_by_its_name(world):
    world.start()
    world.store.put(*(lane(name, status("payment"), mode="all") for name in ("pr-4", "pr-5")))
    wait_until(lambda: world.ask(TAG)[0] == 503, what="503")
    for name in ("pr-4", "pr-5"):
        answer = world.ask({"x-preview-lane": name})
        assert answer == (503, lacking("shop", name, "payment"), "payment=none")


def test_an_upgrade_and_a_lane_in_the_baggage_are_answered_alike(world):
    world.start()
    world.store.put(lane("pr-4", status("payment"), mode="all"))
    wait_until(lambda: world.ask(TAG)[0] == 503, what="503")
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "baggage": "preview-lane=pr-4"}
    assert world.ask(upgrade) == MISSING

"""Lanes and processes that come, go and die while requests run: who answers, and that nobody fails."""

from __future__ import annotations

from tests.support.load import enough, load
from tests.support.routing import endpoint_slice, lane, wait_until

TAG = {"x-preview-lane": "pr-4"}
PLAIN = (200, "baseline", None)
LANE = (200, "pr-4", "payment=pr-4")
FELL_BACK = (200, "baseline", "payment=baseline")


def test_a_copy_that_dies_unannounced_is_stood_in_for_by_the_baseline(world):
    world.start()
    copy = world.open_lane("pr-4")
    assert world.ask(TAG) == LANE
    copy.kill()
    for _ in range(50):
        assert world.ask(TAG) == FELL_BACK
    copy.start()
    wait_until(lambda: world.ask(TAG) == LANE, what="the copy's return")


def test_under_load_a_dying_copy_costs_at_most_the_requests_it_had(world):
    world.start()
    copy = world.open_lane("pr-4")
    with load(world, {}, TAG) as (plain, tagged):
        enough(tagged)
        copy.kill()
        enough(tagged, 200)
    assert set(plain) == {PLAIN}
    failed = sum(count for (status, *_), count in tagged.items() if status != 200)
    assert failed <= 2, tagged  # two threads, so at most two requests can have been in the copy's hands
    assert tagged[FELL_BACK] >= 198


def test_lanes_that_open_and_close_harm_no_request(world):
    world.start()
    world.open_lane("pr-1")
    copy = world.upstream("pr-4")
    objects = lane("pr-4"), endpoint_slice("payment", [copy.address], "pr-4")
    with load(world, {}, TAG, {"x-preview-lane": "pr-1"}) as (plain, tagged, other):
        for _ in range(5):
            world.store.put(*objects)
            wait_until(lambda: world.ask(TAG) == LANE, what="the lane's first answer")
            enough(tagged)
            world.store.delete(*objects)
            wait_until(lambda: world.ask(TAG) == FELL_BACK, what="the end of the lane")
            enough(tagged)
    assert set(plain) == {PLAIN}
    assert set(tagged) == {LANE, FELL_BACK}
    assert set(other) == {(200, "pr-1", "payment=pr-1")}


def test_a_copy_that_is_not_ready_gets_no_request(world):
    world.start()
    copy = world.open_lane("pr-4")
    world.store.put(endpoint_slice("payment", [copy.address], "pr-4", ready=False))
    wait_until(lambda: world.ask(TAG) == FELL_BACK, what="the baseline's answer")


def test_a_lane_that_ends_is_left_before_its_pods_are(world):
    world.start()
    world.open_lane("pr-4")
    world.store.put({**lane("pr-4"), "status": {"phase": "Terminating"}})
    wait_until(lambda: world.ask(TAG) == FELL_BACK, what="the baseline's answer")


def test_without_a_baseline_nobody_is_sent_to_a_lane_that_did_not_ask_for_it(world):
    world.start()
    world.open_lane("pr-4")
    world.store.put(endpoint_slice("payment", []))
    wait_until(lambda: world.ask()[0] == 503, what="503 without a baseline")
    assert world.ask()[2] is None
    assert world.ask({"x-preview-lane": "pr-5"})[::2] == (503, "payment=none")
    assert world.ask(TAG) == LANE


def test_without_anyone_a_tagged_request_hears_that_nobody_answered(world):
    world.start()
    copy = world.open_lane("pr-4")
    copy.kill()
    world.baseline.kill()
    assert world.ask(TAG)[::2] == (503, "payment=none")
    assert world.ask()[::2] == (503, None)


def test_a_new_baseline_pod_serves_untagged_and_fallen_back_requests(world):
    world.start()
    successor = world.upstream("successor")
    world.store.put(endpoint_slice("payment", [successor.address]))
    wait_until(lambda: world.who() == "successor", what="the new pod's answer")
    wait_until(lambda: world.who({"x-preview-lane": "pr-9"}) == "successor", what="the new pod's answer")


def test_a_restarted_router_sends_nothing_that_envoy_has(world):
    world.start()
    world.open_lane("pr-4")
    names = ("cluster_manager.cds.update_success", "listener_manager.lds.update_success")
    before = [world.envoy.stat(name) for name in names] + [endpoint_updates(world)]
    with load(world, {}, TAG) as (plain, tagged):
        world.router.stop()
        enough(tagged)
        world.router.start()
        wait_until(lambda: world.router.streams == 1, what="Envoy's return")
        enough(tagged, 100)
    assert [world.envoy.stat(name) for name in names] + [endpoint_updates(world)] == before
    assert set(plain) == {PLAIN}
    assert set(tagged) == {LANE}


def endpoint_updates(world):
    return world.envoy.stat(r"cluster.payment_8080/lanes/0.update_success")


def test_a_router_that_knows_nothing_yet_takes_nothing_away(world):
    world.start()
    world.open_lane("pr-4")
    world.router.stop()
    world.store.hold_lists(True)
    world.router.start()
    wait_until(lambda: world.router.streams == 1, what="Envoy's return")
    for _ in range(20):
        assert world.ask(TAG) == LANE
    assert world.router.state.missing
    world.store.hold_lists(False)
    wait_until(lambda: not world.router.state.missing, what="the lists")
    assert world.ask(TAG) == LANE


def test_what_changed_while_the_router_was_away_is_made_up_for(world):
    world.start()
    world.open_lane("pr-4")
    world.router.stop()
    world.store.delete(lane("pr-4"))
    assert world.ask(TAG) == LANE
    world.router.start()
    wait_until(lambda: world.ask(TAG) == FELL_BACK, what="the end of the lane")


def test_envoy_is_not_ready_before_its_configuration_arrived(world):
    world.store.hold_lists(True)
    try:
        world.start_unready()
        wait_until(lambda: world.router.streams == 1, what="Envoy's connection")
        assert not world.envoy.is_ready()
    finally:
        world.store.hold_lists(False)
    world.envoy.wait_ready()
    assert world.ask() == PLAIN

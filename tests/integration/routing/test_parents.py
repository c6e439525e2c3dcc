"""Lanes of stacked pull requests through a real Envoy: what a lane lacks its ancestors answer."""

from __future__ import annotations

from itertools import pairwise

import pytest

from provisioner.names import shard
from provisioner.routing.lineage import ANCESTORS, lacking
from tests.support.load import enough, load
from tests.support.routing import chain, endpoint_slice, lane, wait_until

PARENT, CHILD = {"x-preview-lane": "pr-1"}, {"x-preview-lane": "pr-2"}
LENT = (200, "pr-1", "payment=pr-1")
OWN = (200, "pr-2", "payment=pr-2")
FELL_BACK = (200, "baseline", "payment=baseline")
PLAIN = (200, "baseline", None)


@pytest.fixture(params=["one cluster", "two clusters"])
def stack(world, request):
    """A parent with a copy of payment and a child without one, in one shard and in different ones."""
    wanted = chain(max_lanes=50 if request.param == "one cluster" else 400)
    together = shard("pr-1", wanted.shards) == shard("pr-2", wanted.shards)
    assert together == (request.param == "one cluster")
    world.start(wanted)
    world.lent = world.open_lane("pr-1")
    world.store.put(lane("pr-2", parent="pr-1"))
    wait_until(lambda: world.ask(CHILD) == LENT, what="the parent's copy")
    return world


def test_what_a_child_lacks_its_parent_answers_and_says_so(stack):
    for _ in range(10):
        assert stack.ask(CHILD) == LENT
        assert stack.ask(PARENT) == LENT
    assert stack.ask() == PLAIN
    assert stack.ask({"x-preview-lane": "pr-3"}) == FELL_BACK


def test_its_own_copy_comes_first_and_the_parents_again_when_it_is_not_ready(stack):
    copy = stack.upstream("pr-2")
    stack.store.put(endpoint_slice("payment", [copy.address], "pr-2"))
    wait_until(lambda: stack.ask(CHILD) == OWN, what="the child's own copy")
    assert stack.ask(PARENT) == LENT
    stack.store.put(endpoint_slice("payment", [copy.address], "pr-2", ready=False))
    wait_until(lambda: stack.ask(CHILD) == LENT, what="the parent's copy")


def test_a_parent_that_ends_hands_its_children_to_the_baseline_and_takes_them_back(stack):
    with load(stack, {}, CHILD) as (plain, tagged):
        for _ in range(3):
            stack.store.put(lane("pr-1", {"phase": "Terminating"}))
            wait_until(lambda: stack.ask(CHILD) == FELL_BACK, what="the baseline")
            stack.store.put(lane("pr-1"))
            wait_until(lambda: stack.ask(CHILD) == LENT, what="the parent's copy")
            enough(tagged)
    assert set(plain) == {PLAIN}
    assert set(tagged) == {LENT, FELL_BACK}


def test_a_parents_copy_that_dies_is_stood_in_for_by_the_baseline(stack):
    stack.lent.kill()
    for _ in range(20):
        assert stack.ask(CHILD) == FELL_BACK


def test_a_retargeted_child_changes_parents(stack):
    stack.open_lane("pr-7")
    stack.store.put(lane("pr-2", parent="pr-7"))
    wait_until(lambda: stack.ask(CHILD)[1] == "pr-7", what="the other parent's copy")
    stack.store.put(lane("pr-2"))
    wait_until(lambda: stack.ask(CHILD) == FELL_BACK, what="the baseline")


def test_a_strict_child_takes_what_is_not_its_own_and_nothing_for_what_is(stack):
    nothing = {"phase": "Ready", "services": []}
    own = {"phase": "Deploying", "services": [{"name": "payment", "inLane": True, "route": "none"}]}
    stack.store.put(lane("pr-2", nothing, parent="pr-1", mode="members"))
    assert_stays(stack, LENT)
    stack.store.put(lane("pr-2", own, parent="pr-1", mode="members"))
    wait_until(lambda: stack.ask(CHILD)[0] == 503, what="503")
    assert stack.ask(CHILD)[1] == lacking("shop", "pr-2", "payment")


def assert_stays(world, answer):
    """The answer is this before and after something that comes later has been routed."""
    world.open_lane("pr-8")
    assert world.ask(CHILD) == answer


def test_of_a_line_of_lanes_the_nearest_answers_and_only_so_many_are_asked(world):
    world.start()
    world.open_lane("pr-0")
    names = [f"pr-{number}" for number in range(ANCESTORS + 2)]
    world.store.put(*(lane(name, parent=above) for above, name in pairwise(names)))
    nearest, furthest = ({"x-preview-lane": names[place]} for place in (-2, -1))
    wait_until(lambda: world.ask(nearest) == (200, "pr-0", "payment=pr-0"), what="the first of the line")
    assert world.ask(furthest) == FELL_BACK
    world.open_lane("pr-1")
    world.store.put(lane("pr-1", parent="pr-0"))
    wait_until(lambda: world.ask(furthest) == (200, "pr-1", "payment=pr-1"), what="a nearer one")


def test_lanes_that_are_each_others_parents_are_no_harm(world):
    world.start()
    world.open_lane("pr-1")
    world.store.put(lane("pr-1", parent="pr-2"), lane("pr-2", parent="pr-1"))
    wait_until(lambda: world.ask(CHILD) == LENT, what="the other's copy")
    assert world.ask(PARENT) == LENT

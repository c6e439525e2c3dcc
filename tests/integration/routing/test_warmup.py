"""How a real Envoy eases in what is new, and what it does when everything is."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.chain.model import Warmup
from tests.support.routing import chain, endpoint_slice, lane, wait_until

TAG = {"x-preview-lane": "pr-4"}
LONG = Warmup(timedelta(minutes=30), minimum_percent=10)  # far longer than a test takes
SHORT = Warmup(timedelta(seconds=4), minimum_percent=10)
EARLY = SHORT.duration.total_seconds() / 4  # a new pod has at most a third of an old one's share until then


def start(world, warmup):
    world.start(replace(chain(), warmup=warmup))


def shares(world, headers=None, requests=200):
    return Counter(world.who(headers) for _ in range(requests))


def are_now(world, addresses, of=""):
    """The pods of the baseline, or of a lane, are these now, and Envoy knows."""
    world.store.put(endpoint_slice("payment", addresses, of))
    wait_until(lambda: all(one in world.envoy.admin("/clusters") for one in addresses), what="the endpoints")


def early_share(world, old, of, headers):
    """Which part of the requests a pod gets that has just come beside an old one."""
    new = world.upstream("new")
    are_now(world, [old.address, new.address], of)
    seen, ends = Counter(), time.monotonic() + EARLY
    while time.monotonic() < ends:
        seen[world.who(headers)] += 1
    are_now(world, [old.address], of)
    return seen["new"] / max(1, seen.total())


@pytest.mark.parametrize("where", ["baseline", "lane"])
def test_a_new_pod_beside_an_old_one_begins_with_a_small_share(world, where):
    start(world, SHORT)
    old, of, headers = (world.open_lane("pr-4"), "pr-4", TAG) if where == "lane" else (world.baseline, "", {})
    # an even share is what it gets as long as the old one is new itself
    wait_until(lambda: 0 < early_share(world, old, of, headers) < 0.35, 60, "a small share")


def test_after_its_time_it_has_its_full_share(world):
    start(world, SHORT)
    successor = world.upstream("successor")
    are_now(world, [world.baseline.address, successor.address])
    for headers in ({}, {"x-preview-lane": "pr-9"}):
        wait_until(lambda one=headers: shares(world, one)["successor"] in range(90, 111), 30, "an even share")


def test_pods_that_are_all_new_share_evenly_and_at_once(world):
    start(world, LONG)
    copies = [world.upstream(name) for name in ("one", "other")]
    world.store.put(lane("pr-4"))
    are_now(world, [one.address for one in copies], "pr-4")
    found = shares(world, TAG)
    assert found.total() == 200 and found["one"] in range(90, 111) and found["other"] in range(90, 111)


def test_the_only_pod_of_a_lane_gets_every_request_from_the_first_on(world):
    start(world, LONG)
    world.open_lane("pr-4")
    assert shares(world, TAG) == {"pr-4": 200}
    assert shares(world) == {"baseline": 200}

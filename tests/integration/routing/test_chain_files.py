"""Chain files that change under a running router: what they say is routed, and no request is lost by it."""

from __future__ import annotations

import collections
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from provisioner.chain.model import Carriers, Chain
from provisioner.errors import ConfigError
from provisioner.names import shard
from provisioner.routing.envoy.node import FIRST_LISTENER
from tests.support.routing import Envoy, chain, endpoint_slice, get, lane, twin, wait_until

TAG = {"x-preview-lane": "pr-4"}
PLAIN = (200, "baseline", None)
ORDERS = FIRST_LISTENER + 1
LANE = (200, "pr-4", "payment=pr-4")


@contextmanager
def requests(world: Any) -> Iterator[dict[str, collections.Counter[Any]]]:
    """Plain and tagged requests all the while; counts of what they got."""
    got = {"plain": collections.Counter[Any](), "tagged": collections.Counter[Any]()}
    stop = threading.Event()

    def ask(kind: str, headers: dict[str, str]) -> None:
        while not stop.wait(0.002):
            got[kind][world.ask(headers)] += 1

    threads = [threading.Thread(target=ask, args=one) for one in (("plain", {}), ("tagged", TAG))]
    for thread in threads:
        thread.start()
    try:
        yield got
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def write(world: Any, *chains: Chain) -> None:
    """Changes the files, and waits until what they say is routed."""
    before = world.router.state.view
    world.router.files.write(*chains)
    wait_until(lambda: world.router.state.view is not before, what="the new files are routed")


def test_services_carriers_and_limits_of_new_files_are_routed_and_no_request_is_lost(world: Any) -> None:
    orders, copy = world.upstream("orders"), world.upstream("orders pr-4")
    world.store.put(twin("orders", ORDERS), endpoint_slice("orders", [orders.address]))
    world.store.put(endpoint_slice("orders", [copy.address], "pr-4"))
    world.start(chain(("payment", "orders")), listeners=(FIRST_LISTENER, ORDERS))
    world.open_lane("pr-4")

    def of_orders() -> str | None:
        return get(world.envoy.address, ORDERS, headers=TAG)[1].get("x-preview-lane-served")

    with requests(world) as got:
        write(world, chain(("payment",)))  # orders is still attached, so its requests still come this way
        assert get(world.envoy.address, ORDERS)[0] == 200
        write(world, chain(("payment", "orders"), max_lanes=300))
        wait_until(lambda: of_orders() == "orders=pr-4", what="the lane of the service that came back")
        write(world, replace(chain(), carriers=Carriers("x-team-lane")))
        wait_until(lambda: world.who({"x-team-lane": "pr-4"}) == "pr-4", what="the new carrier")
        write(world, chain())
        wait_until(lambda: world.ask(TAG) == LANE, what="the old carrier")

    assert set(got["plain"]) == {PLAIN}
    assert set(got["tagged"]) <= {LANE, PLAIN}  # plain while the header had another name
    assert got["tagged"][LANE]


@pytest.mark.parametrize(("before", "after"), [(50, 3000), (3000, 50)])
def test_a_lane_is_never_the_baselines_while_another_number_of_shards_comes(
    world: Any, before: int, after: int
) -> None:
    world.start(chain(max_lanes=before))
    world.open_lane("pr-4")
    assert shard("pr-4", chain(max_lanes=3000).shards) != shard("pr-4", chain(max_lanes=50).shards)

    with requests(world) as got:
        world.router.stop()
        world.router.files.write(chain(max_lanes=after))
        world.router.start()
        world.open_lane("pr-5")  # what the new router says has arrived

    assert set(got["plain"]) == {PLAIN}
    assert set(got["tagged"]) == {LANE}


def test_envoys_with_different_numbers_of_shards_are_told_of_the_same_lanes(world: Any) -> None:
    world.start(chain(max_lanes=50))
    world.open_lane("pr-4")
    world.router.stop()
    world.router.files.write(chain(max_lanes=3000))
    world.router.start()
    second = world.another_envoy()

    world.open_lane("pr-5")
    wait_until(lambda: who(second, "pr-5") == "pr-5", what="the new lane at the second Envoy")
    assert who(second, "pr-4") == "pr-4"

    world.store.put(endpoint_slice("payment", [], "pr-5"))
    for envoy in (world.envoy, second):
        wait_until(partial(answers, envoy, "pr-5", "baseline"), what="the copy is gone at both")
    clusters = [envoy.stat("cluster_manager.active_clusters") for envoy in (world.envoy, second)]
    assert clusters[0] < clusters[1]


def who(envoy: Envoy, name: str) -> str:
    """Who answers a lane's request at an Envoy, by its own word."""
    status, _, body = get(envoy.address, headers={"x-preview-lane": name})
    return str(json.loads(body)["name"]) if status == 200 else body.decode()


def answers(envoy: Envoy, name: str, wanted: str) -> bool:
    return who(envoy, name) == wanted


def test_an_unchanged_chain_is_not_sent_again(world: Any) -> None:
    world.start()
    world.open_lane("pr-4")
    updates = world.envoy.stat("cluster_manager.cluster_modified")

    write(world, chain(), replace(chain(), name="other"))
    world.open_lane("pr-5")

    assert world.envoy.stat("cluster_manager.cluster_modified") == updates


def test_wrong_files_and_a_chain_that_no_file_describes_take_nothing_away(world: Any) -> None:
    world.start()
    world.open_lane("pr-4")

    world.router.files.problem = ConfigError("chain: is required", where="shop.yaml:1")
    assert (
        "what the files said before is used: shop.yaml:1: chain: is required" in world.router.watching.problem
    )
    write(world, replace(chain(), name="other"))

    assert world.ask(TAG) == LANE
    assert world.ask() == PLAIN


def test_until_all_of_new_files_is_known_the_old_are_routed_and_that_is_said(world: Any) -> None:
    world.start()
    world.open_lane("pr-4")
    before = world.router.state.view

    world.store.hold_lists(True)
    world.router.files.write(chain(("payment", "orders")))
    wait_until(lambda: "EndpointSlice in shop" in world.router.watching.problem, what="what is missing")
    world.store.put(lane("pr-4", marked=True))
    assert world.router.state.view is before
    assert world.ask(TAG) == LANE

    world.store.hold_lists(False)
    wait_until(lambda: world.router.state.view is not before, what="the new files are routed")
    assert world.router.watching.problem == ""
    assert world.ask(TAG) == LANE

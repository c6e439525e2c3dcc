"""Limits against a real API: who is over one waits, and starts when there is room."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from provisioner.chain.model import WhenFull
from provisioner.cluster import Cluster
from provisioner.events import Kind
from provisioner.lane import store as lanes
from provisioner.lane.record import record
from provisioner.lane.usage import ClusterNotes
from provisioner.reconcile import Outcome, converge
from tests.support.devcluster import Devcluster
from tests.support.shop import Shop, open_shop

Json = dict[str, Any]


@pytest.fixture
def shop(tmp_path: Path, cluster: Cluster) -> Shop:
    shop = open_shop(tmp_path, cluster, f"shop-{uuid4().hex[:8]}")
    shop.clock.now = datetime.now(UTC)  # Lanes are created by the API server's clock
    return shop


def limited(shop: Shop, **limits: Any) -> Shop:
    """The shop with these limits in its chain's file."""
    shop.chain = replace(shop.chain, lifecycle=replace(shop.chain.lifecycle, **limits))
    return shop


def recorded(shop: Shop, branch: str, *changed: str, author: str = "ada") -> None:
    head = shop.origin.branch(branch, dict.fromkeys(changed or ("payment/app.py",), "2"))
    record(shop.event(Kind.OPENED, branch, sha=head, author=author), shop.chain, shop.world)


def opened(shop: Shop, branch: str, *changed: str, author: str = "ada") -> Outcome:
    recorded(shop, branch, *changed, author=author)
    return converge(shop.chain, branch, shop.world)


def closed(shop: Shop, branch: str) -> None:
    record(shop.event(Kind.CLOSED, branch), shop.chain, shop.world)
    converge(shop.chain, branch, shop.world)
    shop.clock.step(3)
    converge(shop.chain, branch, shop.world)


def status(shop: Shop, branch: str) -> Json:
    found = lanes.read(shop.cluster, shop.chain.name, branch)
    assert found is not None
    return found.status


def ready(shop: Shop, branch: str) -> Json:
    found: Json = next(one for one in status(shop, branch)["conditions"] if one["type"] == "Ready")
    return found


def test_a_lane_over_the_limit_is_pending_with_its_place_in_the_queue_and_owns_nothing(shop: Shop) -> None:
    limited(shop, max_lanes=1)
    assert opened(shop, "first").phase == "Deploying"
    assert opened(shop, "second").phase == "Pending"
    opened(shop, "third")
    assert ready(shop, "second")["reason"] == "ChainIsFull"
    assert ready(shop, "second")["message"].startswith("number 1 in the queue: ")
    assert ready(shop, "third")["message"].startswith("number 2 in the queue: ")
    assert (shop.owned("second"), shop.owned("third")) == ({}, {})


def test_a_waiting_lane_says_what_it_will_be(shop: Shop) -> None:
    limited(shop, max_lanes=1)
    opened(shop, "first")
    opened(shop, "second", "orders/app.py")
    found = status(shop, "second")
    assert [one["name"] for one in found["services"] if one["inLane"]] == ["orders"]
    assert found["summary"] == "0/1"
    assert {one["route"] for one in found["services"]} == {"baseline"}


def test_a_waiting_lane_starts_when_there_is_room_and_says_how_long_it_waited(shop: Shop) -> None:
    limited(shop, max_lanes=1)
    opened(shop, "first")
    opened(shop, "second")
    closed(shop, "first")
    shop.clock.step(60)
    assert converge(shop.chain, "second", shop.world).phase == "Deploying"
    assert set(shop.owned("second")) == {"Deployment/payment--second", "Service/payment--second"}
    line = status(shop, "second")["timeline"]
    assert [one["event"] for one in line] == ["Opened", "Waiting", "Admitted", "Applied"]
    assert line[2]["seconds"] >= 60


def test_a_lane_that_waits_is_not_passed_by_a_later_one(shop: Shop) -> None:
    limited(shop, max_lanes=1)
    opened(shop, "a")
    opened(shop, "b")
    recorded(shop, "c")
    closed(shop, "a")
    assert converge(shop.chain, "c", shop.world).phase == "Pending"
    assert converge(shop.chain, "b", shop.world).phase == "Deploying"


def test_a_lane_that_closes_while_it_waits_leaves_the_queue(shop: Shop) -> None:
    limited(shop, max_lanes=1)
    for branch in ("a", "b", "c"):
        opened(shop, branch)
    closed(shop, "b")
    converge(shop.chain, "c", shop.world)
    assert ready(shop, "c")["message"].startswith("number 1 in the queue: ")


def test_an_author_has_so_many_lanes_and_others_start(shop: Shop) -> None:
    limited(shop, max_per_author=1)
    opened(shop, "a", author="ada")
    assert opened(shop, "b", author="ada").phase == "Pending"
    assert ready(shop, "b")["reason"] == "AuthorHasEnough"
    assert opened(shop, "c", author="bob").phase == "Deploying"


def test_the_pod_budget_counts_the_copies_of_all_lanes(shop: Shop) -> None:
    limited(shop, max_pods=3)
    opened(shop, "a", "payment/app.py", "orders/app.py")
    assert opened(shop, "b", "payment/app.py", "orders/app.py").phase == "Pending"
    assert ready(shop, "b")["reason"] == "PodBudgetSpent"
    assert opened(shop, "words", "README.md").phase == "Ready"


def test_lanes_of_other_chains_count_towards_the_total(shop: Shop, tmp_path: Path, cluster: Cluster) -> None:
    other = open_shop(tmp_path / "other", cluster, f"other-{uuid4().hex[:8]}")
    opened(other, "a")
    held = sum(one.phase != "Pending" for one in lanes.every(cluster))
    settings = shop.world.settings.model_copy(update={"max_lanes_total": held})
    shop.world = replace(shop.world, settings=settings)
    assert opened(shop, "b").phase == "Pending"
    assert ready(shop, "b")["reason"] == "ClusterIsFull"


def seen(shop: Shop) -> None:
    """The chain's use has been seen for an hour."""
    notes = ClusterNotes(shop.cluster, shop.world.settings.namespace)
    for minutes in range(60, -1, -1):
        notes.seen(shop.chain.name, shop.clock.now - timedelta(minutes=minutes))


def rolled_out(shop: Shop, branch: str) -> None:
    """The lane's copies run, and a run has seen it."""
    for one in shop.owned(branch).values():
        if one["kind"] == "Deployment":
            count = one["spec"]["replicas"]
            found = {"replicas": count, "updatedReplicas": count, "readyReplicas": count}
            patch = {"status": {**found, "observedGeneration": one["metadata"].get("generation", 1)}}
            shop.cluster.merge("Deployment", one["metadata"]["name"], patch, shop.chain.name, "status")
    converge(shop.chain, branch, shop.world)


@pytest.mark.parametrize("limits", [{"max_lanes": 2}, {"max_pods": 2}])
def test_the_longest_idle_lane_makes_room_where_the_chain_says_so(shop: Shop, limits: Json) -> None:
    limited(shop, when_full=WhenFull.SLEEP, idle=None, **limits)
    for branch in ("old", "young"):
        opened(shop, branch)
        rolled_out(shop, branch)
        shop.clock.step(600)
    seen(shop)

    found = opened(shop, "new")
    assert (found.phase, found.again) == ("Pending", 60)
    assert "restAskedAt" not in status(shop, "young")
    assert converge(shop.chain, "old", shop.world).phase == "Sleeping"
    shop.clock.step(3)
    converge(shop.chain, "old", shop.world)

    assert converge(shop.chain, "new", shop.world).phase == "Deploying"
    assert shop.owned("old")["Deployment/payment--old"]["spec"]["replicas"] == 0
    assert status(shop, "young")["phase"] == "Ready"


def test_nobody_makes_room_whose_use_is_not_seen(shop: Shop) -> None:
    limited(shop, when_full=WhenFull.SLEEP, max_lanes=1)
    opened(shop, "old")
    rolled_out(shop, "old")
    shop.clock.step(600)
    assert opened(shop, "new").phase == "Pending"
    assert "restAskedAt" not in status(shop, "old")


def test_a_push_to_a_waiting_lane_keeps_its_place(shop: Shop) -> None:
    limited(shop, max_lanes=1)
    opened(shop, "a")
    opened(shop, "b")
    opened(shop, "c")
    head = shop.origin.commit("b", {"orders/app.py": "3"})
    record(shop.event(Kind.PUSHED, "b", sha=head), shop.chain, shop.world)
    assert converge(shop.chain, "b", shop.world).phase == "Pending"
    assert ready(shop, "b")["message"].startswith("number 1 in the queue: ")


def test_two_workers_at_once_let_in_one_lane(shop: Shop) -> None:
    limited(shop, max_lanes=1)
    recorded(shop, "a")
    recorded(shop, "b")
    with ThreadPoolExecutor(2) as workers:
        phases = workers.map(lambda branch: converge(shop.chain, branch, shop.world).phase, ("b", "a"))
    assert sorted(phases) == ["Deploying", "Pending"]


def test_a_lane_whose_status_was_wiped_keeps_running_although_the_chain_is_full(shop: Shop) -> None:
    limited(shop, max_lanes=2)
    opened(shop, "a")
    opened(shop, "b")
    wiped = dict.fromkeys(status(shop, "b"))
    shop.cluster.merge("Lane", f"{shop.chain.name}.b", {"status": wiped}, subresource="status")
    limited(shop, max_lanes=1)
    assert converge(shop.chain, "b", shop.world).phase == "Deploying"
    assert shop.owned("b")


def test_a_lane_that_was_let_in_is_never_asked_again(shop: Shop, dev: Devcluster) -> None:
    limited(shop, max_lanes=1)
    opened(shop, "a")
    dev.requests(reset=True)
    converge(shop.chain, "a", shop.world)
    assert not [
        one for one in dev.requests() if (one["verb"], one["resource"]) == ("list", "lanes.laneway.dev")
    ]

"""The lane of a release lives by its release alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from provisioner.chain.model import Lifecycle
from provisioner.events import Kind
from provisioner.lane import store as lanes
from provisioner.lane.record import record
from provisioner.reconcile import converge
from provisioner.release import store
from provisioner.release.model import Phase
from provisioner.sweep import released
from provisioner.sweep.sweep import sweep
from tests.support.releaseshop import NEW, STRATEGY, ReleaseShop

SCALER = "HorizontalPodAutoscaler"


def scaler(shop: ReleaseShop, name: str) -> dict[str, Any] | None:
    return shop.cluster.get(SCALER, name, shop.namespace)


@pytest.fixture
def scaled(shop: ReleaseShop) -> Iterator[ReleaseShop]:
    """The baseline of orders has an autoscaler, which has made eight pods of it."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "orders"}
    usage = {"type": "Utilization", "averageUtilization": 70}
    made = {
        "apiVersion": "autoscaling/v2",
        "kind": SCALER,
        "metadata": {"name": "orders", "namespace": shop.namespace},
        "spec": {
            "scaleTargetRef": target,
            "minReplicas": 2,
            "maxReplicas": 10,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": usage}}],
        },
    }
    shop.cluster.create(made)
    shop.cluster.merge("Deployment", "orders", {"spec": {"replicas": 8}}, shop.namespace)
    shop.pods()
    yield shop


def test_it_sleeps_never_has_no_ttl_and_takes_no_place_of_others(shop: ReleaseShop) -> None:
    life = Lifecycle(ttl=timedelta(minutes=1), idle=timedelta(seconds=1), max_lanes=1)
    shop.chain = replace(shop.chain, lifecycle=life)
    shop.begin()
    shop.until(lambda one: one.weight == 25)
    shop.say(paused=True)
    shop.reaches(Phase.PAUSED)
    shop.shop.clock.step(7200)
    converge(shop.chain, "v2", shop.shop.world)
    sweep([shop.chain], shop.shop.world, dry_run=False, confirm=True, enqueue=lambda *_: None)
    lane = shop.lane()
    assert lane is not None and (lane.wanted, lane.phase) == (True, "Ready")

    head = shop.shop.origin.branch("faster", {"payment/app.py": "2"})
    record(shop.shop.event(Kind.OPENED, "faster", sha=head), shop.chain, shop.shop.world)
    assert converge(shop.chain, "faster", shop.shop.world).phase == "Deploying"


def test_a_branch_of_its_name_is_no_member_of_it(shop: ReleaseShop) -> None:
    shop.begin()
    shop.reaches(Phase.PROGRESSING)
    head = shop.shop.origin.branch("v2", {"payment/app.py": "2"})
    record(shop.shop.event(Kind.OPENED, "v2", sha=head), shop.chain, shop.shop.world)
    lane = shop.lane()
    assert lane is not None and lane.members == ()
    assert shop.ends().phase is Phase.SUCCEEDED


def test_copies_stay_as_they_were_derived_whatever_happens_to_the_baseline(shop: ReleaseShop) -> None:
    shop.begin()
    shop.until(lambda one: one.weight == 25)
    before = shop.copies()["orders"]["spec"]["template"]
    shop.edit("orders", env=[{"name": "LEVEL", "value": "debug"}])
    shop.reaches(Phase.PAUSED)
    for _ in range(3):
        shop.turn()
    assert shop.copies()["orders"]["spec"]["template"] == before


def test_a_copy_has_an_autoscaler_of_its_own_where_its_baseline_has_one(scaled: ReleaseShop) -> None:
    scaled.begin()
    scaled.until(lambda one: one.weight == 25)
    made = scaler(scaled, "orders--v2")
    assert made is not None
    spec = made["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"], spec["scaleTargetRef"]["name"]) == (2, 10, "orders--v2")
    assert spec["metrics"][0]["resource"]["name"] == "cpu"
    assert scaler(scaled, "payment--v2") is None

    scaled.until(lambda one: one.weight == 100)
    made = scaler(scaled, "orders--v2")
    assert made is not None and made["spec"]["minReplicas"] == 8


def test_what_a_copys_autoscaler_has_made_of_it_stays(scaled: ReleaseShop) -> None:
    scaled.begin()
    scaled.until(lambda one: one.weight == 25)
    scaled.cluster.merge("Deployment", "orders--v2", {"spec": {"replicas": 5}}, scaled.namespace)
    before = scaled.copies()["orders"]["metadata"]["generation"]
    scaled.say(paused=True)
    for _ in range(3):
        scaled.turn()
    now = scaled.copies()["orders"]
    assert (now["spec"]["replicas"], now["metadata"]["generation"]) == (5, before)


def test_an_autoscaled_baseline_is_as_large_as_it_was_when_requests_return_and_free_afterwards(
    scaled: ReleaseShop,
) -> None:
    scaled.begin()
    scaled.until(lambda one: one.weight == 100)
    scaled.cluster.merge("Deployment", "orders", {"spec": {"replicas": 2}}, scaled.namespace)
    scaled.reaches(Phase.FINISHING)
    scaled.turn()
    found = scaler(scaled, "orders")
    assert found is not None and found["spec"]["minReplicas"] == 8
    scaled.cluster.merge("Deployment", "orders", {"spec": {"replicas": 8}}, scaled.namespace)
    assert scaled.ends().phase is Phase.SUCCEEDED
    found = scaler(scaled, "orders")
    assert found is not None and found["spec"]["minReplicas"] == 2
    assert scaler(scaled, "orders--v2") is None


def test_a_sweep_ends_the_lane_of_a_release_that_is_gone_and_looks_at_those_that_are_not_over(
    shop: ReleaseShop,
) -> None:
    shop.begin()
    shop.reaches(Phase.PROGRESSING)
    advanced: list[tuple[str, str]] = []
    swept: dict[str, Any] = {"dry_run": False, "confirm": False, "enqueue": lambda *_: None}
    world = shop.shop.world
    sweep([shop.chain], world, advance=lambda *one: advanced.append(one), **swept)
    assert advanced == [(shop.chain.name, "v2")]

    orphan = {"metadata": {"ownerReferences": None}}
    shop.cluster.merge("Lane", shop.release().object_name, orphan)
    let_go = store.let_go(shop.cluster, shop.release())
    shop.cluster.delete("Release", let_go.object_name)
    found = sweep([shop.chain], world, **swept)
    assert "ReleaseGone" in {one.why for one in found.findings}
    lane = lanes.read(shop.cluster, shop.chain.name, "v2")
    assert lane is not None and not lane.wanted
    for _ in range(4):
        converge(shop.chain, "v2", world)
        shop.shop.clock.step(5)
    assert shop.lane() is None


def test_a_release_that_a_chain_file_no_longer_fits_says_so_and_goes_back(shop: ReleaseShop) -> None:
    shop.begin()
    shop.until(lambda one: one.weight == 25)
    left = tuple(one for one in shop.chain.services if one.name != "orders")
    shop.chain = replace(shop.chain, services=left, release=STRATEGY)
    found = shop.until(lambda one: one.phase.over)
    assert "orders" in found.status["message"]
    assert NEW["payment"] not in shop.images().values()


def test_a_sweep_keeps_the_newest_releases_that_are_over_and_those_that_are_not(
    shop: ReleaseShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(released, "KEPT", 2)
    made = [shop.begin(f"r{number}") for number in (1,)]
    for number in range(2, 6):
        made.append(store.create(shop.cluster, replace(made[0], name=f"r{number}", uid="")))
    for one in made[:4]:
        store.write_status(shop.cluster, one, {"phase": "RolledBack"})
    quiet: dict[str, Any] = {"confirm": False, "enqueue": lambda *_: None}
    told = sweep([shop.chain], shop.shop.world, dry_run=True, **quiet)
    assert {one.subject for one in told.findings if one.why == "ReleaseOld"} == {"r1", "r2"}
    sweep([shop.chain], shop.shop.world, dry_run=False, **quiet)
    assert {one.name for one in store.every(shop.cluster, shop.chain.name)} == {"r3", "r4", "r5"}

"""Releases of a chain that Rollouts run: they stay as they are until the end, then take the new version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from provisioner.chain.strategy import Finish
from provisioner.release.model import Phase, Reason
from tests.support.releaseshop import NEW, STRATEGY
from tests.support.rolloutshop import STEPS, TEMPLATES, RolloutShop

OLD = {"orders": "orders:main", "payment": "payment:main"}
WHOLE = len(STEPS)


def test_rollouts_stay_as_they_are_while_the_share_grows_and_take_the_version_as_a_whole(
    shop: RolloutShop,
) -> None:
    before = {name: shop.rollout(name)["metadata"]["generation"] for name in OLD}
    shop.begin()
    shop.until(lambda one: one.weight == 100)
    assert {name: shop.rollout(name)["metadata"]["generation"] for name in OLD} == before
    assert shop.seen[-1][1] == WHOLE, "no Rollout has taken a step"
    assert {name: one["spec"]["replicas"] for name, one in shop.copies().items()} == {
        "orders": 2,
        "payment": 2,
    }

    found = shop.ends()

    assert found.phase is Phase.SUCCEEDED
    assert shop.templates() == NEW
    for name in OLD:
        status = shop.rollout(name)["status"]
        assert (status["phase"], status["stableRS"]) == ("Healthy", status["currentPodHash"])
    assert shop.shares() == [0, 25, 100, 0]


def test_requests_return_when_the_routes_that_a_rollout_weighs_lead_to_the_new_version(
    shop: RolloutShop,
) -> None:
    shop.begin()
    shop.reaches(Phase.RETURNING)
    status = shop.rollout("orders")["status"]
    assert status["canary"]["weights"]["stable"]["podTemplateHash"] == status["stableRS"]
    assert shop.templates() == NEW


def pause(shop: RolloutShop) -> None:
    shop.hold("orders", paused=True)


def abort(shop: RolloutShop) -> None:
    shop.tell("payment", abort=True)


def edit(shop: RolloutShop) -> None:
    now = shop.rollout("orders")["spec"]["template"]
    (container,) = now["spec"]["containers"]
    changed = {**container, "env": [{"name": "LEVEL", "value": "debug"}]}
    shop.hold("orders", template={"spec": {"containers": [changed]}})


@pytest.mark.parametrize("meddle", [pause, abort])
def test_a_rollout_that_somebody_meddles_with_at_the_end_stops_the_release_and_all_get_their_image_back(
    shop: RolloutShop, meddle: Callable[[RolloutShop], None]
) -> None:
    shop.begin()
    shop.reaches(Phase.FINISHING)
    shop.turn()
    assert shop.templates() == NEW
    meddle(shop)
    during = []
    while shop.release().phase in (Phase.FINISHING, Phase.RESTORING) and len(during) < 100:
        shop.turn()
        during.append(shop.release().weight)
        if shop.release().phase is Phase.RESTORING:
            shop.hold("orders", paused=False)
    assert set(during[:-1]) == {100}, "requests stay in the lane until all is as it was"

    found = shop.ends()

    assert found.phase is Phase.ROLLED_BACK
    assert shop.templates() == OLD


def test_a_rollout_that_somebody_edits_at_the_end_is_left_to_its_steps_and_stops_the_release(
    shop: RolloutShop,
) -> None:
    shop.begin()
    shop.reaches(Phase.FINISHING)
    shop.turn()
    edit(shop)
    for _ in range(10):
        shop.turn()
    assert (shop.release().phase, shop.release().weight) == (Phase.FINISHING, 100)
    assert "orders" in shop.release().status["message"]
    assert shop.rollout("orders")["status"]["message"] == "CanaryPauseStep"

    found = shop.ends()

    assert (found.phase, found.reason) == (Phase.ROLLED_BACK, Reason.DEADLINE)
    assert shop.templates() == OLD
    (container,) = shop.rollout("orders")["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "LEVEL", "value": "debug"}], "what was edited stays"


def test_a_rollout_that_is_edited_in_the_middle_makes_the_release_ask(shop: RolloutShop) -> None:
    shop.begin()
    shop.until(lambda one: one.weight == 25)
    edit(shop)
    held = shop.reaches(Phase.PAUSED)
    assert (held.reason, held.weight) == (Reason.BASELINE_CHANGED, 25)
    assert "orders" in held.status["message"]
    shop.say(accepted=held.status["found"], resumed=held.resumed + 1)

    assert shop.ends().phase is Phase.SUCCEEDED

    assert shop.templates() == NEW
    (container,) = shop.rollout("orders")["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "LEVEL", "value": "debug"}], "what was accepted stays"
    assert shop.rollout("orders")["status"]["phase"] == "Healthy"


def test_where_somebody_else_writes_the_rollouts_they_take_their_own_steps(shop: RolloutShop) -> None:
    shop.chain = replace(shop.chain, release=replace(STRATEGY, finish=Finish.WAIT))
    shop.begin()
    shop.reaches(Phase.FINISHING)
    (container,) = shop.rollout("orders")["spec"]["template"]["spec"]["containers"]
    (other,) = shop.deployment(TEMPLATES)["spec"]["template"]["spec"]["containers"]
    shop.hold("orders", template={"spec": {"containers": [{**container, "image": NEW["orders"]}]}})
    pods = {"template": {"spec": {"containers": [{**other, "image": NEW["payment"]}]}}}
    shop.cluster.merge("Deployment", TEMPLATES, {"spec": pods}, shop.namespace)
    for _ in range(10):
        shop.turn()
    assert {shop.rollout(name)["status"]["message"] for name in OLD} == {"CanaryPauseStep"}
    for name in OLD:
        shop.tell(name, promoteFull=True)
    assert shop.ends().phase is Phase.SUCCEEDED


def test_a_rollout_that_becomes_degraded_at_the_end_gets_its_image_back(shop: RolloutShop) -> None:
    shop.degraded = {NEW["payment"]}
    shop.begin()
    found = shop.ends()
    assert found.phase is Phase.ROLLED_BACK
    assert "ProgressDeadlineExceeded" in found.status["message"]
    assert shop.templates() == OLD
    assert {shop.rollout(name)["status"]["phase"] for name in OLD} == {"Healthy"}


def test_a_release_waits_for_a_rollout_in_the_middle_of_an_update(shop: RolloutShop) -> None:
    shop.hold("orders", template={"metadata": {"annotations": {"note": "1"}}})
    shop.pods()
    assert shop.rollout("orders")["status"]["phase"] == "Paused"
    shop.begin()
    for _ in range(10):
        shop.turn()
    assert (shop.release().phase, shop.release().weight) == (Phase.PENDING, 0)
    shop.tell("orders", promoteFull=True)
    assert shop.ends().phase is Phase.SUCCEEDED


def test_a_rollout_whose_routes_nobody_names_cannot_be_released(shop: RolloutShop) -> None:
    canary = {"trafficRouting": {"istio": {"virtualService": {"name": "orders", "routes": None}}}}
    shop.begin()
    shop.hold("orders", strategy={"canary": canary})
    found = shop.ends()
    assert (found.phase, found.reason) == (Phase.ROLLED_BACK, Reason.REFUSED)
    assert "virtualService.routes: [NAME]" in found.status["message"]

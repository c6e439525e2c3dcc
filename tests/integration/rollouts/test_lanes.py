"""Lanes of a chain that Rollouts run: their copies are Deployments, and follow the templates."""

from __future__ import annotations

from typing import Any

import pytest

from provisioner.events import Kind
from provisioner.kinds import KINDS
from provisioner.lane.record import record
from provisioner.reconcile import converge
from tests.support.rolloutshop import KIND, TEMPLATES, RolloutShop

BRANCH = "faster"


def opened(shop: RolloutShop) -> str:
    """The lane of a pull request that changes both; the head of its branch."""
    head = shop.shop.origin.branch(BRANCH, {"orders/app.py": "2", "payment/app.py": "2"})
    record(shop.shop.event(Kind.OPENED, BRANCH, sha=head), shop.chain, shop.shop.world)
    look(shop)
    return head


def look(shop: RolloutShop) -> None:
    for _ in range(2):
        converge(shop.chain, BRANCH, shop.shop.world)
        shop.pods()
    converge(shop.chain, BRANCH, shop.shop.world)


def containers(shop: RolloutShop) -> dict[str, Any]:
    return {
        name: one["spec"]["template"]["spec"]["containers"][0] for name, one in shop.copies(BRANCH).items()
    }


def test_copies_are_deployments_that_nothing_of_the_baseline_selects(shop: RolloutShop) -> None:
    before = {name: shop.rollout(name)["spec"] for name in ("orders", "payment")}
    head = opened(shop)
    assert {name: one["image"] for name, one in containers(shop).items()} == {
        "orders": f"orders:{head}",
        "payment": f"payment:{head}",
    }
    for name, one in shop.copies(BRANCH).items():
        assert one["spec"]["template"]["metadata"]["labels"]["app"] == f"{name}-{BRANCH}"
        assert one["spec"]["strategy"].keys() <= {"type", "rollingUpdate"}
    lane = shop.lane(BRANCH)
    assert lane is not None and lane.phase == "Ready"
    assert {name: shop.rollout(name)["spec"] for name in before} == before


def test_copies_follow_the_template_wherever_it_is(shop: RolloutShop) -> None:
    opened(shop)
    louder = [{"name": "LEVEL", "value": "debug"}]
    (own,) = shop.rollout("orders")["spec"]["template"]["spec"]["containers"]
    shop.hold("orders", template={"spec": {"containers": [{**own, "env": louder}]}})
    (other,) = shop.deployment(TEMPLATES)["spec"]["template"]["spec"]["containers"]
    spec = {"template": {"spec": {"containers": [{**other, "env": louder}]}}}
    shop.cluster.merge("Deployment", TEMPLATES, {"spec": spec}, shop.namespace)
    look(shop)
    assert all(louder[0] in one["env"] for one in containers(shop).values())


@pytest.mark.parametrize("gone", ["the Rollout", "what its template is in", "the whole kind"])
def test_a_copy_whose_baseline_is_gone_stays_and_the_lane_says_why(shop: RolloutShop, gone: str) -> None:
    opened(shop)
    said = {
        "the Rollout": "has no such workload (or the cluster no Argo Rollouts)",
        "what its template is in": f"workloadRef names Deployment/{TEMPLATES}",
        "the whole kind": "has no such workload (or the cluster no Argo Rollouts)",
    }
    if gone == "the Rollout":
        shop.cluster.delete(KIND, "payment", shop.namespace)
    elif gone == "what its template is in":
        shop.cluster.delete("Deployment", TEMPLATES, shop.namespace)
    else:
        shop.cluster.delete("CustomResourceDefinition", f"{KINDS[KIND].plural}.{KINDS[KIND].group}")
    converge(shop.chain, BRANCH, shop.shop.world)
    assert shop.copies(BRANCH).keys() == {"orders", "payment"}
    lane = shop.lane(BRANCH)
    assert lane is not None
    told = str(lane.status)
    assert said[gone] in told

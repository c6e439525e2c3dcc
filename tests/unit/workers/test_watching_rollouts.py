"""Which chains have Rollouts watched, and which changes of one matter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provisioner.chain.model import Chain, Service, WorkloadRef
from workers.beat import targets
from workers.relevance import Holders, concerned, is_news, view
from workers.watches import Target

PAYMENT = Service("payment", WorkloadRef("Rollout", "pay"), "image:{sha}", "shop", ("payment/**",))
SHOP = Chain("shop", (), (PAYMENT,))
BAKERY = Chain(
    "bakery", (), (replace(PAYMENT, workload=WorkloadRef("Deployment", "oven"), namespace="bakery"),)
)


def rollout(generation: int = 1, annotations: dict[str, str] | None = None, **status: Any) -> dict[str, Any]:
    metadata = {
        "name": "pay",
        "namespace": "shop",
        "generation": generation,
        "annotations": annotations or {},
    }
    return {"kind": "Rollout", "metadata": metadata, "spec": {}, "status": status}


def test_rollouts_are_watched_where_a_chain_names_one_and_nowhere_else() -> None:
    found = {one for one in targets({"shop": SHOP, "bakery": BAKERY}) if one.kind == "Rollout"}
    assert found == {Target("Rollout", "shop")}


def test_a_rollout_concerns_the_lanes_that_have_a_copy_of_it() -> None:
    assert concerned(rollout(), [BAKERY, SHOP]) == (Holders("shop", frozenset({"payment"})),)


@pytest.mark.parametrize(
    "now",
    [rollout(generation=2), rollout(annotations={"rollout.argoproj.io/workload-generation": "2"})],
    ids=["its own template", "the template that it refers to"],
)
def test_another_template_of_a_rollout_is_news(now: dict[str, Any]) -> None:
    assert is_news(view(rollout()), view(now))


def test_a_rollouts_counters_are_no_news() -> None:
    assert not is_news(view(rollout(replicas=1)), view(rollout(replicas=2)))

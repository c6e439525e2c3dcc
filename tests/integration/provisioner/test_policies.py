"""Lanes under NetworkPolicies: they get twins, follow what changes, and leave none behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from provisioner.cluster import Cluster
from provisioner.events import Kind
from provisioner.lane import store as lanes
from provisioner.lane.record import record
from provisioner.reconcile import converge
from tests.support.shop import Shop, open_shop

Json = dict[str, Any]

OWN = "payment--fast"


@pytest.fixture
def shop(tmp_path: Path, cluster: Cluster) -> Shop:
    """A shop in which payment takes calls from orders alone."""
    found = open_shop(tmp_path, cluster, f"shop-{uuid4().hex[:8]}")
    allow(found, "orders")
    head = found.origin.branch("fast", {"payment/app.py": "2"})
    record(found.event(Kind.OPENED, "fast", sha=head), found.chain, found.world)
    converge(found.chain, "fast", found.world)
    return found


def allow(shop: Shop, *callers: str) -> None:
    """The team's policy: who may call payment."""
    namespace = shop.chain.namespaces[0]
    peers = [{"podSelector": {"matchLabels": {"app": one}}} for one in callers]
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "payment", "namespace": namespace},
        "spec": {
            "podSelector": {"matchLabels": {"app": "payment"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": peers}],
        },
    }
    shop.cluster.apply(policy, force=True)


def twins(shop: Shop) -> dict[str, Json]:
    found = shop.cluster.list("NetworkPolicy", shop.chain.namespaces[0], "laneway.dev/lane=fast")
    return {one["metadata"]["name"]: one for one in found}


def followed(shop: Shop) -> list[str]:
    """The policies that payment's copy follows, as the lane's status says."""
    lane = lanes.read(shop.cluster, shop.chain.name, "fast")
    assert lane is not None
    found: list[str] = next(one for one in lane.status["services"] if one["name"] == "payment").get(
        "policies", []
    )
    return found


def callers(twin: Json) -> list[str]:
    """Who may call, by the label of the baseline."""
    selectors = [one["podSelector"]["matchLabels"] for one in twin["spec"]["ingress"][0]["from"]]
    return [one["app"] for one in selectors if "app" in one]


def test_a_copy_is_as_isolated_as_its_original_and_the_status_says_by_what(shop: Shop) -> None:
    assert list(twins(shop)) == [OWN]
    assert callers(twins(shop)[OWN]) == ["orders"]
    converge(shop.chain, "fast", shop.world)
    assert followed(shop) == ["payment"]


def test_a_copy_follows_the_policy_of_its_original(shop: Shop) -> None:
    allow(shop, "orders", "frontend")
    converge(shop.chain, "fast", shop.world)
    assert callers(twins(shop)[OWN]) == ["orders", "frontend"]


def test_twins_go_with_the_policy_that_they_follow(shop: Shop) -> None:
    shop.cluster.delete("NetworkPolicy", "payment", shop.chain.namespaces[0])
    converge(shop.chain, "fast", shop.world)
    assert (twins(shop), followed(shop)) == ({}, [])


def test_a_twin_that_somebody_opened_is_closed_again(shop: Shop) -> None:
    before = twins(shop)[OWN]["spec"]
    wide = {"spec": {"ingress": [*before["ingress"], {}]}}
    shop.cluster.merge("NetworkPolicy", OWN, wide, shop.chain.namespaces[0])
    converge(shop.chain, "fast", shop.world)
    assert twins(shop)[OWN]["spec"] == before


def test_a_policy_of_somebody_else_keeps_its_name(shop: Shop) -> None:
    namespace = shop.chain.namespaces[0]
    shop.cluster.delete("Lane", f"{shop.chain.name}.fast")
    shop.cluster.delete("NetworkPolicy", OWN, namespace)
    theirs = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": OWN, "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": {"app": "theirs"}}},
    }
    shop.cluster.create(theirs)
    record(shop.event(Kind.OPENED, "fast", sha=shop.origin.sha("fast")), shop.chain, shop.world)
    converge(shop.chain, "fast", shop.world)
    lane = lanes.read(shop.cluster, shop.chain.name, "fast")
    assert lane is not None and lane.phase == "Degraded"
    assert OWN in str(lane.status["conditions"]) and "ForeignObject" in str(lane.status["conditions"])

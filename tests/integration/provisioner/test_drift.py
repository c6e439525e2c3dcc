"""Lanes against what changes under them: their baselines, hands, refusals, and namespaces that go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from provisioner import labels
from provisioner.cluster import Cluster
from provisioner.events import Kind
from provisioner.lane import store as lanes
from provisioner.lane.record import record
from provisioner.reconcile import Outcome, converge
from tests.support import web
from tests.support.devcluster import Devcluster
from tests.support.shop import REPOSITORY, Shop, open_shop
from tests.support.waiting import until

Json = dict[str, Any]

COPY = "Deployment/payment--fast"


@pytest.fixture
def shop(tmp_path: Path, cluster: Cluster) -> Shop:
    found = open_shop(tmp_path, cluster, f"shop-{uuid4().hex[:8]}")
    head = found.origin.branch("fast", {"payment/app.py": "2"})
    record(found.event(Kind.OPENED, "fast", sha=head), found.chain, found.world)
    return found


@pytest.fixture
def refuse(dev: Devcluster) -> Iterator[Any]:
    """Has the API server refuse what matches, in the words of RBAC."""
    yield lambda **rule: web.post(
        f"{dev.admin}/faults", json={"action": "fail", "status": 403, **rule}
    ).raise_for_status()
    allow(dev)


def allow(dev: Devcluster) -> None:
    web.delete(f"{dev.admin}/faults").raise_for_status()


def run(shop: Shop) -> Outcome:
    return converge(shop.chain, "fast", shop.world)


def status(shop: Shop) -> Json:
    found = lanes.read(shop.cluster, shop.chain.name, "fast")
    assert found is not None
    return found.status


def service(shop: Shop, name: str = "payment") -> Json:
    found: Json = next(one for one in status(shop)["services"] if one["name"] == name)
    return found


def condition(shop: Shop, kind: str = "Ready") -> Json:
    found: Json = next(one for one in status(shop)["conditions"] if one["type"] == kind)
    return found


def happened(shop: Shop) -> list[str]:
    return [one["event"] for one in status(shop)["timeline"]]


def change_baseline(shop: Shop, patch: Json) -> None:
    shop.cluster.merge("Deployment", "payment", {"spec": {"template": patch}}, shop.chain.namespaces[0])


def push(shop: Shop) -> None:
    """What the forge says of a push to the pull request."""
    head = shop.origin.commit("fast", {"payment/app.py": "4"})
    record(shop.event(Kind.UPDATED, "fast", sha=head), shop.chain, shop.world)


def template(shop: Shop) -> Json:
    found: Json = shop.owned("fast")[COPY]["spec"]["template"]
    return found


def pods(**spec: Any) -> Json:
    return {"spec": spec}


SIDECAR = {"name": "proxy", "image": "proxy:2"}

# --- the baseline ------------------------------------------------------------------------------------------


def test_a_copy_follows_a_checksum_annotation_of_its_baseline(shop: Shop) -> None:
    run(shop)
    change_baseline(shop, {"metadata": {"annotations": {"checksum/config": "abc"}}})
    run(shop)
    assert template(shop)["metadata"]["annotations"]["checksum/config"] == "abc"


def test_a_copy_follows_its_baselines_other_containers_and_keeps_its_image(shop: Shop) -> None:
    run(shop)
    before = template(shop)["spec"]["containers"]
    own = {"name": "payment", "image": "payment:main", "env": [{"name": "LEVEL", "value": "debug"}]}
    change_baseline(shop, pods(containers=[own, SIDECAR]))
    run(shop)
    payment, proxy = template(shop)["spec"]["containers"]
    assert payment["image"] == before[0]["image"]
    assert {"name": "LEVEL", "value": "debug"} in payment["env"]
    assert proxy["image"] == "proxy:2"


def test_the_status_says_from_which_revision_a_copy_is_and_since_when(shop: Shop) -> None:
    run(shop)
    first = service(shop)["baseline"]
    assert first["revision"] == "1"
    shop.clock.step(60)
    change_baseline(shop, pods(dnsPolicy="Default"))
    run(shop)
    second = service(shop)["baseline"]
    assert (second["revision"], second["at"] > first["at"]) == ("2", True)
    assert "BaselineChanged" in happened(shop)
    said = next(one for one in status(shop)["timeline"] if one["event"] == "BaselineChanged")
    assert said["message"] == "Deployment payment--fast: baseline revision 2, was 1"


def test_a_baseline_that_only_scales_is_no_news(shop: Shop, dev: Devcluster) -> None:
    run(shop)
    shop.cluster.merge("Deployment", "payment", {"spec": {"replicas": 7}}, shop.chain.namespaces[0])
    dev.requests(reset=True)
    run(shop)
    assert {one["verb"] for one in dev.requests()} <= {"get", "list"}


def test_a_service_that_leaves_the_baseline_is_reported_and_its_copy_stays(shop: Shop) -> None:
    run(shop)
    before = shop.owned("fast")
    shop.cluster.delete("Deployment", "payment", shop.chain.namespaces[0])
    assert run(shop).phase == "Degraded"
    assert "Deployment/payment" in condition(shop)["message"]
    assert "no such workload" in condition(shop)["message"]
    assert shop.owned("fast") == before


def test_a_chain_that_does_not_follow_leaves_its_copies_as_they_were(shop: Shop) -> None:
    shop.chain = replace(shop.chain, lifecycle=replace(shop.chain.lifecycle, follow=False))
    run(shop)
    change_baseline(shop, pods(dnsPolicy="Default"))
    run(shop)
    assert template(shop)["spec"]["dnsPolicy"] == "ClusterFirst"
    assert service(shop)["baseline"]["revision"] == "1"
    head = shop.origin.commit("fast", {"payment/app.py": "3", "orders/app.py": "3"})
    run(shop)
    assert template(shop)["spec"]["containers"][0]["image"] == f"payment:{head}"
    assert template(shop)["spec"]["dnsPolicy"] == "ClusterFirst"
    change_baseline(shop, pods(dnsPolicy="ClusterFirst"))
    assert service(shop, "orders")["baseline"]["revision"] == "1"


# --- hands -------------------------------------------------------------------------------------------------


def test_a_copy_edited_by_hand_is_put_back_and_said(shop: Shop) -> None:
    run(shop)
    change = {"spec": {"template": {"spec": {"dnsPolicy": "Default"}}}}
    shop.cluster.merge("Deployment", "payment--fast", change, shop.chain.namespaces[0])
    run(shop)
    assert template(shop)["spec"]["dnsPolicy"] == "ClusterFirst"
    assert happened(shop)[-1] == "PutBack"
    assert status(shop)["timeline"][-1]["message"].startswith("Deployment payment--fast was changed by ")


def test_a_copy_removed_by_hand_is_made_again_and_said(shop: Shop) -> None:
    run(shop)
    shop.cluster.delete("Deployment", "payment--fast", shop.chain.namespaces[0])
    run(shop)
    assert COPY in shop.owned("fast")
    assert status(shop)["timeline"][-1]["message"] == (
        "Deployment payment--fast was removed by somebody else"
    )


def test_a_lane_without_its_labels_gets_them_back(shop: Shop) -> None:
    run(shop)
    name = f"{shop.chain.name}.fast"
    shop.cluster.merge("Lane", name, {"metadata": {"labels": None}})
    run(shop)
    found = shop.cluster.get("Lane", name)
    assert found is not None
    assert found["metadata"]["labels"] == labels.of_lane(shop.chain.name, "fast")


def test_a_wiped_status_is_written_again_and_nothing_else(shop: Shop, dev: Devcluster) -> None:
    run(shop)
    before = shop.owned("fast")
    wiped = dict.fromkeys(status(shop))
    shop.cluster.merge("Lane", f"{shop.chain.name}.fast", {"status": wiped}, subresource="status")
    run(shop)
    assert (status(shop)["phase"], status(shop)["summary"]) == ("Deploying", "0/1")
    assert shop.owned("fast") == before


def test_a_member_that_was_taken_out_by_hand_is_put_back_and_said(shop: Shop) -> None:
    run(shop)
    before, name = shop.owned("fast"), f"{shop.chain.name}.fast"
    shop.cluster.merge("Lane", name, {"spec": {"members": []}})
    assert run(shop).phase == "Deploying"
    assert shop.owned("fast") == before
    (told,) = (
        one["message"]
        for one in shop.cluster.list("Event", "default")
        if one["involvedObject"]["name"] == name and one["reason"] == "PutBack"
    )
    assert told.startswith(f"{REPOSITORY}#1 was taken out of spec.members and is open")


def test_of_several_members_the_one_that_closed_is_not_put_back(shop: Shop) -> None:
    record(shop.event(Kind.OPENED, "fast", pull=2), shop.chain, shop.world)
    run(shop)
    record(shop.event(Kind.CLOSED, "fast", pull=2), shop.chain, shop.world)
    shop.cluster.merge("Lane", f"{shop.chain.name}.fast", {"spec": {"members": []}})
    run(shop)
    found = lanes.read(shop.cluster, shop.chain.name, "fast")
    assert found is not None
    assert [one.key for one in found.members] == [f"{REPOSITORY}#1"]


def test_a_member_that_closes_while_another_is_missing_by_hand_ends_only_itself(shop: Shop) -> None:
    record(shop.event(Kind.OPENED, "fast", pull=2), shop.chain, shop.world)
    run(shop)
    member = shop.cluster.get("Lane", f"{shop.chain.name}.fast")["spec"]["members"][1]  # type: ignore[index]
    shop.cluster.merge("Lane", f"{shop.chain.name}.fast", {"spec": {"members": [member]}})
    (found,) = record(shop.event(Kind.CLOSED, "fast", pull=2), shop.chain, shop.world)
    assert found.written is not None and not found.written.members
    assert converge(shop.chain, "fast", shop.world, found.written).phase == "Deploying"


def test_a_lane_that_was_deleted_by_hand_takes_its_copies_along_until_the_next_push(shop: Shop) -> None:
    run(shop)
    shop.cluster.delete("Lane", f"{shop.chain.name}.fast")
    until(lambda: not shop.owned("fast"), "its copies are gone")
    assert run(shop).phase == ""
    push(shop)
    assert run(shop).phase == "Deploying"
    assert COPY in shop.owned("fast")


@pytest.mark.parametrize("kind", ["Deployment", "Service"])
def test_a_copy_without_its_labels_gets_them_back(shop: Shop, kind: str) -> None:
    run(shop)
    before = shop.owned("fast")[f"{kind}/payment--fast"]["metadata"]
    shop.cluster.merge(kind, "payment--fast", {"metadata": {"labels": None}}, shop.chain.namespaces[0])
    run(shop)
    after = shop.owned("fast")[f"{kind}/payment--fast"]["metadata"]
    assert (after["uid"], after["labels"]) == (before["uid"], before["labels"])
    assert happened(shop)[-1] == "PutBack"


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("resource", "group"), [("deployments.apps", "apps"), ("services", "")])
def test_a_right_that_is_missing_is_named_and_nothing_is_left_half_made(
    shop: Shop, dev: Devcluster, refuse: Any, resource: str, group: str
) -> None:
    refuse(verb="patch", resource=resource)
    outcome = run(shop)
    assert (outcome.phase, outcome.again) == ("Degraded", None)
    plural = resource.split(".")[0]
    assert condition(shop)["reason"] == "Forbidden"
    assert f'cannot patch resource "{plural}" in API group "{group}"' in condition(shop)["message"]
    assert shop.owned("fast") == {}


def test_a_refusal_that_lasts_makes_and_removes_nothing_again(
    shop: Shop, dev: Devcluster, refuse: Any
) -> None:
    refuse(verb="patch", resource="deployments.apps")
    run(shop)
    before = status(shop)
    run(shop)
    dev.requests(reset=True)
    run(shop)
    written = [(one["resource"], one["code"]) for one in dev.requests() if one["verb"] not in ("get", "list")]
    assert written == [("services", 201), ("deployments.apps", 403)]
    assert shop.owned("fast") == {}
    assert status(shop) == before


def test_a_lane_recovers_when_the_right_is_given(shop: Shop, dev: Devcluster, refuse: Any) -> None:
    refuse(verb="patch", resource="deployments.apps")
    run(shop)
    allow(dev)
    assert run(shop).phase == "Deploying"
    assert set(shop.owned("fast")) == {COPY, "Service/payment--fast"}


@pytest.mark.parametrize("resource", ["deployments.apps", "services", "poddisruptionbudgets.policy"])
def test_what_may_not_be_read_is_named(shop: Shop, refuse: Any, resource: str) -> None:
    refuse(verb="list", resource=resource)
    assert run(shop).phase == "Degraded"
    assert f'cannot list resource "{resource.split(".")[0]}"' in condition(shop)["message"]
    assert f'in the namespace "{shop.chain.namespaces[0]}"' in condition(shop)["message"]


def test_what_may_not_be_removed_is_named(shop: Shop, refuse: Any) -> None:
    run(shop)
    shop.origin.commit("fast", {"payment/app.py": "1", "orders/app.py": "2"})
    refuse(verb="delete", resource="deployments.apps")
    assert run(shop).phase == "Degraded"
    assert 'cannot delete resource "deployments"' in condition(shop)["message"]


# --- namespaces --------------------------------------------------------------------------------------------


def test_a_namespace_that_lost_its_workloads_is_reported_and_not_tried_for_ever(shop: Shop) -> None:
    namespace = shop.chain.namespaces[0]
    held = {"metadata": {"name": "held", "namespace": namespace, "finalizers": ["example.com/held"]}}
    shop.cluster.create({"apiVersion": "v1", "kind": "ConfigMap", **held})
    shop.cluster.delete("Namespace", namespace)
    outcome = run(shop)
    assert (outcome.phase, outcome.again) == ("Degraded", None)
    assert namespace in condition(shop)["message"]


def test_a_copy_that_an_ending_namespace_does_not_take_says_so(shop: Shop, cluster: Cluster) -> None:
    namespace = shop.chain.namespaces[0]
    for kind in ("Deployment", "Service"):
        cluster.merge(kind, "payment", {"metadata": {"finalizers": ["example.com/held"]}}, namespace)
    cluster.delete("Namespace", namespace)
    assert run(shop).phase == "Degraded"
    assert condition(shop)["reason"] == "NamespaceTerminating"
    assert "because it is being terminated" in condition(shop)["message"]

"""The story of a lane against a real API and real git: recorded, converged, updated, closed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from provisioner.cluster import Cluster
from provisioner.errors import GitError
from provisioner.events import ForgeEvent, Kind
from provisioner.lane import store as lanes
from provisioner.lane.model import Mode
from provisioner.lane.record import record
from provisioner.reconcile import Outcome, converge
from tests.support.devcluster import Devcluster
from tests.support.shop import Shop, open_shop


@pytest.fixture
def shop(tmp_path: Path, cluster: Cluster) -> Shop:
    return open_shop(tmp_path, cluster, f"shop-{uuid4().hex[:8]}")


def tell(shop: Shop, event: ForgeEvent) -> Outcome | None:
    """What a worker does with an event."""
    outcome = None
    for found in record(event, shop.chain, shop.world):
        outcome = converge(shop.chain, found.lane, shop.world, found.written)
    return outcome


def opened(shop: Shop, branch: str, *changed: str) -> None:
    head = shop.origin.branch(branch, dict.fromkeys(changed, "2"))
    tell(shop, shop.event(Kind.OPENED, branch, sha=head))


def status(shop: Shop, lane: str) -> dict[str, Any]:
    found = lanes.read(shop.cluster, shop.chain.name, lane)
    assert found is not None
    return found.status


def reasons(shop: Shop, lane: str) -> dict[str, str]:
    return {one["name"]: one["reason"] for one in status(shop, lane)["services"]}


def test_a_pull_request_gets_a_copy_of_what_it_changed_and_nothing_else(shop: Shop) -> None:
    opened(shop, "fast", "payment/app.py")
    assert set(shop.owned("fast")) == {"Deployment/payment--fast", "Service/payment--fast"}
    assert reasons(shop, "fast") == {"frontend": "Unchanged", "orders": "Unchanged", "payment": "Changed"}


def test_the_copy_is_the_baseline_with_the_branchs_image(shop: Shop) -> None:
    opened(shop, "fast", "payment/app.py")
    copy = shop.owned("fast")["Deployment/payment--fast"]["spec"]
    container = copy["template"]["spec"]["containers"][0]
    assert container["image"] == f"payment:{shop.origin.sha('fast')}"
    assert {one["name"]: one["value"] for one in container["env"]} == {
        "LEVEL": "info",
        "LANEWAY_LANE": "fast",
    }
    assert copy["replicas"] == 1


def test_a_lane_of_mode_all_has_every_service_the_unchanged_ones_as_the_baseline_runs_them(
    shop: Shop,
) -> None:
    shop = replace(shop, chain=replace(shop.chain, mode=Mode.ALL))
    opened(shop, "whole", "payment/app.py")
    assert reasons(shop, "whole") == {
        "frontend": "EveryService",
        "orders": "EveryService",
        "payment": "Changed",
    }
    of_baseline = shop.cluster.get("Deployment", "orders", shop.chain.namespaces[0])
    assert of_baseline is not None
    copies = {name: image_of(one) for name, one in shop.owned("whole").items() if "Deployment" in name}
    assert copies["Deployment/orders--whole"] == image_of(of_baseline)
    assert copies["Deployment/payment--whole"] == f"payment:{shop.origin.sha('whole')}"
    told = {one["name"]: one["image"] for one in status(shop, "whole")["services"]}
    assert told == {name: copies[f"Deployment/{name}--whole"] for name in told}


def image_of(workload: dict[str, Any]) -> str:
    return str(workload["spec"]["template"]["spec"]["containers"][0]["image"])


def test_everything_of_a_lane_is_owned_by_it(shop: Shop) -> None:
    opened(shop, "fast", "payment/app.py")
    lane = lanes.read(shop.cluster, shop.chain.name, "fast")
    assert lane is not None
    for one in shop.owned("fast").values():
        assert [owner["uid"] for owner in one["metadata"]["ownerReferences"]] == [lane.uid]


def test_a_branch_that_changes_no_service_gets_a_lane_without_copies(shop: Shop) -> None:
    opened(shop, "words", "README.md")
    assert shop.owned("words") == {}
    assert status(shop, "words")["phase"] == "Ready"
    assert "no service" in status(shop, "words")["conditions"][-1]["message"]


def test_a_second_run_writes_nothing(shop: Shop, dev: Devcluster) -> None:
    opened(shop, "fast", "payment/app.py")
    dev.requests(reset=True)
    converge(shop.chain, "fast", shop.world)
    assert [one for one in dev.requests() if one["verb"] not in ("get", "list")] == []


def test_a_push_updates_the_lane_in_place(shop: Shop) -> None:
    opened(shop, "fast", "payment/app.py")
    before = shop.owned("fast")["Deployment/payment--fast"]
    head = shop.origin.commit("fast", {"payment/app.py": "3", "libs/money.py": "2"})
    tell(shop, shop.event(Kind.PUSHED, "fast", sha=head))
    after = shop.owned("fast")["Deployment/payment--fast"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"]["template"]["spec"]["containers"][0]["image"] == f"payment:{head}"
    assert reasons(shop, "fast")["orders"] == "SharedPath"


def test_a_service_that_is_no_longer_changed_leaves_the_lane(shop: Shop) -> None:
    opened(shop, "fast", "payment/app.py", "orders/app.py")
    head = shop.origin.commit("fast", {"orders/app.py": "1"})
    tell(shop, shop.event(Kind.PUSHED, "fast", sha=head))
    assert set(shop.owned("fast")) == {"Deployment/payment--fast", "Service/payment--fast"}


def test_a_lane_follows_the_branch_whatever_the_delivery_says(shop: Shop) -> None:
    opened(shop, "fast", "payment/app.py")
    head = shop.origin.branch("fast", {"orders/app.py": "2"})
    tell(shop, shop.event(Kind.UPDATED, "fast", sha="f" * 40))
    lane = lanes.read(shop.cluster, shop.chain.name, "fast")
    assert lane is not None and [member.sha for member in lane.members] == [head]
    assert set(shop.owned("fast")) == {"Deployment/orders--fast", "Service/orders--fast"}


def test_a_close_takes_the_routes_first_and_then_everything(shop: Shop) -> None:
    opened(shop, "fast", "payment/app.py")
    outcome = tell(shop, shop.event(Kind.CLOSED, "fast", merged=True))
    assert outcome is not None and (outcome.phase, outcome.again) == ("Terminating", 2.0)
    assert status(shop, "fast")["phase"] == "Terminating"
    assert shop.owned("fast")

    shop.clock.step(3)
    outcome = converge(shop.chain, "fast", shop.world)
    assert outcome.phase == ""
    assert lanes.read(shop.cluster, shop.chain.name, "fast") is None
    assert shop.owned("fast") == {}


def test_a_late_opened_does_not_bring_a_closed_lane_back(shop: Shop) -> None:
    shop.origin.branch("fast", {"payment/app.py": "2"})
    late = shop.event(Kind.OPENED, "fast")
    tell(shop, shop.event(Kind.CLOSED, "fast"))
    tell(shop, late)
    assert lanes.read(shop.cluster, shop.chain.name, "fast") is None


def test_a_reopened_pull_request_has_its_lane_again(shop: Shop) -> None:
    opened(shop, "fast", "payment/app.py")
    tell(shop, shop.event(Kind.CLOSED, "fast"))
    tell(shop, shop.event(Kind.OPENED, "fast"))
    assert status(shop, "fast")["phase"] == "Deploying"


def test_a_reopening_while_the_lane_drains_keeps_its_copies(shop: Shop) -> None:
    opened(shop, "fast", "payment/app.py")
    before = shop.owned("fast")["Deployment/payment--fast"]["metadata"]["uid"]
    tell(shop, shop.event(Kind.CLOSED, "fast"))
    tell(shop, shop.event(Kind.OPENED, "fast"))
    assert shop.owned("fast")["Deployment/payment--fast"]["metadata"]["uid"] == before


def test_only_pull_requests_open_lanes(shop: Shop) -> None:
    head = shop.origin.branch("fast", {"payment/app.py": "2"})
    tell(shop, shop.event(Kind.PUSHED, "fast", sha=head))
    assert lanes.read(shop.cluster, shop.chain.name, "fast") is None


def test_the_end_of_the_branch_ends_the_lane(shop: Shop) -> None:
    opened(shop, "fast", "payment/app.py")
    shop.origin.git("update-ref", "-d", "refs/heads/fast")
    outcome = tell(shop, shop.event(Kind.DELETED, "fast"))
    assert outcome is not None and outcome.phase == "Terminating"


def test_a_late_word_of_a_branchs_end_means_nothing_while_the_branch_is_there(shop: Shop) -> None:
    opened(shop, "fast", "payment/app.py")
    outcome = tell(shop, shop.event(Kind.DELETED, "fast"))
    assert outcome is not None and outcome.phase == "Deploying"


def test_a_fork_opens_no_lane_and_is_remembered(shop: Shop) -> None:
    event = shop.event(Kind.OPENED, "patch-1", head_repository="mallory/shop", sha="f" * 40)
    assert tell(shop, event) is None
    assert list(shop.world.ledger(shop.chain).read_all().waiting.values()) == [event]


def test_a_branch_that_does_not_exist_is_said_in_the_status(shop: Shop) -> None:
    tell(shop, shop.event(Kind.OPENED, "ghost"))
    found = status(shop, "ghost")
    assert found["phase"] == "Degraded"
    assert found["conditions"][0]["reason"] == "BranchNotFound"
    assert "ghost" in found["conditions"][0]["message"]


def test_a_repository_that_does_not_answer_is_said_in_the_status_and_tried_again(shop: Shop) -> None:
    opened(shop, "fast", "payment/app.py")
    shop.origin.path.rename(shop.origin.path.with_name("gone.git"))
    with pytest.raises(GitError):
        converge(shop.chain, "fast", shop.world)
    assert status(shop, "fast")["conditions"][0]["status"] == "False"
    assert shop.owned("fast")


def test_a_foreign_object_of_the_wanted_name_is_left_alone_and_named(shop: Shop) -> None:
    namespace = shop.chain.namespaces[0]
    foreign = shop.cluster.list("Service", namespace)[0]
    spec = {"ports": foreign["spec"]["ports"], "selector": {"app": "other"}}
    metadata = {"name": "payment--fast", "namespace": namespace}
    shop.cluster.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    opened(shop, "fast", "payment/app.py")
    found = status(shop, "fast")
    assert found["phase"] == "Degraded"
    assert "payment--fast" in found["conditions"][-1]["message"]
    left = shop.cluster.get("Service", "payment--fast", namespace)
    assert left is not None and left["spec"]["selector"] == {"app": "other"}


def test_a_missing_workload_degrades_its_service_only(shop: Shop) -> None:
    shop.cluster.delete("Deployment", "orders", shop.chain.namespaces[0])
    opened(shop, "fast", "payment/app.py", "orders/app.py")
    found = status(shop, "fast")
    assert found["phase"] == "Degraded" and "Deployment/orders" in found["conditions"][-1]["message"]
    assert set(shop.owned("fast")) == {"Deployment/payment--fast", "Service/payment--fast"}


def test_a_copy_edited_by_hand_is_put_back(shop: Shop) -> None:
    opened(shop, "fast", "payment/app.py")
    namespace = shop.chain.namespaces[0]
    shop.cluster.merge("Deployment", "payment--fast", {"spec": {"replicas": 5}}, namespace)
    converge(shop.chain, "fast", shop.world)
    assert shop.owned("fast")["Deployment/payment--fast"]["spec"]["replicas"] == 1


def calls(dev: Devcluster) -> int:
    """Requests but for watches, Events and leases."""
    left_out = ("events", "leases.coordination.k8s.io")
    return sum(one["verb"] != "watch" and one["resource"] not in left_out for one in dev.requests())


@pytest.mark.parametrize("services", [0, 1, 3])
def test_a_lane_costs_few_requests(shop: Shop, dev: Devcluster, services: int) -> None:
    """Where beat has seen that no namespace of the chain has a NetworkPolicy."""
    shop.world = replace(shop.world, has_none=lambda kind, namespace: kind == "NetworkPolicy")
    changed = [f"{name}/app.py" for name in ("payment", "orders", "frontend")[:services]] or ["README.md"]
    opened(shop, "first", "docs.md")  # the ledger and the namespace are warm
    dev.requests(reset=True)
    opened(shop, "fast", *changed)
    assert calls(dev) <= 3 * services + 8

    dev.requests(reset=True)
    converge(shop.chain, "fast", shop.world)
    assert calls(dev) <= 8

    dev.requests(reset=True)
    tell(shop, shop.event(Kind.CLOSED, "fast"))
    shop.clock.step(3)
    converge(shop.chain, "fast", shop.world)
    assert calls(dev) <= 6

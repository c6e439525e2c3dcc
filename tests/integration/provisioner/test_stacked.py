"""Stacked pull requests against a real API and real git: a child has what it changed itself, and says who
answers for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from provisioner.cluster import Cluster
from provisioner.errors import GitError, LanewayError
from provisioner.events import ForgeEvent, Kind
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane
from provisioner.lane.record import record
from provisioner.reconcile import converge
from tests.support.shop import Shop, open_shop


@pytest.fixture
def shop(tmp_path: Path, cluster: Cluster) -> Shop:
    return open_shop(tmp_path, cluster, f"shop-{uuid4().hex[:8]}")


@pytest.fixture
def stack(shop: Shop) -> Shop:
    """The lane of `lower`, which changed orders, and upon it that of `upper`, which changed payment."""
    opened(shop, "lower", "orders/app.py")
    opened(shop, "upper", "payment/app.py", upon="lower")
    return shop


def tell(shop: Shop, event: ForgeEvent) -> None:
    """What a worker does with an event."""
    for found in record(event, shop.chain, shop.world):
        converge(shop.chain, found.lane, shop.world, found.written)


def opened(shop: Shop, branch: str, *changed: str, upon: str = "main") -> None:
    head = shop.origin.branch(branch, dict.fromkeys(changed, "2"), at=upon)
    tell(shop, shop.event(Kind.OPENED, branch, sha=head, base=upon))


def lane(shop: Shop, name: str) -> Lane:
    found = lanes.read(shop.cluster, shop.chain.name, name)
    assert found is not None
    return found


def service(shop: Shop, of: str, name: str) -> dict[str, Any]:
    return next(one for one in lane(shop, of).status["services"] if one["name"] == name)


def inherits(shop: Shop, name: str) -> tuple[str, str, str]:
    said = [one for one in lane(shop, name).status["conditions"] if one["type"] == "Inherits"]
    assert len(said) == 1
    return said[0]["status"], said[0]["reason"], said[0]["message"]


def serve(shop: Shop, of: str, copied: str) -> None:
    """The pods of a copy become ready, and everybody concerned has looked at it."""
    status = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "observedGeneration": 1}
    name, namespace = f"{copied}--{of}", shop.chain.namespaces[0]
    shop.cluster.merge("Deployment", name, {"status": status}, namespace, subresource="status")
    converge(shop.chain, of, shop.world)


def copies(shop: Shop, name: str) -> set[str]:
    return {one.removeprefix("Deployment/") for one in shop.owned(name) if one.startswith("Deployment/")}


def test_a_child_has_the_lane_of_its_base_branch_for_a_parent_and_copies_what_it_changed_itself(stack):
    assert lane(stack, "upper").parent == "lower"
    assert copies(stack, "upper") == {"payment--upper"}
    assert copies(stack, "lower") == {"orders--lower"}
    assert lane(stack, "lower").parent == ""


def test_its_status_says_who_answers_for_what_it_lacks(stack):
    message = "lower answers for what the lane lacks, then the baseline"
    assert inherits(stack, "upper") == ("True", "Inherits", message)
    assert lane(stack, "upper").status["ancestors"] == ["lower"]
    assert service(stack, "upper", "orders")["route"] == "baseline"
    serve(stack, "lower", "orders")
    converge(stack.chain, "upper", stack.world)
    told = service(stack, "upper", "orders")
    assert (told["route"], told["from"]) == ("parent", "lower")
    assert service(stack, "upper", "frontend")["route"] == "baseline"
    assert not [one for one in lane(stack, "lower").status["conditions"] if one["type"] == "Inherits"]


def test_a_parent_that_closes_leaves_its_children_what_it_changed_and_the_baseline(stack):
    serve(stack, "lower", "orders")
    tell(stack, stack.event(Kind.CLOSED, "lower"))
    converge(stack.chain, "upper", stack.world)
    assert copies(stack, "upper") == {"payment--upper", "orders--upper"}
    assert inherits(stack, "upper")[:2] == ("False", "ParentNotOpen")
    assert lane(stack, "upper").status["ancestors"] == []
    assert service(stack, "upper", "frontend")["route"] == "baseline"


def test_a_parent_that_opens_later_takes_over_what_it_changed(shop):
    shop.origin.branch("lower", {"orders/app.py": "2"})
    opened(shop, "upper", "payment/app.py", upon="lower")
    assert copies(shop, "upper") == {"payment--upper", "orders--upper"}
    tell(shop, shop.event(Kind.OPENED, "lower", sha=shop.origin.sha("lower")))
    converge(shop.chain, "upper", shop.world)
    assert copies(shop, "upper") == {"payment--upper"}


def test_a_pull_request_that_is_retargeted_has_another_parent_or_none(stack):
    opened(stack, "other", "frontend/app.py")
    head = stack.origin.sha("upper")
    tell(stack, stack.event(Kind.UPDATED, "upper", sha=head, base="other"))
    assert lane(stack, "upper").parent == "other"
    assert copies(stack, "upper") == {"payment--upper", "orders--upper"}
    tell(stack, stack.event(Kind.UPDATED, "upper", sha=head, base="main"))
    assert lane(stack, "upper").parent == ""
    assert not [one for one in lane(stack, "upper").status["conditions"] if one["type"] == "Inherits"]
    assert "ancestors" not in lane(stack, "upper").status


def test_a_base_branch_that_is_gone_while_its_lane_is_open_is_no_harm(stack):
    stack.origin.delete("lower")
    converge(stack.chain, "upper", stack.world)
    assert copies(stack, "upper") == {"payment--upper", "orders--upper"}


def test_pull_requests_upon_each_other_are_cut_and_it_is_said(stack):
    tell(stack, stack.event(Kind.UPDATED, "lower", sha=stack.origin.sha("lower"), base="upper"))
    said = "upper is its own ancestor"
    converge(stack.chain, "upper", stack.world)
    assert inherits(stack, "upper")[:2] == ("True", "LineCut")
    assert said in inherits(stack, "upper")[2]
    assert lane(stack, "upper").status["ancestors"] == ["lower"]


def test_of_a_tall_stack_only_the_nearest_are_asked_and_it_is_said(shop):
    names = ["zero", "one", "two", "three", "four", "five"]
    for below, name in zip(["main", *names], names, strict=False):
        opened(shop, name, f"{name}.md", upon=below)
    assert lane(shop, "five").status["ancestors"] == ["four", "three", "two", "one"]
    assert inherits(shop, "five")[1] == "LineCut"
    assert inherits(shop, "four")[1] == "Inherits"


def test_a_parent_that_somebody_wrote_by_hand_is_put_right(stack):
    name = lane(stack, "upper").object_name
    stack.cluster.merge("Lane", name, {"spec": {"parent": "elsewhere"}})
    converge(stack.chain, "upper", stack.world)
    assert lane(stack, "upper").parent == "lower"


def test_a_second_run_over_a_stack_writes_nothing(stack, dev):
    converge(stack.chain, "upper", stack.world)
    dev.requests(reset=True)
    converge(stack.chain, "upper", stack.world)
    assert [one for one in dev.requests() if one["verb"] not in ("get", "list")] == []


def test_a_repository_that_does_not_answer_leaves_the_word_of_ancestors_as_it_was(stack):
    before = inherits(stack, "upper")
    stack.origin.path.rename(stack.origin.path.with_name("gone.git"))
    with pytest.raises(GitError, match="does not answer"):
        converge(stack.chain, "upper", stack.world)
    assert inherits(stack, "upper") == before
    assert lane(stack, "upper").status["ancestors"] == ["lower"]


def test_the_cluster_refuses_a_lane_that_is_its_own_parent(stack):
    name = lane(stack, "upper").object_name
    with pytest.raises(LanewayError, match="cannot be its own parent"):
        stack.cluster.merge("Lane", name, {"spec": {"parent": "upper"}})

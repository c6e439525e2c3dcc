"""A lane's routes in a chain that a mesh routes: when they come, when they go, and what is said of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.chain.model import Driver
from tests.support.meshed import Meshed, meshed, to, users_route
from tests.support.scene import DRAIN, NAMESPACE


def test_a_lane_gets_a_route_when_its_copy_is_ready_and_not_before(mesh: Meshed) -> None:
    mesh.open("pr-1", "payment")
    mesh.converge("pr-1")
    assert mesh.routes() == {}
    mesh.pods("pr-1", "payment", True)
    mesh.converge("pr-1")
    assert sorted(mesh.routes()) == ["payment--pr-1.8080"]
    lane = mesh.lane("pr-1")
    assert lane is not None and lane.phase == "Ready"
    assert {one["name"]: one["route"] for one in lane.status["services"]}["payment"] == "lane"


def test_a_copy_that_loses_its_last_pod_loses_its_route_even_while_git_is_away(mesh: Meshed) -> None:
    mesh.opened("pr-1", "payment")
    mesh.pods("pr-1", "payment", False)
    mesh.scene.forge.heads.clear()  # whoever asks git now gets no answer
    mesh.converge("pr-1")
    assert mesh.routes() == {}


def test_a_second_run_writes_nothing(mesh: Meshed) -> None:
    mesh.opened("pr-1", "payment", "orders")
    mesh.converge("pr-1")
    before = mesh.routes()
    mesh.converge("pr-1")
    assert mesh.routes() == before


def test_a_route_that_somebody_edits_or_removes_is_put_back(mesh: Meshed) -> None:
    mesh.opened("pr-1", "payment")
    wanted = mesh.routes()["payment--pr-1.8080"]["spec"]
    mesh.cluster.merge("HTTPRoute", "payment--pr-1.8080", {"spec": {"rules": []}}, NAMESPACE)
    mesh.converge("pr-1")
    assert mesh.routes()["payment--pr-1.8080"]["spec"] == wanted
    mesh.cluster.delete("HTTPRoute", "payment--pr-1.8080", NAMESPACE)
    mesh.converge("pr-1")
    assert mesh.routes()["payment--pr-1.8080"]["spec"] == wanted


def test_a_service_that_leaves_a_lane_loses_its_route_then_waits_then_its_copy(mesh: Meshed) -> None:
    mesh.opened("pr-1", "payment", "orders")
    mesh.push("pr-1", "payment")
    outcome = mesh.converge("pr-1")
    assert sorted(mesh.routes()) == ["payment--pr-1.8080"]
    assert mesh.cluster.get("Deployment", "orders--pr-1", NAMESPACE), "it may have requests still"
    assert outcome.again is not None and 0 < outcome.again <= DRAIN
    mesh.converge("pr-1")
    assert mesh.cluster.get("Deployment", "orders--pr-1", NAMESPACE)
    mesh.scene.clock.step(DRAIN)
    mesh.converge("pr-1")
    assert mesh.cluster.get("Deployment", "orders--pr-1", NAMESPACE) is None
    assert sorted(mesh.routes()) == ["payment--pr-1.8080"]


def test_a_service_that_comes_back_while_it_leaves_stays(mesh: Meshed) -> None:
    mesh.opened("pr-1", "payment", "orders")
    mesh.push("pr-1", "payment")
    mesh.converge("pr-1")
    mesh.push("pr-1", "payment", "orders")
    mesh.converge("pr-1")
    assert sorted(mesh.routes()) == ["orders--pr-1.8080", "payment--pr-1.8080"]
    mesh.scene.clock.step(DRAIN)
    mesh.converge("pr-1")
    assert mesh.cluster.get("Deployment", "orders--pr-1", NAMESPACE)


def test_a_lane_that_closes_loses_its_routes_first_and_the_others_keep_theirs(mesh: Meshed) -> None:
    mesh.opened("pr-1", "payment")
    mesh.opened("pr-2", "payment")
    others = mesh.routes("pr-2")
    mesh.close("pr-1")
    assert mesh.routes("pr-1") == {} and mesh.routes("pr-2") == others
    assert mesh.cluster.get("Deployment", "payment--pr-1", NAMESPACE), "it may have requests still"
    mesh.scene.clock.step(DRAIN + 1)
    mesh.converge("pr-1")
    assert mesh.lane("pr-1") is None
    assert mesh.cluster.get("Deployment", "payment--pr-1", NAMESPACE) is None
    assert mesh.routes() == others


def test_a_lane_that_somebody_deletes_takes_its_routes_along(mesh: Meshed) -> None:
    mesh.opened("pr-1", "payment")
    mesh.cluster.delete("Lane", "shop.pr-1")
    assert mesh.routes() == {} and mesh.lane("pr-1") is None


def test_a_users_route_that_is_edited_is_merged_again_and_not_overwritten(mesh: Meshed) -> None:
    mesh.opened("pr-1", "payment")
    parent = {"group": "", "kind": "Service", "name": "payment", "port": 8080}
    rule = to("payment", timeouts={"request": "5s"})
    mine = mesh.cluster.create(users_route("payment", parent, rule))
    mesh.converge("pr-1")
    rules = mesh.routes()["payment--pr-1.8080"]["spec"]["rules"]
    assert [one["timeouts"] for one in rules] == [{"request": "5s"}], "one variant, and no catch-all"
    slower = {"spec": {"rules": [{**rule, "timeouts": {"request": "9s"}}]}}
    mine = mesh.cluster.merge("HTTPRoute", "payment", slower, NAMESPACE)
    mesh.converge("pr-1")
    rules = mesh.routes()["payment--pr-1.8080"]["spec"]["rules"]
    assert [one["timeouts"] for one in rules] == [{"request": "9s"}]
    assert mesh.cluster.get("HTTPRoute", "payment", NAMESPACE) == mine
    mesh.cluster.delete("HTTPRoute", "payment", NAMESPACE)
    mesh.converge("pr-1")
    assert len(mesh.routes()["payment--pr-1.8080"]["spec"]["rules"]) == 2, "the lane's and the catch-all"


def test_an_object_of_somebody_else_is_not_taken_over(mesh: Meshed) -> None:
    theirs = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "payment--pr-1.8080", "namespace": NAMESPACE},
        "spec": {"rules": []},
    }
    made = mesh.cluster.create(theirs)
    mesh.opened("pr-1", "payment")
    assert mesh.cluster.get("HTTPRoute", "payment--pr-1.8080", NAMESPACE) == made
    said = mesh.condition("pr-1")
    assert (said["status"], said["reason"]) == ("False", "ForeignObject")
    assert "payment--pr-1.8080 exists" in said["message"]
    lane = mesh.lane("pr-1")
    assert lane is not None and lane.phase == "Degraded"
    assert {one["name"]: one["route"] for one in lane.status["services"]}["payment"] == "baseline"


def test_what_a_mesh_says_against_a_route_is_in_the_lanes_status(mesh: Meshed) -> None:
    mesh.opened("pr-1", "payment")
    assert mesh.condition("pr-1")["reason"] == "NotYetAccepted"
    for status, wanted in (("False", ("False", "NoMatchingParent")), ("True", ("True", "Routed"))):
        told = {"type": "Accepted", "status": status, "reason": "NoMatchingParent", "message": "no such port"}
        parents = [{"controllerName": "example.com/mesh", "conditions": [told]}]
        mesh.cluster.merge(
            "HTTPRoute", "payment--pr-1.8080", {"status": {"parents": parents}}, NAMESPACE, "status"
        )
        mesh.converge("pr-1")
        said = mesh.condition("pr-1")
        assert (said["status"], said["reason"]) == wanted


def test_a_mesh_that_is_not_installed_is_said_with_what_is_missing() -> None:
    with meshed(Driver.GATEWAY_API, installed=False) as mesh:
        mesh.opened("pr-1", "payment")
        said = mesh.condition("pr-1")
        assert (said["status"], said["reason"]) == ("False", "MeshNotInstalled")
        assert "httproutes.v1.gateway.networking.k8s.io" in said["message"]


@pytest.mark.parametrize("driver", [Driver.GATEWAY_API, Driver.ISTIO])
def test_a_lane_ends_although_its_mesh_was_never_installed_or_is_gone(driver: Driver) -> None:
    with meshed(driver, installed=False) as mesh:
        mesh.opened("pr-1", "payment")
        mesh.close("pr-1")
        mesh.scene.clock.step(DRAIN + 1)
        mesh.converge("pr-1")
        assert mesh.lane("pr-1") is None


def test_a_chain_that_changes_to_the_built_in_router_leaves_no_route_behind(mesh: Meshed) -> None:
    mesh.opened("pr-1", "payment")
    mesh.scene.chain = replace(mesh.chain, driver=Driver.ENVOY)
    mesh.converge("pr-1")
    assert mesh.routes() == {}
    lane = mesh.lane("pr-1")
    assert lane is not None and "routedBy" not in lane.status


def test_a_child_is_routed_to_its_parents_copy_and_to_the_baseline_when_that_closes(mesh: Meshed) -> None:
    mesh.opened("pr-1", "payment")
    mesh.opened("pr-2", "orders")
    mesh.rebase("pr-2", "pr-1")
    mesh.converge("pr-2")
    routes = mesh.routes("pr-2")
    assert sorted(routes) == ["orders--pr-2.8080", "payment--pr-2.8080"]
    to = routes["payment--pr-2.8080"]["spec"]["rules"][0]["backendRefs"][0]["name"]
    assert to == "payment--pr-1"
    mesh.close("pr-1")
    mesh.converge("pr-2")
    assert sorted(mesh.routes("pr-2")) == ["orders--pr-2.8080"]


def test_a_lane_with_shared_routes_is_held_until_they_are_withdrawn_also_when_somebody_deletes_it() -> None:
    with meshed(Driver.ISTIO) as mesh:
        mesh.opened("pr-1", "payment")
        lane = mesh.lane("pr-1")
        assert lane is not None and lane.held
        assert mesh.cluster.list("VirtualService", NAMESPACE)
        mesh.cluster.delete("Lane", "shop.pr-1")
        mesh.converge("pr-1")
        lane = mesh.lane("pr-1")
        assert lane is not None and lane.going and lane.phase == "Terminating"
        assert mesh.cluster.list("VirtualService", NAMESPACE) == []
        assert mesh.cluster.get("Deployment", "payment--pr-1", NAMESPACE), "it may have requests still"
        mesh.scene.clock.step(DRAIN + 1)
        mesh.converge("pr-1")
        assert mesh.lane("pr-1") is None
        assert mesh.cluster.get("Deployment", "payment--pr-1", NAMESPACE) is None


def test_a_lane_without_shared_routes_is_held_by_nobody(mesh: Meshed) -> None:
    mesh.opened("pr-1", "payment")
    lane = mesh.lane("pr-1")
    assert lane is not None and not lane.finalizers

"""The user's VirtualService while lanes come and go, and what its user does to it meanwhile."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from provisioner import labels
from provisioner.chain.model import Driver
from provisioner.routing.istio import lines
from tests.support import istio
from tests.support.crashes import Call, Moment, watched
from tests.support.meshed import Meshed, meshed
from tests.support.scene import DRAIN, NAMESPACE

Json = dict[str, Any]
SLOWER = [istio.RULES[0], {**istio.CATCH_ALL, "timeout": "9s"}]


def ended(mesh: Meshed, lane: str) -> None:
    """A lane closes and is drained."""
    mesh.close(lane)
    mesh.scene.clock.step(DRAIN + 1)
    mesh.converge(lane)
    assert mesh.lane(lane) is None


def test_a_lane_is_one_line_before_the_users_rules_and_the_last_one_leaves_no_trace(mesh: Meshed) -> None:
    before = istio.written(mesh)
    mesh.opened("pr-1", "payment")
    mesh.opened("pr-2", "payment")
    assert istio.rules(mesh)[:2] == ["laneway/shop/pr-1", "laneway/shop/pr-2"]
    assert istio.host(mesh)["spec"]["http"][-2:] == istio.RULES
    ended(mesh, "pr-1")
    assert istio.rules(mesh)[0] == "laneway/shop/pr-2"
    ended(mesh, "pr-2")
    after = istio.host(mesh)
    assert lines.canonical(istio.content(after)) == lines.canonical(istio.content(before))
    assert not [one for one in after["metadata"]["managedFields"] if one["manager"] == labels.FIELD_MANAGER]


def test_a_lane_that_closes_takes_nothing_from_another(mesh: Meshed) -> None:
    istio.written(mesh)
    mesh.opened("pr-1", "payment")
    mesh.opened("pr-2", "payment", "orders")
    others = mesh.cluster.list("VirtualService", NAMESPACE, f"{labels.LANE}=pr-2")
    ended(mesh, "pr-1")
    assert mesh.cluster.list("VirtualService", NAMESPACE, f"{labels.LANE}=pr-2") == others


def test_a_copy_that_loses_its_last_pod_loses_its_line(mesh: Meshed) -> None:
    before = istio.written(mesh)
    mesh.opened("pr-1", "payment")
    mesh.pods("pr-1", "payment", False)
    mesh.converge("pr-1")
    assert istio.content(istio.host(mesh)) == istio.content(before)
    assert istio.own(mesh, "pr-1") == {}


def test_a_user_who_applies_the_object_anew_gets_the_lines_back_and_keeps_the_change(mesh: Meshed) -> None:
    istio.written(mesh)
    mesh.opened("pr-1", "payment")
    mesh.cluster.merge("VirtualService", "payment", {"spec": {"http": SLOWER}}, NAMESPACE)
    mesh.converge("pr-1")
    assert istio.rules(mesh)[0] == "laneway/shop/pr-1"
    assert istio.host(mesh)["spec"]["http"][-2:] == SLOWER
    assert istio.own(mesh, "pr-1")["payment--pr-1"]["http"][-1]["timeout"] == "9s"
    ended(mesh, "pr-1")
    assert istio.host(mesh)["spec"]["http"] == SLOWER


def test_a_user_who_writes_just_before_laneway_does_is_not_overwritten(mesh: Meshed) -> None:
    istio.written(mesh)
    mesh.open("pr-1", "payment")
    mesh.converge("pr-1")
    mesh.pods("pr-1", "payment", True)
    edits = iter([SLOWER])

    def interfere(call: Call, moment: Moment) -> None:
        if moment is Moment.BEFORE and call.what.startswith("PUT") and "virtualservices/payment" in call.what:
            for rules in edits:
                mesh.cluster.merge("VirtualService", "payment", {"spec": {"http": rules}}, NAMESPACE)

    with watched(interfere):
        mesh.converge("pr-1")
    assert list(edits) == [], "nobody interfered"
    assert istio.host(mesh)["spec"]["http"][-2:] == SLOWER
    assert istio.own(mesh, "pr-1")["payment--pr-1"]["http"][-1]["timeout"] == "9s"
    assert istio.rules(mesh)[0] == "laneway/shop/pr-1"


def test_the_note_on_the_object_restores_it_without_laneway(mesh: Meshed) -> None:
    before = istio.written(mesh)
    mesh.opened("pr-1", "payment")
    note = json.loads(istio.host(mesh)["metadata"]["annotations"][labels.ORIGINAL])
    after = mesh.cluster.merge("VirtualService", "payment", note, NAMESPACE)
    assert istio.content(after) == istio.content(before)


def test_a_service_that_nobody_routes_gets_a_host_for_as_long_as_there_are_lanes(mesh: Meshed) -> None:
    mesh.opened("pr-1", "payment")
    assert istio.rules(mesh, "laneway-payment")[-1] == "", "it ends with a rule for all"
    ended(mesh, "pr-1")
    assert mesh.cluster.list("VirtualService", NAMESPACE) == []


def test_a_user_who_begins_to_route_a_service_takes_over_with_no_lane_lost(mesh: Meshed) -> None:
    mesh.opened("pr-1", "payment")
    mesh.opened("pr-2", "payment")
    istio.written(mesh)
    mesh.converge("pr-1")
    assert istio.rules(mesh)[0] == "laneway/shop/pr-1"
    both = {"laneway/shop/pr-1", "laneway/shop/pr-2"}
    assert both < set(istio.rules(mesh, "laneway-payment")), "pr-2 has no line at the user's yet"
    mesh.converge("pr-2")
    assert both < set(istio.rules(mesh))
    assert mesh.cluster.get("VirtualService", "laneway-payment", NAMESPACE) is None
    mesh.converge("pr-1")
    assert "laneway-payment--pr-1" not in istio.own(mesh, "pr-1")


def test_a_lane_that_somebody_deletes_is_held_until_its_line_is_gone(mesh: Meshed) -> None:
    before = istio.written(mesh)
    mesh.opened("pr-1", "payment")
    mesh.cluster.delete("Lane", "shop.pr-1")
    held = mesh.cluster.get("Lane", "shop.pr-1")
    assert held is not None and held["metadata"]["finalizers"]
    mesh.converge("pr-1")
    assert istio.content(istio.host(mesh)) == istio.content(before)
    assert istio.own(mesh, "pr-1") == {}
    mesh.scene.clock.step(DRAIN + 1)
    mesh.converge("pr-1")
    assert mesh.cluster.get("Lane", "shop.pr-1") is None


def test_a_chain_that_changes_its_driver_leaves_the_users_object_as_it_was(mesh: Meshed) -> None:
    before = istio.written(mesh)
    mesh.opened("pr-1", "payment")
    mesh.scene.chain = replace(mesh.chain, driver=Driver.ENVOY)
    mesh.converge("pr-1")
    assert istio.content(istio.host(mesh)) == istio.content(before)


def test_a_service_that_leaves_the_chain_leaves_the_users_object_as_it_was(mesh: Meshed) -> None:
    before = istio.written(mesh)
    mesh.opened("pr-1", "payment", "orders")
    mesh.opened("pr-2", "payment")
    whole = mesh.chain
    mesh.scene.chain = replace(whole, services=tuple(one for one in whole.services if one.name != "payment"))
    mesh.converge("pr-1")
    after = istio.host(mesh)
    assert lines.canonical(istio.content(after)) == lines.canonical(istio.content(before))
    assert istio.rules(mesh, "laneway-orders")[0] == "laneway/shop/pr-1"
    mesh.scene.chain = replace(whole, services=tuple(one for one in whole.services if one.name != "orders"))
    mesh.converge("pr-1")
    assert mesh.cluster.get("VirtualService", "laneway-orders", NAMESPACE) is None
    assert istio.rules(mesh)[0] == "laneway/shop/pr-1", "and payment is routed again"


def test_what_istiod_finds_wrong_with_a_lanes_object_is_in_its_status(mesh: Meshed) -> None:
    istio.written(mesh)
    mesh.opened("pr-1", "payment")
    told = [{"level": "ERROR", "type": {"code": "IST0101"}}]
    mesh.cluster.merge(
        "VirtualService", "payment--pr-1", {"status": {"validationMessages": told}}, NAMESPACE, "status"
    )
    mesh.converge("pr-1")
    said = mesh.condition("pr-1")
    assert (said["status"], said["reason"]) == ("False", "NotAccepted") and "IST0101" in said["message"]


def test_a_host_that_another_chain_has_is_left_to_it_and_the_lane_says_so(mesh: Meshed) -> None:
    line = lines.line(
        "cafe", "pr-9", [{"headers": {"x-cafe": {"exact": "pr-9"}}}], "payment--pr-9", NAMESPACE
    )
    istio.written(mesh)
    theirs = mesh.cluster.merge(
        "VirtualService", "payment", {"spec": {"http": [line, *istio.RULES]}}, NAMESPACE
    )
    mesh.opened("pr-1", "payment")
    said = mesh.condition("pr-1")
    assert (said["status"], said["reason"]) == ("False", "HostOfAnotherChain") and "chain cafe" in said[
        "message"
    ]
    assert istio.host(mesh) == theirs


def test_a_mesh_that_is_not_installed_is_said_with_what_is_missing() -> None:
    with meshed(Driver.ISTIO, installed=False) as mesh:
        mesh.opened("pr-1", "payment")
        said = mesh.condition("pr-1")
        assert (said["status"], said["reason"]) == ("False", "MeshNotInstalled")
        assert "virtualservices.v1.networking.istio.io" in said["message"]

"""Two chains whose services one route of a user leads to, with lanes of one name."""

from __future__ import annotations

from dataclasses import replace

from provisioner import labels
from tests.support.meshed import ENTRY, Meshed, endpoints, to, users_route
from tests.support.scene import NAMESPACE


def test_a_lane_of_another_chain_keeps_its_route_and_the_second_is_told_whose_it_is(mesh: Meshed) -> None:
    mesh.cluster.create(users_route("all", ENTRY, to("payment"), to("orders")))
    services = {one.name: one for one in mesh.chain.services}
    town = replace(mesh.chain, name="town", services=(services["orders"],))
    mesh.scene.chain = replace(mesh.chain, services=(services["payment"],))
    mesh.opened("pr-1", "payment")
    before = mesh.cluster.get("HTTPRoute", "all--pr-1.gateway", NAMESPACE)
    mesh.scene.chain = town
    mesh.open("pr-1", "orders")
    mesh.converge("pr-1")
    copy = endpoints("orders--pr-1", "pr-1", "orders", True)
    copy["metadata"]["labels"] |= {labels.CHAIN: "town"}
    mesh.cluster.apply(copy, force=True)
    mesh.converge("pr-1")
    assert mesh.cluster.get("HTTPRoute", "all--pr-1.gateway", NAMESPACE) == before is not None
    said = mesh.condition("pr-1")
    assert (said["status"], said["reason"]) == ("False", "ForeignObject")
    assert "Lane/shop.pr-1" in said["message"]

"""The cluster refuses to change a lane's route, as an admission policy may."""

from __future__ import annotations

from tests.support.meshed import ENTRY, Meshed, to, users_route
from tests.support.scene import DRAIN, NAMESPACE


def test_a_copy_that_leaves_stays_as_long_as_a_route_that_leads_to_it_cannot_be_changed(mesh: Meshed) -> None:
    mesh.cluster.create(users_route("all", ENTRY, to("payment"), to("orders")))
    mesh.opened("pr-1", "payment", "orders")
    mesh.push("pr-1", "payment")
    mesh.local.add(action="fail", status=403, verb="patch", path="httproutes/all--pr-1.gateway")
    mesh.converge("pr-1")
    mesh.scene.clock.step(DRAIN + 1)
    outcome = mesh.converge("pr-1")
    assert "orders--pr-1" in str(mesh.routes()["all--pr-1.gateway"]["spec"]), "the route leads there still"
    assert mesh.cluster.get("Deployment", "orders--pr-1", NAMESPACE)
    assert outcome.again is None, "nothing is tried again until something happens"
    mesh.local.heal()
    mesh.converge("pr-1")
    assert "orders--pr-1" not in str(mesh.routes()["all--pr-1.gateway"]["spec"])
    mesh.scene.clock.step(DRAIN + 1)
    mesh.converge("pr-1")
    assert mesh.cluster.get("Deployment", "orders--pr-1", NAMESPACE) is None

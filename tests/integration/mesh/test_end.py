"""In which order a lane's routes go, where some let others lead into another namespace."""

from __future__ import annotations

from dataclasses import replace

from provisioner.chain.model import Service, WorkloadRef
from tests.support.crashes import Call, Moment, watched
from tests.support.meshed import ENTRY, Meshed, users_route
from tests.support.scene import NAMESPACE


def test_a_route_goes_before_the_grants_that_it_needs(mesh: Meshed) -> None:
    """A Gateway answers 500 for a route whose grant is gone."""
    web = Service("web", WorkloadRef("Deployment", "web"), "web:{sha}", "front", ("web/**",))
    mesh.scene.chain = replace(mesh.chain, services=(*mesh.chain.services, web))
    mesh.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "front"}}, force=True)
    led = [{"name": one, "namespace": NAMESPACE, "port": 8080} for one in ("payment", "orders")]
    rules = [{"backendRefs": [one]} for one in led]
    mesh.cluster.create(users_route("shop", ENTRY, *rules, namespace="front"))
    mesh.opened("pr-1", "payment", "orders")
    assert len(mesh.cluster.list("ReferenceGrant", NAMESPACE)) == 2
    gone: list[str] = []

    def hook(call: Call, moment: Moment) -> None:
        if moment is Moment.AFTER and "DELETE" in call.what:
            gone.append(call.what)

    with watched(hook):
        mesh.close("pr-1")
        mesh.converge("pr-1")
    kinds = ["grant" if "referencegrants" in one else "route" for one in gone]
    assert kinds == ["route"] * (len(kinds) - 2) + ["grant"] * 2 and len(kinds) > 2

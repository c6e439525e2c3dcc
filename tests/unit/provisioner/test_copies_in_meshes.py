"""What differs in a copy that a mesh routes to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from provisioner.chain.model import Driver
from provisioner.copies import plan
from tests.support import baseline as b

Json = dict[str, Any]


def planned(driver: Driver, owned: tuple[Json, ...] = ()) -> plan.Plan:
    snapshot = plan.Snapshot(None, (b.deployment(),), (b.kube_service(),), owned=owned)
    return plan.make(replace(b.chain(), driver=driver), b.lane(), [b.wanted()], snapshot)


def service_of(made: plan.Plan) -> Json:
    return next(one.body for one in made.writes if one.kind == "Service")


def stored(thing: Json, **spec: Any) -> Json:
    """An object as the cluster hands it out after it was written."""
    given = {"uid": "u", "resourceVersion": "1"}
    return {**thing, "metadata": {**thing["metadata"], **given}, "spec": {**thing["spec"], **spec}}


def test_a_mesh_gets_an_address_to_route_to_and_the_router_does_not() -> None:
    assert service_of(planned(Driver.ENVOY))["spec"]["clusterIP"] == "None"
    for driver in (Driver.ISTIO, Driver.GATEWAY_API):
        assert "clusterIP" not in service_of(planned(driver))["spec"]


def test_the_address_that_the_cluster_chose_is_no_reason_to_write_again() -> None:
    first = planned(Driver.ISTIO)
    there = tuple(stored(one.body) for one in first.writes if one.kind != "Service")
    found = planned(Driver.ISTIO, (*there, stored(service_of(first), clusterIP="10.0.0.9")))
    assert not found.writes
    assert not found.removals


def test_a_chain_that_changes_its_driver_has_the_copies_service_made_anew() -> None:
    for before, after in ((Driver.ENVOY, Driver.ISTIO), (Driver.ISTIO, Driver.ENVOY)):
        given = {} if before is Driver.ENVOY else {"clusterIP": "10.0.0.9"}
        found = planned(after, (stored(service_of(planned(before)), **given),))
        assert [one.kind for one in found.removals] == ["Service"]
        assert "Service" not in [one.kind for one in found.writes]

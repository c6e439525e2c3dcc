"""A chain that is routed otherwise from now on, when its former routes cannot be taken away at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.chain.model import Driver
from tests.support.meshed import Meshed, install


@pytest.mark.parametrize("driver", [Driver.ENVOY, Driver.ISTIO])
def test_routes_that_may_not_be_removed_are_removed_when_they_may(mesh: Meshed, driver: Driver) -> None:
    """As when the rights go with the same upgrade as the driver."""
    mesh.opened("pr-1", "payment")
    mesh.scene.chain = replace(mesh.chain, driver=driver)
    if driver is Driver.ISTIO:
        install(mesh.cluster, driver)
    mesh.local.add(action="fail", status=403, verb="delete", resource="httproutes")
    mesh.converge("pr-1")
    assert mesh.routes() != {}
    lane = mesh.lane("pr-1")
    assert lane is not None and lane.status["routedBy"] == "gateway-api"
    mesh.local.heal()
    mesh.converge("pr-1")
    assert mesh.routes() == {}
    lane = mesh.lane("pr-1")
    assert lane is not None and lane.status.get("routedBy", "envoy") == driver

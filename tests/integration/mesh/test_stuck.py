"""A lane that cannot end, because its routes may not be taken away, says so, and ends once they may."""

from __future__ import annotations

import pytest

from provisioner.chain.model import Driver
from provisioner.errors import PermanentError
from tests.support.meshed import Meshed, meshed
from tests.support.scene import DRAIN


def forbidden(mesh: Meshed) -> None:
    mesh.local.add(action="fail", status=403, verb="delete", resource="virtualservices")


def refused(mesh: Meshed) -> None:
    """A run that gets no further, and what the lane says of it."""
    with pytest.raises(PermanentError):
        mesh.converge("pr-1")
    said = mesh.condition("pr-1", "Ready")
    assert (said["status"], said["reason"]) == ("False", "Forbidden")
    assert "its routes cannot be taken away" in said["message"] and "virtualservices" in said["message"]


def test_a_lane_whose_routes_may_not_be_removed_says_so_keeps_its_copies_and_ends_later() -> None:
    with meshed(Driver.ISTIO) as mesh:
        mesh.opened("pr-1", "payment")
        forbidden(mesh)
        mesh.cluster.delete("Lane", "shop.pr-1")
        refused(mesh)
        lane = mesh.lane("pr-1")
        assert lane is not None and lane.phase == "Degraded" and lane.held
        assert lane.status["routedBy"] == "istio"
        before = lane.resource_version
        refused(mesh)
        lane = mesh.lane("pr-1")
        assert lane is not None and lane.resource_version == before, "it is said once"
        mesh.local.heal()
        mesh.converge("pr-1")
        lane = mesh.lane("pr-1")
        assert lane is not None and lane.phase == "Terminating"
        mesh.scene.clock.step(DRAIN + 1)
        mesh.converge("pr-1")
        assert mesh.lane("pr-1") is None


def test_one_that_is_over_already_but_held_stays_terminating_and_says_so() -> None:
    with meshed(Driver.ISTIO) as mesh:
        mesh.opened("pr-1", "payment")
        mesh.cluster.delete("Lane", "shop.pr-1")
        mesh.converge("pr-1")
        mesh.scene.clock.step(DRAIN + 1)
        mesh.local.add(action="fail", status=403, verb="list", resource="virtualservices")
        refused(mesh)
        lane = mesh.lane("pr-1")
        assert lane is not None and lane.phase == "Terminating" and lane.held
        mesh.local.heal()
        mesh.converge("pr-1")
        assert mesh.lane("pr-1") is None

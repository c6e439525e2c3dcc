"""A release's share in the cluster with Gateway API: a route of its lane's own, that lanes go before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.meshed import Meshed
from tests.support.sharing import NAME, Sharing

Json = dict[str, Any]


@pytest.fixture
def sharing(mesh: Meshed) -> Sharing:
    return Sharing(mesh)


def at_entry(sharing: Sharing, lane: str) -> list[Json]:
    """The rules of a lane's own route where the chain is entered."""
    routes = sharing.mesh.routes(lane)
    return [rule for name in routes if name.startswith("orders") for rule in routes[name]["spec"]["rules"]]


def test_a_step_is_one_write_of_a_route_beside_the_lanes(sharing: Sharing) -> None:
    sharing.pods(True)
    for weight in (50, 100):
        sharing.take(weight)
        (spec,) = sharing.shares("HTTPRoute").values()
        weights = {one["name"]: one["weight"] for one in spec["rules"][-2]["backendRefs"]}
        assert weights == ({"orders": 1, f"orders--{NAME}": 1} if weight == 50 else {f"orders--{NAME}": 1})
    sharing.pods(False, "payment")
    sharing.settle(NAME)
    assert sharing.shares("HTTPRoute") == {}


def test_lanes_of_before_and_since_go_before_the_share(sharing: Sharing) -> None:
    sharing.pods(True)
    sharing.take(50)
    (spec,) = sharing.shares("HTTPRoute").values()
    header = {"name": "x-preview-lane", "type": "Exact", "value": "pr-1"}
    assert header in spec["rules"][0]["matches"][0]["headers"]
    sharing.preview("pr-2")
    assert len(at_entry(sharing, "pr-2")[0]["matches"][0]["headers"]) == 2
    sharing.end()
    sharing.settle("pr-2")
    assert at_entry(sharing, "pr-2") == []


def test_a_cluster_that_knows_no_releases_routes_lanes_all_the_same(sharing: Sharing) -> None:
    sharing.cluster.delete("Release", sharing.release.object_name)
    sharing.cluster.delete("CustomResourceDefinition", "releases.laneway.dev")
    sharing.preview("pr-2")
    assert "payment--pr-2.8080" in sharing.mesh.routes("pr-2")

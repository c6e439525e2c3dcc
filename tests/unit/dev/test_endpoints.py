"""Who runs, by name, as endpoints.json tells it."""

from __future__ import annotations

from devcluster.dev.endpoints import by_name


def test_envoys_are_told_from_everything_else_that_the_node_runs() -> None:
    named = by_name(1, {"serve": 2, "worker": None}, {9: "envoy", 8: "python3.11", 7: "envoy"})

    assert named == {"supervisor": [1], "serve": [2], "worker": [], "envoy": [7, 9], "node": [8]}


def test_without_a_node_envoy_is_there_with_no_process() -> None:
    assert by_name(1, {}, {})["envoy"] == []

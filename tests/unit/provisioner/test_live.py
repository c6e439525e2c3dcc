"""When what is in the cluster still is what Laneway wrote."""

from __future__ import annotations

from typing import Any

import pytest

from provisioner.copies import live


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ({"a": 1, "added": 2}, {"a": 1}),
        ({}, {"a": {}}),
        ({}, {"a": None, "b": [], "c": False, "d": ""}),
        ({"a": None}, {"a": {}}),
        ({"a": None}, {"a": []}),
        ([{"name": "x", "v": 1, "added": 1}, {"name": "y"}], [{"name": "y"}, {"name": "x", "v": 1}]),
        ([{"containerPort": 2, "protocol": "TCP"}, {"containerPort": 1}], [{"containerPort": 2}]),
        ([1, 2], [1, 2]),
        ([{"weight": 1, "added": 1}], [{"weight": 1}]),
        ({"laneway.dev/baseline-revision": "3"}, {"laneway.dev/baseline-revision": "4"}),
    ],
)
def test_what_the_cluster_adds_or_leaves_out_does_not_count(there: Any, wanted: Any) -> None:
    assert live.covers(there, wanted)


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ({"a": 2}, {"a": 1}),
        ({}, {"a": 1}),
        ({"a": 1}, {"a": {"b": 1}}),
        ({"a": {"b": 1}}, {"a": [1]}),
        ({"a": True}, {"a": False}),
        ([{"name": "x", "v": 2}], [{"name": "x", "v": 1}]),
        ([{"name": "x"}], [{"name": "x"}, {"name": "y"}]),
        ([1, 2, 3], [1, 2]),
        ([2, 1], [1, 2]),
        ([{"weight": 1}, {"weight": 2}], [{"weight": 1}]),
    ],
)
def test_what_differs_counts(there: Any, wanted: Any) -> None:
    assert not live.covers(there, wanted)

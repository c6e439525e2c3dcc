"""Patches: merge, JSON, strategic."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devcluster import patch, schema, strategic
from devcluster.errors import ApiError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(st.text(max_size=3), json_values, max_size=4)


@given(objects, objects)
def test_merging_twice_is_merging_once(target: dict[str, Any], change: dict[str, Any]) -> None:
    once = patch.merge(target, change)
    assert patch.merge(once, change) == once


@given(objects)
def test_an_empty_merge_changes_nothing(target: dict[str, Any]) -> None:
    assert patch.merge(target, {}) == target


@pytest.mark.parametrize("operations", [{}, [1], [{"op": "explode", "path": "/x"}], [{"op": "add"}]])
def test_a_malformed_json_patch_is_a_bad_request(operations: Any) -> None:
    with pytest.raises(ApiError) as refused:
        patch.json_patch({"x": 1}, operations)
    assert refused.value.code == 400


DEPLOYMENT = schema.builtin("apps/v1", "Deployment")
POD = schema.builtin("v1", "Pod")


def pods(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **spec}}


def test_items_are_found_by_their_merge_key() -> None:
    target = pods({"name": "a", "image": "1"}, {"name": "b", "image": "1"})
    after = strategic.merge(target, pods({"name": "b", "image": "2"}, {"name": "c"}), POD)
    assert after == pods({"name": "a", "image": "1"}, {"name": "b", "image": "2"}, {"name": "c"})
    assert target == pods({"name": "a", "image": "1"}, {"name": "b", "image": "1"})


def test_an_item_without_its_key_is_refused() -> None:
    with pytest.raises(ApiError) as refused:
        strategic.merge(pods({"name": "a"}), pods({"image": "2"}), POD)
    assert "merge key: name" in refused.value.message


def test_directives_delete_replace_and_order() -> None:
    target = pods({"name": "a"}, {"name": "b"}, {"name": "c"})
    assert strategic.merge(target, pods({"name": "b", "$patch": "delete"}), POD) == pods(
        {"name": "a"}, {"name": "c"}
    )
    assert strategic.merge(target, pods({"$patch": "replace"}, {"name": "x"}), POD) == pods({"name": "x"})
    order = {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]}}
    assert strategic.merge(target, order, POD) == pods({"name": "c"}, {"name": "b"}, {"name": "a"})


def test_members_of_a_primitive_list_are_added_and_deleted() -> None:
    target = {"metadata": {"finalizers": ["a", "b"]}}
    change = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}}
    assert strategic.merge(target, change, POD) == {"metadata": {"finalizers": ["b", "c"]}}


def test_lists_without_a_strategy_are_replaced() -> None:
    target = pods({"name": "a", "args": ["1", "2"]})
    assert strategic.merge(target, pods({"name": "a", "args": ["3"]}), POD) == pods(
        {"name": "a", "args": ["3"]}
    )


def test_null_removes_a_field() -> None:
    target = {"spec": {"replicas": 1, "paused": True}}
    assert strategic.merge(target, {"spec": {"paused": None}}, DEPLOYMENT) == {"spec": {"replicas": 1}}

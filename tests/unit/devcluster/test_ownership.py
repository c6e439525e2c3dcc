"""Sets of owned fields, and apply on plain objects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devcluster import fieldsets, schema, serverside
from devcluster.errors import ApiError
from devcluster.serverside import Owner

MAP = schema.builtin("v1", "ConfigMap")
ONE, TWO = Owner("one", "Apply", "v1"), Owner("two", "Apply", "v1")

steps = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"'])
paths = st.lists(steps, min_size=1, max_size=4).map(tuple)


@given(st.sets(paths, max_size=12))
def test_a_set_survives_its_written_form(fields: set[fieldsets.Path]) -> None:
    assert fieldsets.decode(fieldsets.encode(fields)) == fields


def test_paths_are_shown_as_conflicts_name_them() -> None:
    path = ("f:spec", "f:containers", 'k:{"name":"app"}', "f:image")
    assert fieldsets.shown(path) == '.spec.containers[name="app"].image'
    assert fieldsets.shown(("f:metadata", "f:finalizers", 'v:"x"')) == '.metadata.finalizers[="x"]'


def config(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}


data = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"), max_size=4)


@given(data, data)
def test_what_one_manager_applies_last_is_what_there_is(
    first: dict[str, str], second: dict[str, str]
) -> None:
    live = serverside.apply(None, config(**first), MAP, ONE, force=False)
    after = serverside.apply(live, config(**second), MAP, ONE, force=False)
    assert after.get("data", {}) == second


@given(data, data)
def test_two_managers_keep_what_either_wants(first: dict[str, str], second: dict[str, str]) -> None:
    if not first or not second:
        return
    live = serverside.apply(None, config(**first), MAP, ONE, force=False)
    after = serverside.apply(live, config(**second), MAP, TWO, force=True)
    assert after["data"] == {**first, **second}


@given(data, data)
def test_without_force_a_conflict_names_exactly_the_differences(
    first: dict[str, str], second: dict[str, str]
) -> None:
    if not first or not second:
        return
    live = serverside.apply(None, config(**first), MAP, ONE, force=False)
    differing = sorted(f".data.{key}" for key in first.keys() & second.keys() if first[key] != second[key])
    if not differing:
        serverside.apply(live, config(**second), MAP, TWO, force=False)
        return
    with pytest.raises(ApiError) as refused:
        serverside.apply(live, config(**second), MAP, TWO, force=False)
    assert [cause["field"] for cause in refused.value.details["causes"]] == differing

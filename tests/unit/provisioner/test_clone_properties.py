"""What holds for every copy, whatever the labels and selectors of the baseline are."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner import labels
from provisioner.copies import clone, selection
from provisioner.errors import RefusedError
from tests.support import baseline as b

Json = dict[str, Any]

# few keys and values, so that selectors and labels meet; with what the lane makes of a value
KEYS = st.sampled_from(["app", "tier", "part-of", "release", "empty"])
VALUES = st.sampled_from(["a", "b", "a-pr-42", "b-pr-42", "pr-42", "", "x" * 63])
LABELS = st.dictionaries(KEYS, VALUES, max_size=5)
EXPRESSIONS = st.one_of(
    st.builds(
        lambda key, operator, values: {"key": key, "operator": operator, "values": values},
        KEYS,
        st.sampled_from(["In", "NotIn"]),
        st.lists(VALUES, min_size=1, max_size=3),
    ),
    st.builds(
        lambda key, operator: {"key": key, "operator": operator},
        KEYS,
        st.sampled_from(["Exists", "DoesNotExist"]),
    ),
)
SELECTORS = st.builds(
    lambda equal, rest: {"matchLabels": equal, "matchExpressions": rest},
    LABELS,
    st.lists(EXPRESSIONS, max_size=3),
)
EXTRA = st.dictionaries(
    st.sampled_from(["one", "two", "three"]),
    st.recursive(
        st.text(max_size=3) | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)
    ),
)


def baseline_of(pod: Json, others: list[Json], extra: Json | None = None) -> clone.Baseline:
    workload = b.deployment()
    workload["spec"]["template"]["metadata"]["labels"] = pod
    workload["spec"]["template"]["spec"] |= extra or {}
    selectors = [{"matchLabels": pod}, *others] if pod else others
    found = [selection.label_selector(f"Thing/{place}", one) for place, one in enumerate(selectors)]
    return clone.Baseline(workload, b.kube_service(), tuple(one for one in found if one is not None))


def order() -> clone.Order:
    return clone.Order(b.lane(), b.service(), "registry/payment:new")


def copied(baseline: clone.Baseline) -> Json | None:
    """The copied workload; None when it was refused."""
    try:
        return clone.make(order(), baseline)[-1]
    except RefusedError as refusal:
        assert "narrow that selector" in refusal.message
        return None


def labels_of(workload: Json) -> Json:
    return dict(workload["spec"]["template"]["metadata"]["labels"])


@given(LABELS, st.lists(SELECTORS, max_size=4))
def test_no_selector_of_the_baseline_takes_a_copy(pod: Json, others: list[Json]) -> None:
    baseline = baseline_of(pod, others)
    copy = copied(baseline)
    if copy is not None:
        assert selection.selecting(baseline.selectors, labels_of(copy)) == []


@given(LABELS, st.lists(SELECTORS, max_size=4))
def test_only_a_selector_that_asks_for_nothing_to_be_there_makes_a_copy_impossible(
    pod: Json, others: list[Json]
) -> None:
    baseline = baseline_of(pod, others)
    asks_for_something = [any(one.wants for one in rule.requirements) for rule in baseline.selectors]
    if all(asks_for_something):
        assert copied(baseline) is not None


@given(LABELS, st.lists(SELECTORS, max_size=4))
def test_a_copys_selector_takes_its_own_pods_and_no_others(pod: Json, others: list[Json]) -> None:
    baseline = baseline_of(pod, others)
    copy = copied(baseline)
    if copy is not None:
        own = selection.label_selector("", copy["spec"]["selector"])
        assert own is not None and own.matches(labels_of(copy))
        assert not own.matches(pod)
        another = clone.Order(b.lane(), b.service("orders"), "").labels
        assert not own.matches(pod | another)


@given(LABELS, st.lists(SELECTORS, max_size=4))
def test_a_label_that_no_selector_reads_stays(pod: Json, others: list[Json]) -> None:
    pod = {**pod, "unread": "stays"}
    baseline = baseline_of({}, others)
    baseline.workload["spec"]["template"]["metadata"]["labels"] = pod
    read = {one.key for rule in baseline.selectors for one in rule.requirements}
    copy = copied(baseline)
    if copy is not None:
        unread = {key: value for key, value in pod.items() if key not in read}
        assert unread.items() <= labels_of(copy).items()


@given(EXTRA, EXTRA, EXTRA)
def test_what_is_not_said_to_change_stays(pod: Json, container: Json, spec: Json) -> None:
    baseline = baseline_of({"app": "payment"}, [], pod)
    baseline.workload["spec"]["template"]["spec"]["containers"][0] |= container
    baseline.workload["spec"] |= spec
    before = deepcopy(baseline.workload)
    copy = copied(baseline)
    assert copy is not None and baseline.workload == before
    for workload in (copy, before):
        of_container = workload["spec"]["template"]["spec"]["containers"][0]
        of_container.pop("image")
        of_container.pop("env", None)
        workload["spec"]["template"].pop("metadata")
        workload["spec"].pop("replicas")
        workload["spec"].pop("selector")
    assert copy["spec"] == before["spec"]


@given(LABELS, st.lists(SELECTORS, max_size=3))
def test_equal_input_gives_an_equal_copy(pod: Json, others: list[Json]) -> None:
    assert copied(baseline_of(pod, others)) == copied(baseline_of(deepcopy(pod), deepcopy(others)))


@given(
    st.from_regex(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?", fullmatch=True),
    st.sampled_from(["a", "b" * 63]),
)
def test_a_renamed_value_is_a_label_value_and_differs(value: str, lane: str) -> None:
    new = selection.renamed(value, lane, frozenset((value, f"{value}-{lane}")))
    assert len(new) <= 63 and new not in (value, f"{value}-{lane}")
    assert new[0].isalnum() and new[-1].isalnum()


def test_a_label_left_out_that_makes_another_selector_match_is_not_the_end() -> None:
    first = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
    second = {
        "matchExpressions": [
            {"key": "tier", "operator": "Exists"},
            {"key": "app", "operator": "DoesNotExist"},
        ]
    }
    baseline = baseline_of({}, [first, second])
    baseline.workload["spec"]["template"]["metadata"]["labels"] = {"app": "a", "tier": "b", "other": "c"}
    copy = copied(baseline)
    assert copy is not None
    assert labels_of(copy) == {"other": "c", **order().labels}


def test_a_statefulsets_name_leaves_room_for_the_label_of_its_revision() -> None:
    one = clone.Order(b.lane(), b.service("a" * 60, kind="StatefulSet"), "")
    assert len(one.workload_name) <= 52
    assert len(one.service_name) <= 63


def test_deleting_the_lane_in_the_foreground_waits_for_the_copy() -> None:
    for thing in clone.make(order(), baseline_of({"app": "payment"}, [])):
        assert thing["metadata"]["ownerReferences"] == [
            {
                "apiVersion": labels.API_VERSION,
                "kind": "Lane",
                "name": "shop.pr-42",
                "uid": "lane-uid",
                "controller": True,
            }
        ]


def test_the_hash_does_not_know_the_revision_but_knows_the_image() -> None:
    baseline = baseline_of({"app": "payment"}, [])
    first = clone.make(order(), baseline)[-1]
    baseline.workload["metadata"]["generation"] = 99
    second = clone.make(order(), baseline)[-1]
    other = clone.make(clone.Order(b.lane(), b.service(), "registry/payment:newer"), baseline)[-1]
    assert clone.spec_hash(first) == clone.spec_hash(second) != clone.spec_hash(other)
    assert second["metadata"]["annotations"][labels.BASELINE_REVISION] == "99"


@pytest.mark.parametrize(
    ("operator", "values", "pod", "matches"),
    [
        ("In", ("a",), {"k": "a"}, True),
        ("In", ("a",), {}, False),
        ("NotIn", ("a",), {"k": "a"}, False),
        ("NotIn", ("a",), {}, True),
        ("Exists", (), {"k": ""}, True),
        ("Exists", (), {}, False),
        ("DoesNotExist", (), {"k": ""}, False),
        ("DoesNotExist", (), {}, True),
    ],
)
def test_a_requirement_is_met_as_kubernetes_meets_it(
    operator: str, values: tuple[str, ...], pod: dict[str, str], matches: bool
) -> None:
    assert selection.Requirement("k", operator, frozenset(values)).met(pod) is matches


def test_a_service_without_a_selector_selects_nothing_and_an_empty_label_selector_everything() -> None:
    bare = {"kind": "Service", "metadata": {"name": "external"}, "spec": {"type": "ExternalName"}}
    assert selection.service_selector(bare) is None
    everything = selection.label_selector("PodDisruptionBudget/all", {})
    assert everything is not None and everything.matches({})
    assert selection.label_selector("PodDisruptionBudget/none", None) is None

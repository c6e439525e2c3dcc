"""Scheduling, probes' verdicts, log options, template hashes, and the order of scale-downs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devcluster.controllers.pods import first_to_go, matches, same_template, template_hash
from devcluster.controllers.scheduler import misfit
from devcluster.kubelet.logs import LogOptions
from devcluster.kubelet.probes import Tally, request

Object = dict[str, Any]


def affinity(*expressions: Object) -> Object:
    terms = {"nodeSelectorTerms": [{"matchExpressions": list(expressions)}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        ({}, True),
        ({"nodeSelector": {"disk": "fast"}}, True),
        ({"nodeSelector": {"disk": "slow"}}, False),
        (affinity({"key": "disk", "operator": "In", "values": ["fast"]}), True),
        (affinity({"key": "disk", "operator": "NotIn", "values": ["fast"]}), False),
        (affinity({"key": "gpu", "operator": "DoesNotExist"}), True),
        (affinity({"key": "gpu", "operator": "Exists"}), False),
        (affinity({"key": "size", "operator": "Gt", "values": ["3"]}), True),
    ],
)
def test_a_pod_runs_where_its_selectors_match(spec: Object, fits: bool) -> None:
    assert (not misfit(spec, {"disk": "fast", "size": "4"})) is fits


def test_a_verdict_needs_its_threshold_in_a_row() -> None:
    tally = Tally(success_threshold=1, failure_threshold=3)
    assert [tally.count(s) for s in (False, False, True, False, False, False)] == [
        False,
        False,
        True,
        False,
        False,
        True,
    ]
    assert tally.up is False


def test_an_http_probe_sends_its_own_headers() -> None:
    get = {"path": "ready", "httpHeaders": [{"name": "Host", "value": "shop"}, {"name": "X-A", "value": "1"}]}
    lines = request(get, "127.0.0.1:80").decode().split("\r\n")
    assert lines[:2] == ["GET /ready HTTP/1.1", "Host: shop"]
    assert "X-A: 1" in lines
    assert lines[-2:] == ["", ""]


def test_log_options_are_read_from_the_query() -> None:
    now = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    options = LogOptions.of({"tailLines": "2", "follow": "true", "sinceSeconds": "60"}, now)
    assert options == LogOptions(tail=2, follow=True, since="2026-01-01T00:00:00.000000")
    with pytest.raises(ValueError, match="many"):
        LogOptions.of({"tailLines": "many"}, now)


json = st.recursive(st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=8)


@given(json, json)
def test_equal_templates_have_equal_hashes_and_others_not(one: Any, other: Any) -> None:
    same = template_hash({"spec": one}, 0) == template_hash({"spec": other}, 0)
    assert same == (one == other)
    assert template_hash({"spec": one}, 0) != template_hash({"spec": one}, 1)


def test_the_hash_label_does_not_make_a_template_another() -> None:
    plain = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": []}}
    marked = {"metadata": {"labels": {"app": "x", "pod-template-hash": "abc"}}, "spec": {"containers": []}}
    assert same_template(plain, marked)
    assert not same_template(plain, {**plain, "spec": {"containers": [{}]}})


def pod(name: str, *, running: bool = True, ready: bool = True, created: str = "1") -> Object:
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {"phase": "Running" if running else "Pending", "conditions": [condition]}
    metadata = {"name": name, "creationTimestamp": created}
    return {"metadata": metadata, "spec": {"nodeName": "devcluster"}, "status": status}


def test_pods_that_serve_nobody_go_first_and_old_ones_last() -> None:
    pods = [
        pod("old"),
        pod("new", created="2"),
        pod("unready", ready=False),
        pod("waiting", running=False, ready=False),
    ]
    assert [p["metadata"]["name"] for p in first_to_go(pods)] == ["waiting", "unready", "new", "old"]


@pytest.mark.parametrize(
    ("selector", "matched"),
    [
        ({}, True),
        (None, False),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
    ],
)
def test_label_selectors(selector: Object | None, matched: bool) -> None:
    assert matches(selector, {"a": "1"}) is matched

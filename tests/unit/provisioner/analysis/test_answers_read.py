"""Answers of others, read: whatever they are, they become a value or words, never an error."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from provisioner.release.analysis import prometheus
from provisioner.release.analysis.counters import Envoy, understood
from provisioner.release.analysis.counting import Reading
from tests.support.analysed import BEGUN

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
anything = st.recursive(leaves, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(), one))
results = st.one_of(
    anything,
    st.lists(st.fixed_dictionaries({"metric": st.just({}), "value": anything}), max_size=2),
    st.lists(st.fixed_dictionaries({"value": st.tuples(st.floats(), leaves)}), max_size=2),
    st.tuples(st.floats(), leaves),
)
kinds = st.sampled_from(["vector", "scalar", "matrix", "string"]) | anything
answers = st.one_of(
    anything,
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(["success", "error"]),
            "data": anything | st.fixed_dictionaries({"resultType": kinds, "result": results}),
            "error": anything,
        }
    ),
)


@given(answers.map(lambda one: json.dumps(one).encode()) | st.binary(), st.integers(100, 599))
@example(b'{"status": "success", "data": {"resultType": "scalar", "result": [1, 1' + b"0" * 400 + b"]}}", 200)
@example(b"[" * 500_000, 200)
def test_any_answer_of_a_prometheus_is_a_value_or_says_what_it_was(body: bytes, status: int) -> None:
    found = prometheus.read("http://prometheus", status, body)

    assert found.value is None or not found.trouble


COUNTER = "# TYPE envoy_vhost_route_upstream_rq_xx counter\n"
lines = st.builds(
    "envoy_vhost_route_upstream_rq_{}{} {}\n".format,
    st.sampled_from(["xx", "time_bucket", "time", ""]),
    st.sampled_from(["", "{", "}", '{envoy_route="release"}', '{envoy_route="release",le="x"}', '{le="'])
    | st.text(max_size=5),
    st.sampled_from(["1", "NaN", "+Inf", "-1", "x", ""]),
)
pages = st.lists(
    lines | st.sampled_from(["# TYPE a histogram\n", "# TYPE\n", "#\n", COUNTER]) | st.text(), max_size=5
)


@given(pages)
@example([COUNTER, 'envoy_vhost_route_upstream_rq_xx{envoy_route="release"} NaN\n'])
def test_any_page_of_an_envoy_is_a_reading_or_says_what_it_was(found: list[str]) -> None:
    envoy = Envoy("uid", "router-1", BEGUN, "http://10.0.0.1:10000/stats/prometheus")

    read = understood(envoy, "".join(found), "")

    if isinstance(read, Reading):
        json.dumps([one.to_json() for one in read.sides.values()], allow_nan=False)
    else:
        assert "router-1 does not tell its counters" in read.message

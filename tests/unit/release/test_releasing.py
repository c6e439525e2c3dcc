"""The `release` section of a chain file, and the same in a Release: what is written is what is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.chain.grammar import parse
from provisioner.chain.releasing import strategy_of
from provisioner.chain.strategy import (
    AT_ONCE,
    METRICS,
    Analysis,
    Audience,
    Busy,
    Finish,
    Manner,
    Metric,
    Provider,
    Step,
    Sticky,
    Strategy,
)
from provisioner.errors import ConfigError
from provisioner.release.model import Change, Phase, Release

FILE = """\
chain: shop
namespace: shop
repositories: [{url: https://github.com/acme/shop.git}]
services:
  payment: {paths: [payment/**], workload: Deployment/payment, image: "acme/payment:{sha}"}
"""

SPANS = st.integers(1, 30 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
BOUNDS = st.none() | st.integers(0, 10**9).map(lambda number: number / 10**9)
NAMES = st.from_regex(r"[a-z]{1,12}", fullmatch=True)


@st.composite
def metrics(draw: st.DrawFn) -> Metric:
    name = draw(NAMES.map(lambda text: f"own-{text}"))
    bounds = {"minimum": draw(BOUNDS), "worse": draw(BOUNDS)}
    return Metric(name, "sum(up)", "sum(down)", **bounds, maximum=1e6)


@st.composite
def analyses(draw: st.DrawFn) -> Analysis:
    interval, own = draw(st.integers(1, 1000)), draw(st.lists(metrics(), max_size=3))
    latency = Metric("latency", worse=0.000001, quantile=draw(st.sampled_from([0.5, 0.999])))
    return Analysis(
        provider=Provider.PROMETHEUS,
        url="http://prometheus.monitoring:9090",
        interval=timedelta(seconds=interval),
        window=timedelta(seconds=interval + draw(st.integers(0, 1000))),
        failures=draw(st.integers(0, 5)),
        metrics=(latency, *{one.name: one for one in own}.values()),
    )


@st.composite
def strategies(draw: st.DrawFn) -> Strategy:
    analysis = draw(st.none() | analyses())
    weights = sorted(draw(st.sets(st.integers(0, 99), max_size=5)))
    pauses = st.fixed_dictionaries({"pause": st.none() | SPANS}) | st.just({"manual": True})
    measured = st.none() | SPANS if analysis else st.none()
    return Strategy(
        steps=tuple(Step(one, **draw(pauses), analysis=draw(measured)) for one in (*weights, 100)),
        sticky=draw(st.builds(Sticky, st.sampled_from(["", "bucket"]), st.sampled_from(["", "x-user"]))),
        audience=draw(st.sampled_from([Audience(), Audience("x-beta", "yes", "tester", "1")])),
        analysis=analysis,
        finish=draw(st.sampled_from(Finish)),
        deadline=draw(SPANS),
        busy=draw(st.sampled_from(Busy)),
        on_push=draw(st.booleans()),
        max_surge=draw(st.none() | st.integers(1, 100)),
        notify=tuple(draw(st.lists(st.just("https://hooks.example.com/laneway"), max_size=2))),
    )


def strategy(section: str) -> Strategy:
    return parse(f"{FILE}release: {section}\n", "laneway.yaml").release


@given(strategies())
def test_what_is_written_is_what_is_read(one: Strategy) -> None:
    assert strategy_of(one.to_json(), "Release shop.v2") == one


@given(strategies())
def test_a_release_that_comes_back_from_the_cluster_is_the_one_that_went_there(one: Strategy) -> None:
    release = Release("shop", "v2", (Change("orders", "acme/orders:2"),), one, "lane pr-4", promoted=2)
    found = Release.from_object(stored(release))
    assert found.strategy == one and found.problem == ""
    assert found.spec() == release.spec() and found.changes == release.changes


def test_without_a_section_a_release_is_a_canary_of_five_steps() -> None:
    found = parse(FILE, "laneway.yaml").release
    assert found == Strategy() and [step.weight for step in found.steps] == [10, 25, 50, 75, 100]


def test_a_blue_green_release_is_all_at_once_until_somebody_confirms_it() -> None:
    found = strategy("{strategy: blue-green}")
    assert found.manner is Manner.BLUE_GREEN and found.steps == AT_ONCE


def test_a_blue_green_release_may_keep_the_old_version_for_a_time() -> None:
    found = strategy("{strategy: blue-green, steps: [{setWeight: 100, pause: 30m}]}")
    assert found.steps == (Step(100, pause=timedelta(minutes=30)),)


def test_a_pause_is_a_time_in_either_form_or_a_person() -> None:
    pauses = "{setWeight: 1, pause: 90}, {setWeight: 2, pause: {duration: 90s}}, {setWeight: 100, pause: {}}"
    first, second, last = strategy(f"{{steps: [{pauses}]}}").steps
    assert first.pause == second.pause == timedelta(seconds=90)
    assert last.manual and last.pause is None


def test_a_header_comes_before_the_cookie_and_does_not_replace_it() -> None:
    assert strategy("{sticky: {header: X-User-Id}}").sticky == Sticky("laneway-bucket", "x-user-id")
    assert strategy("{sticky: {header: x-user-id, cookie: none}}").sticky == Sticky("", "x-user-id")
    assert strategy("{sticky: none}").sticky == Sticky("", "")


def test_an_analysis_without_metrics_has_the_usual_ones() -> None:
    found = strategy("{steps: [{setWeight: 100, analysis: 5m}], analysis: {}}")
    assert found.analysis == Analysis() and found.analysis.metrics == METRICS


@pytest.mark.parametrize(
    "url",
    [
        "http://prometheus:9090",
        "https://me:secret@metrics.example.com/tenant/1",
        "http://[fd00::1]:9090",
        "http://10.0.0.1",
    ],
)
def test_what_is_called_is_any_address_of_the_web(url: str) -> None:
    found = strategy(f'{{analysis: {{provider: prometheus, url: "{url}"}}, notify: ["{url}"]}}')
    assert found.analysis is not None and (found.analysis.url, *found.notify) == (url, url)


@pytest.mark.parametrize(
    "url", ["prometheus:9090", "http://", "http://a b", "http://a:b", "http://[x", "file:///x"]
)
def test_what_is_no_such_address_is_not_called(url: str) -> None:
    with pytest.raises(ConfigError, match=r"release\.notify\[0\]"):
        strategy(f'{{notify: ["{url}"]}}')


def test_the_gateway_api_is_released_by_each_request() -> None:
    found = parse(f"{FILE}routing: {{driver: gateway-api}}\nrelease: {{sticky: none}}\n", "laneway.yaml")
    assert found.release.sticky == Sticky("", "")


def test_the_file_is_another_one_with_another_strategy() -> None:
    assert parse(FILE, "x").revision != parse(f"{FILE}release: {{finish: wait}}\n", "x").revision


def test_a_strategy_that_somebody_wrote_badly_is_said_with_its_keys() -> None:
    with pytest.raises(
        ConfigError, match=r"Release shop\.v2.*strategy\.steps\[0\]: is the last and must be 100"
    ):
        strategy_of({"steps": [{"setWeight": 50}]}, "Release shop.v2")


def test_a_release_with_a_bad_strategy_can_be_read_and_says_so() -> None:
    data = stored(Release("shop", "v2", (Change("orders", "acme/orders:2"),)))
    data["spec"]["strategy"] = {"steps": [{"setWeight": 100, "analysis": "1m"}]}
    found = Release.from_object(data)
    assert found.strategy == Strategy() and "no `analysis` section" in found.problem


def test_a_release_without_a_strategy_has_the_usual_one() -> None:
    data = stored(Release("shop", "v2", (Change("orders", "acme/orders:2"),)))
    del data["spec"]["strategy"]
    found = Release.from_object(data)
    assert (found.strategy, found.problem, found.phase) == (Strategy(), "", Phase.PENDING)


def stored(release: Release) -> dict[str, Any]:
    """The object as a cluster gives it back."""
    made = release.to_object()
    made["metadata"] |= {
        "uid": "u-1",
        "resourceVersion": "7",
        "generation": 1,
        "creationTimestamp": datetime(2026, 1, 1, tzinfo=UTC).isoformat(),
        "finalizers": ["laneway.dev/release"],
    }
    return made

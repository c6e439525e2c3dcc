"""A release judged by a real Prometheus server, which scrapes a shop of two versions."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from provisioner.chain.strategy import Analysis, Metric, Provider
from provisioner.release.analysis import sampling
from provisioner.release.observed import Measured, Opinion
from tests.support.analysed import Watched, shop, world
from tests.support.prometheus import Running, Shop, Traffic, scraped, server
from tests.support.waiting import until

WINDOW = timedelta(seconds=15)  # in which a busy machine scrapes as well
SERIES = 'shop_requests_total{chain="{chain}",namespace="{namespace}",lane="%s"%s}'


def success(lane: str) -> str:
    good, every = SERIES % (lane, ',code="200"'), SERIES % (lane, "")
    return f"sum(rate({good}[{{window}}])) / sum(rate({every}[{{window}}]))"


RATE = Metric("good", success("{lane}"), success("baseline"), minimum=0.9, worse=0.05)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine's Prometheus answers late, and well."""
    monkeypatch.setattr(sampling, "SECONDS", 20.0)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    versions = Shop(
        **{
            "baseline": Traffic(200, failing=0.01, seconds=0.05),
            "good": Traffic(50, failing=0.01, seconds=0.05),
            "bad": Traffic(50, failing=0.3, seconds=0.05),
            "slow": Traffic(50, failing=0.0, seconds=2.0),
            "calls": Traffic(50, calls=0.2),
            "idle": Traffic(0),
        }
    )
    folder = tmp_path_factory.mktemp("prometheus")
    with scraped(versions) as target, server(folder, target) as found:
        full = 'count(count_over_time(shop_requests_total{lane="slow"}[15s]) > 8)'
        until(lambda: found.value(full) == 2, "there is some data", 60)
        yield found


def analysis(running: Running, *metrics: Metric, **more: object) -> Analysis:
    fixed = {"provider": Provider.PROMETHEUS, "url": running.url, "window": WINDOW, **more}
    return Analysis(metrics=metrics, **fixed)  # type: ignore[arg-type]


def measured(folder: Path, running: Running, lane: str, *metrics: Metric, driver: str = "istio") -> Measured:
    """What a release of that lane is found to be, once; the first window is over."""
    watched = Watched(shop(driver), world(folder), analysis(running, *metrics, inconclusive=0), name=lane)
    watched.look()
    return watched.look(WINDOW.total_seconds() + 10)


def test_a_release_as_good_as_its_baseline_is_good(tmp_path: Path, running: Running) -> None:
    found = measured(tmp_path, running, "good", RATE)

    assert found.opinion is Opinion.GOOD, found.message
    assert found.rows[0]["lane"] == pytest.approx(0.99, abs=0.005)
    assert found.rows[0]["baseline"] == pytest.approx(0.99, abs=0.005)


def test_a_release_that_fails_often_is_bad_and_the_message_says_by_how_much(
    tmp_path: Path, running: Running
) -> None:
    found = measured(tmp_path, running, "bad", RATE)

    assert found.opinion is Opinion.BAD
    assert found.message.startswith("good 0.7 is below its minimum of 0.9")


def test_a_release_that_keeps_its_bounds_but_is_worse_than_its_baseline_is_bad(
    tmp_path: Path, running: Running
) -> None:
    relative = Metric("good", RATE.query, RATE.baseline, minimum=0.5, worse=0.05)

    found = measured(tmp_path, running, "bad", relative)

    assert found.opinion is Opinion.BAD
    assert "the baseline's 0.99" in found.message


def test_latency_is_any_quantile_of_a_histogram(tmp_path: Path, running: Running) -> None:
    query = 'histogram_quantile(0.9, sum by (le) (rate(shop_seconds_bucket{lane="%s"}[{window}])))'
    metric = Metric("p90", query % "{lane}", query % "baseline", worse=0.5)

    assert measured(tmp_path, running, "good", metric).opinion is Opinion.GOOD
    slow = measured(tmp_path, running, "slow", metric)
    assert slow.opinion is Opinion.BAD
    assert 1.0 < slow.rows[0]["lane"] <= 2.5 and slow.rows[0]["baseline"] <= 0.1


# --- the built-in metrics of a mesh -------------------------------------------------------------------------


def test_in_a_mesh_the_built_in_metrics_are_what_its_sidecars_count(tmp_path: Path, running: Running) -> None:
    built_in = Metric("success-rate", minimum=0.9, worse=0.05), Metric("latency", worse=0.5, quantile=0.9)

    good = measured(tmp_path, running, "good", *built_in)
    bad = measured(tmp_path, running, "bad", *built_in)
    slow = measured(tmp_path, running, "slow", *built_in)

    assert good.opinion is Opinion.GOOD, good.message
    assert bad.opinion is Opinion.BAD and bad.message.startswith("success-rate 70 % is below")
    assert slow.opinion is Opinion.BAD and slow.message.startswith("latency 2.")
    assert [one["unit"] for one in good.rows] == ["ratio", "seconds", "per second"]
    assert good.rows[2]["lane"] == pytest.approx(50, rel=0.9)


def test_a_grpc_call_that_fails_in_an_answer_of_200_fails(tmp_path: Path, running: Running) -> None:
    found = measured(tmp_path, running, "calls", Metric("success-rate", minimum=0.9))

    assert found.message.startswith("success-rate 80 % is below")


def test_a_lane_without_requests_is_inconclusive_and_not_perfect(tmp_path: Path, running: Running) -> None:
    found = measured(tmp_path, running, "idle", Metric("success-rate", minimum=0.9))

    assert found.opinion is Opinion.INCONCLUSIVE
    assert "the lane had 0 of the 20 requests that it takes to tell" in found.message


def test_without_a_mesh_that_counts_a_built_in_metric_has_nobody_to_ask(
    tmp_path: Path, running: Running
) -> None:
    found = measured(tmp_path, running, "good", Metric("success-rate", minimum=0.9), driver="gateway-api")

    assert found.opinion is Opinion.INCONCLUSIVE
    assert "give the metric a query" in found.message


# --- answers that say nothing -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("vector(0) / vector(0)", "measures nan, which is no number to compare"),
        ("vector(1) / vector(0)", "measures inf, which is no number to compare"),
        ('no_such_series{lane="{lane}"}', "no data of the lane"),
        ("shop_requests_total", "the query gives 12 series, and one is needed: aggregate them"),
        ("up[1m]", "the query gives a matrix, and one number is needed"),
        ('"text"', "the query gives a string, and one number is needed"),
        ("sum(rate(", "refuses the query: bad_data: "),
        ("rate(up)", "expected type range vector"),
    ],
)
def test_what_is_no_number_is_inconclusive_and_says_why(
    tmp_path: Path, running: Running, query: str, told: str
) -> None:
    found = measured(tmp_path, running, "good", Metric("own", query, maximum=1))

    assert found.opinion is Opinion.INCONCLUSIVE
    assert told in found.message


def test_a_scalar_is_a_number_too(tmp_path: Path, running: Running) -> None:
    found = measured(tmp_path, running, "good", Metric("own", "scalar(vector(3))", maximum=5))

    assert found.opinion is Opinion.GOOD and found.rows[0]["lane"] == 3


def test_one_metric_without_an_answer_does_not_hide_that_another_is_bad(
    tmp_path: Path, running: Running
) -> None:
    found = measured(tmp_path, running, "bad", Metric("own", "nothing_at_all", maximum=1), RATE)

    assert found.opinion is Opinion.BAD


def test_a_baseline_that_gives_no_number_is_inconclusive_beside_a_lane_that_does(
    tmp_path: Path, running: Running
) -> None:
    metric = Metric("own", "vector(1)", "shop_requests_total", maximum=5, worse=1)

    found = measured(tmp_path, running, "good", metric)

    assert found.opinion is Opinion.INCONCLUSIVE
    assert "the query gives 12 series" in found.message


# --- a server that is down ----------------------------------------------------------------------------------


def test_a_server_that_hangs_costs_a_few_seconds_and_is_inconclusive(
    tmp_path: Path, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "SECONDS", 3.0)
    watched = Watched(shop("istio"), world(tmp_path), analysis(running, RATE, inconclusive=1), name="good")
    os.kill(running.process.pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        first, second = watched.look(), watched.look()
        took = time.monotonic() - start
    finally:
        os.kill(running.process.pid, signal.SIGCONT)

    assert first.opinion is Opinion.NONE and "(1 of 1 borne in a row)" in first.message
    assert second.opinion is Opinion.INCONCLUSIVE and "does not answer in time" in second.message
    assert took < 20
    until(lambda: watched.look().opinion is Opinion.GOOD, "it goes on when the server does", 60)

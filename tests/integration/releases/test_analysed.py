"""Releases that are judged on their way, by what stands where Prometheus should."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler

import pytest

from provisioner.chain.strategy import Analysis, Metric, Provider, Step
from provisioner.release.analysis import measure, sampling
from provisioner.release.model import Phase, Reason
from provisioner.release.story import advance
from tests.support.releaseshop import NEW, OLD, STRATEGY, ReleaseShop
from tests.support.standin import said, standing, vector

SECOND = timedelta(seconds=1)
LATE = Metric("late", "orders_late{lane='{lane}'}", maximum=10)


@dataclass
class Judged:
    """A shop whose releases are good while `value` is at most 10."""

    shop: ReleaseShop
    value: str = "3"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        said(200, vector(self.value))(request)


@pytest.fixture
def judged(shop: ReleaseShop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Judged]:
    monkeypatch.setattr(sampling, "SECONDS", 20.0)  # a busy machine's answers come late
    made = Judged(shop)
    with standing(made.answer) as (url, _):
        analysis = Analysis(
            Provider.PROMETHEUS, url, interval=SECOND, window=SECOND, inconclusive=2, metrics=(LATE,)
        )
        steps = (Step(25, analysis=5 * SECOND), Step(100, analysis=5 * SECOND))
        shop.chain = replace(shop.chain, release=replace(STRATEGY, steps=steps, analysis=analysis))
        shop.measure = measure
        yield made


def test_a_step_lasts_until_the_release_has_been_good_for_so_long(judged: Judged) -> None:
    judged.shop.begin()

    found = judged.shop.ends()

    assert found.phase is Phase.SUCCEEDED, found.status.get("message")
    assert judged.shop.shares() == [0, 25, 100, 0]
    assert judged.shop.weights.count(25) >= 5
    assert judged.shop.images() == OLD | NEW


def test_between_two_measurements_nothing_is_written(judged: Judged) -> None:
    shop = judged.shop
    shop.begin()
    shop.until(lambda one: one.weight == 25)
    shop.turn()
    advance(shop.chain, "v2", shop.shop.world, measure)
    before = shop.release().resource_version
    shop.shop.clock.step(0.5)

    advance(shop.chain, "v2", shop.shop.world, measure)

    assert shop.release().resource_version == before


@pytest.mark.parametrize("weight", [25, 100])
def test_a_bad_measurement_takes_the_share_away_in_the_same_run(judged: Judged, weight: int) -> None:
    judged.shop.begin()
    judged.shop.until(lambda one: one.weight == weight)
    judged.shop.turn()
    judged.value = "11"

    judged.shop.turn()

    assert judged.shop.release().weight == 0
    found = judged.shop.ends()
    assert (found.phase, found.reason) == (Phase.ROLLED_BACK, Reason.ANALYSIS_FAILED)
    assert "late 11 is above its maximum of 10" in found.status["message"]
    assert judged.shop.images() == OLD


def test_one_that_turns_bad_while_the_baseline_changes_gives_it_its_own_images_back(judged: Judged) -> None:
    shop = judged.shop
    shop.broken, shop.spared = set(NEW.values()), {f"{name}--v2" for name in NEW}
    shop.begin()
    shop.until(lambda one: one.phase is Phase.FINISHING and shop.images() == OLD | NEW)
    judged.value = "11"

    found = shop.ends()

    assert (found.phase, found.reason) == (Phase.ROLLED_BACK, Reason.ANALYSIS_FAILED)
    assert shop.images() == OLD


def test_a_prometheus_that_answers_nan_stops_it_where_it_is_until_somebody_says_more(judged: Judged) -> None:
    judged.shop.begin()
    judged.shop.until(lambda one: one.weight == 25)
    judged.value = "NaN"

    held = judged.shop.reaches(Phase.PAUSED)

    assert (held.reason, held.weight) == (Reason.INCONCLUSIVE, 25)
    assert "late: the lane measures nan" in held.status["message"]
    for _ in range(5):
        judged.shop.turn()
    assert judged.shop.release().weight == 25
    judged.value = "3"
    judged.shop.say(resumed=held.resumed + 1)
    assert judged.shop.ends().phase is Phase.SUCCEEDED


def test_a_release_that_resumes_without_data_asks_again(judged: Judged) -> None:
    judged.shop.begin()
    judged.shop.until(lambda one: one.weight == 25)
    judged.value = "NaN"
    held = judged.shop.reaches(Phase.PAUSED)

    judged.shop.say(resumed=held.resumed + 1)
    judged.shop.until(lambda one: one.phase is Phase.PROGRESSING)

    assert judged.shop.reaches(Phase.PAUSED).reason == Reason.INCONCLUSIVE


def test_a_release_that_turns_bad_while_it_asks_goes_back(judged: Judged) -> None:
    judged.shop.begin()
    judged.shop.until(lambda one: one.weight == 25)
    judged.value = "NaN"
    judged.shop.reaches(Phase.PAUSED)
    judged.value = "11"

    assert judged.shop.ends().reason == Reason.ANALYSIS_FAILED


def test_a_prometheus_that_nobody_reaches_stops_it_and_an_abort_ends_it(judged: Judged) -> None:
    strategy = judged.shop.chain.release
    assert strategy.analysis is not None
    away = replace(strategy.analysis, url="http://127.0.0.1:1")
    judged.shop.chain = replace(judged.shop.chain, release=replace(strategy, analysis=away))
    judged.shop.begin()

    held = judged.shop.reaches(Phase.PAUSED)

    assert (held.reason, held.weight) == (Reason.INCONCLUSIVE, 25)
    assert "Prometheus at http://127.0.0.1:1 cannot be reached" in held.status["message"]
    judged.shop.say(aborted="nobody can tell")
    found = judged.shop.ends()
    assert (found.reason, judged.shop.images()) == (Reason.ABORTED, OLD)


def test_a_person_may_go_on_without_the_analysis(judged: Judged) -> None:
    judged.shop.begin()
    judged.shop.until(lambda one: one.weight == 25)
    judged.value = "NaN"
    judged.shop.reaches(Phase.PAUSED)

    judged.shop.say(promoted=1)

    assert judged.shop.until(lambda one: one.weight == 100).phase is Phase.PROGRESSING

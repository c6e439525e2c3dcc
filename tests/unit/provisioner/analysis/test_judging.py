"""What a measurement of a release is worth, and what a row of them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.chain.strategy import Analysis, Metric
from provisioner.release.analysis.judging import (
    Finding,
    Sample,
    Streak,
    Verdict,
    conclude,
    eased,
    judge,
    row,
)
from provisioner.release.observed import Opinion

LEAST = 20
SUCCESS = Metric("success-rate", minimum=0.99, worse=0.01)
SLOW = Metric("latency", maximum=1.0, worse=0.2)
OWN = Metric("queue", query="sum(queue{lane='{lane}'})", maximum=10)

numbers = st.floats(allow_nan=True, allow_infinity=True)
sides = st.none() | numbers
counts = st.none() | st.integers(0, 1000).map(float)
samples = st.builds(
    Sample,
    lane=sides,
    baseline=sides,
    requests=counts,
    compared=counts,
    trouble=st.sampled_from(["", "Prometheus cannot be reached"]),
    earlier=st.none() | st.floats(allow_nan=False, allow_infinity=False),
)
bounds = st.none() | st.floats(-100, 100)
metrics = st.builds(
    Metric,
    name=st.sampled_from(["success-rate", "latency", "queue"]),
    query=st.sampled_from(["", "up"]),
    minimum=bounds,
    maximum=bounds,
    worse=st.none() | st.floats(0, 100),
)


def enough(lane: float, baseline: float | None = None) -> Sample:
    return Sample(lane, baseline, requests=100, compared=100)


# --- one sample ---------------------------------------------------------------------------------------------


def test_a_lane_as_good_as_its_baseline_is_good() -> None:
    verdict = judge(SUCCESS, enough(0.995, 0.999), LEAST)

    assert verdict == Verdict(Opinion.GOOD, "success-rate 99.5 %, the baseline's 99.9 %")


def test_a_lane_below_its_minimum_is_bad_whatever_the_baseline_does() -> None:
    verdict = judge(SUCCESS, enough(0.7, 0.7), LEAST)

    assert verdict == Verdict(Opinion.BAD, "success-rate 70 % is below its minimum of 99 %")


def test_a_lane_above_its_maximum_is_bad() -> None:
    verdict = judge(OWN, Sample(12), LEAST)

    assert verdict == Verdict(Opinion.BAD, "queue 12 is above its maximum of 10")


def test_a_lane_that_is_worse_than_its_baseline_is_bad_though_it_keeps_its_bounds() -> None:
    verdict = judge(SLOW, enough(0.8, 0.3), LEAST)

    told = "latency 0.8 s, the baseline's 0.3 s: worse by 0.5 s, 0.2 s is allowed"
    assert verdict == Verdict(Opinion.BAD, told)


def test_a_lane_that_is_better_than_its_baseline_is_never_worse() -> None:
    assert judge(SLOW, enough(0.1, 0.9), LEAST).opinion is Opinion.GOOD
    assert judge(replace(SUCCESS, minimum=None), enough(0.9, 0.1), LEAST).opinion is Opinion.GOOD


@pytest.mark.parametrize(
    ("bounds", "lane", "opinion"),
    [
        ({"minimum": 0.0}, 1.0, Opinion.BAD),  # a lower bound: less is worse
        ({"minimum": 0.0}, 9.0, Opinion.GOOD),
        ({"maximum": 99.0}, 9.0, Opinion.BAD),
        ({"maximum": 99.0}, 1.0, Opinion.GOOD),
        ({}, 9.0, Opinion.BAD),  # none: more is worse, as of errors
        ({}, 1.0, Opinion.GOOD),
        ({"minimum": 0.0, "maximum": 99.0}, 9.0, Opinion.BAD),
    ],
)
def test_which_way_a_query_of_ones_own_gets_worse_is_told_by_its_bounds(
    bounds: dict[str, float], lane: float, opinion: Opinion
) -> None:
    metric = Metric("own", query="a", baseline="b", worse=1.0, **bounds)

    assert judge(metric, Sample(lane, 5.0), LEAST).opinion is opinion


@pytest.mark.parametrize("nothing", [None, float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_inconclusive_on_either_side(nothing: float | None) -> None:
    lane = judge(OWN, Sample(nothing), LEAST)
    baseline = judge(SLOW, Sample(0.1, nothing, 100, 100), LEAST)

    assert lane.opinion is Opinion.INCONCLUSIVE and "the lane" in lane.message
    assert baseline.opinion is Opinion.INCONCLUSIVE and "the baseline" in baseline.message


def test_too_few_requests_are_inconclusive_however_bad_they_went() -> None:
    verdict = judge(SUCCESS, Sample(0.0, 1.0, requests=19, compared=1000), LEAST)

    told = "success-rate: the lane had 19 of the 20 requests that it takes to tell"
    assert verdict == Verdict(Opinion.INCONCLUSIVE, told, thin=True)


def test_too_few_requests_at_the_baseline_leave_the_lanes_own_bounds() -> None:
    bad = judge(SUCCESS, Sample(0.5, 1.0, requests=1000, compared=3), LEAST)
    unclear = judge(SUCCESS, Sample(1.0, 1.0, requests=1000, compared=3), LEAST)

    assert bad.opinion is Opinion.BAD
    assert unclear.opinion is Opinion.INCONCLUSIVE and "the baseline had 3" in unclear.message


def test_a_baseline_that_cannot_be_measured_hides_no_bound_that_is_broken() -> None:
    bad = judge(SLOW, Sample(2.0, requests=100, beside="the query gives 2 series"), LEAST)
    unclear = judge(SLOW, Sample(0.1, requests=100, beside="the query gives 2 series"), LEAST)

    assert bad.opinion is Opinion.BAD
    assert unclear == Verdict(Opinion.INCONCLUSIVE, "the query gives 2 series")


def test_a_baseline_without_requests_is_compared_by_its_last_value() -> None:
    sample = Sample(0.8, None, requests=1000, compared=0, earlier=0.3)

    verdict = judge(SLOW, sample, LEAST)

    assert verdict.opinion is Opinion.BAD
    assert "the baseline's last 0.3 s" in verdict.message


def test_trouble_is_told_in_its_own_words() -> None:
    verdict = judge(SUCCESS, Sample(trouble="Prometheus cannot be reached"), LEAST)

    assert verdict == Verdict(Opinion.INCONCLUSIVE, "Prometheus cannot be reached")


@given(metrics, samples)
def test_no_sample_is_good_or_bad_that_has_no_finite_value(metric: Metric, sample: Sample) -> None:
    verdict = judge(metric, sample, LEAST)

    known = sample.lane is not None and abs(sample.lane) < float("inf")
    few = sample.requests is not None and sample.requests < LEAST
    if sample.trouble or few or not known:
        assert verdict.opinion is Opinion.INCONCLUSIVE
    assert verdict.message


@given(metrics, samples)
def test_what_people_see_is_always_json(metric: Metric, sample: Sample) -> None:
    json.dumps(row(metric, sample, judge(metric, sample, LEAST)), allow_nan=False)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_better_lane_is_never_judged_worse(one: float, other: float, beside: float, worse: float) -> None:
    low, high = sorted((one, other))
    success, latency = Metric("success-rate", worse=worse), Metric("latency", worse=worse)

    if judge(success, enough(low, beside), LEAST).opinion is Opinion.GOOD:
        assert judge(success, enough(high, beside), LEAST).opinion is Opinion.GOOD
    if judge(latency, enough(high, beside), LEAST).opinion is Opinion.GOOD:
        assert judge(latency, enough(low, beside), LEAST).opinion is Opinion.GOOD


# --- in a row -----------------------------------------------------------------------------------------------

GOOD, BAD, UNCLEAR, NONE = (
    Verdict(one, one.value) for one in (Opinion.GOOD, Opinion.BAD, Opinion.INCONCLUSIVE, Opinion.NONE)
)


def after(*verdicts: Verdict, analysis: Analysis | None = None) -> tuple[Opinion, str]:
    """The opinion when one metric had these verdicts, one after the other."""
    streak = Streak()
    for one in verdicts:
        streak = streak.after(one)
    return conclude(analysis or Analysis(), [Finding(SUCCESS, Sample(), verdicts[-1], streak)])


def test_bad_samples_are_borne_up_to_the_limit_and_the_next_fails() -> None:
    lenient = Analysis(failures=2)

    assert after(BAD, BAD, analysis=lenient) == (Opinion.NONE, "bad (2 of 2 borne in a row)")
    assert after(BAD, BAD, BAD, analysis=lenient) == (Opinion.BAD, "bad (3 times in a row)")


def test_without_a_limit_the_first_bad_sample_fails() -> None:
    assert after(GOOD, BAD) == (Opinion.BAD, "bad")


def test_a_good_sample_ends_a_row_of_bad_ones() -> None:
    assert after(BAD, BAD, GOOD, BAD, BAD, analysis=Analysis(failures=2))[0] is Opinion.NONE


def test_a_sample_that_says_nothing_does_not_end_a_row_of_bad_ones() -> None:
    assert after(BAD, UNCLEAR, BAD, analysis=Analysis(failures=1))[0] is Opinion.BAD


def test_inconclusive_samples_are_borne_up_to_the_limit() -> None:
    patient = Analysis(inconclusive=2)

    assert after(UNCLEAR, UNCLEAR, analysis=patient)[0] is Opinion.NONE
    assert after(UNCLEAR, UNCLEAR, UNCLEAR, analysis=patient) == (
        Opinion.INCONCLUSIVE,
        "inconclusive (3 times in a row)",
    )


def test_what_is_early_counts_as_nothing() -> None:
    thin = eased(Verdict(Opinion.INCONCLUSIVE, "no data", thin=True), early=True)

    assert thin.opinion is Opinion.NONE
    assert after(*[thin] * 100)[0] is Opinion.NONE
    assert eased(UNCLEAR, early=True) == UNCLEAR, "an unreachable Prometheus is not a matter of time"
    assert eased(BAD, early=True) == BAD


def test_all_metrics_have_to_be_good_and_one_is_enough_to_fail() -> None:
    good = Finding(SLOW, Sample(), GOOD, Streak())
    bad = Finding(SUCCESS, Sample(), BAD, Streak(1))
    unclear = Finding(OWN, Sample(), UNCLEAR, Streak(0, 99))

    assert conclude(Analysis(), [good, good])[0] is Opinion.GOOD
    assert conclude(Analysis(), [good, unclear])[0] is Opinion.INCONCLUSIVE
    assert conclude(Analysis(), [unclear, good, bad])[0] is Opinion.BAD
    assert conclude(Analysis(), []) == (Opinion.NONE, "")


@given(st.lists(st.sampled_from([GOOD, BAD, UNCLEAR, NONE]), min_size=1), st.integers(0, 4))
def test_a_metric_fails_after_exactly_so_many_bad_samples_without_a_good_one(
    verdicts: list[Verdict], failures: int
) -> None:
    opinion, _ = after(*verdicts, analysis=Analysis(failures=failures, inconclusive=1000))

    last_good = max((i for i, one in enumerate(verdicts) if one is GOOD), default=-1)
    bad = sum(one is BAD for one in verdicts[last_good + 1 :])
    assert (opinion is Opinion.BAD) == (bad > failures)
    assert (opinion is Opinion.GOOD) == (verdicts[-1] is GOOD)

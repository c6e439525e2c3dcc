"""What an analysis concludes from one measurement and all that went before it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.chain.strategy import Analysis, Metric
from provisioner.lane.model import stamp
from provisioner.release.analysis import Look, concluded
from provisioner.release.analysis.counting import Book
from provisioner.release.analysis.judging import Sample
from provisioner.release.analysis.memory import Memory, recall
from provisioner.release.analysis.sampling import Taken
from provisioner.release.model import Release
from provisioner.release.observed import Measured, Opinion
from tests.support.analysed import BEGUN

RATE = Metric("success-rate", worse=0.05)
GOOD, BAD = Sample(1.0, 1.0, 100, 100), Sample(0.5, 1.0, 100, 100)
NOTHING, DOWN = Sample(), Sample(trouble="Prometheus cannot be reached")
NO_COUNTERS = "no Envoy"


class Course:
    """A release whose share is `weight` from the start on, measured every ten seconds."""

    def __init__(self, *, weight: int = 10, **more: Any) -> None:
        self.analysis = Analysis(metrics=(RATE,), **more)
        self.memory, self.now, self.weight, self.weighed = Memory(), BEGUN, weight, BEGUN

    def finds(self, sample: Sample, times: int = 1) -> Measured:
        for _ in range(times):
            self.now += timedelta(seconds=10)
            taken = Taken({RATE.name: sample}, Book(), NO_COUNTERS)
            status = {"weight": self.weight, "weightAt": stamp(self.weighed)}
            release = Release("shop", "pr-4", (), status=status)
            found = concluded(Look(release, self.analysis, taken, self.memory, self.now))
            self.memory = recall(json.loads(json.dumps(found.state)))
        return found

    def weighs(self, weight: int) -> None:
        self.weight, self.weighed = weight, self.now


def test_it_is_good_since_the_first_good_measurement() -> None:
    course = Course()

    assert course.finds(GOOD).since == 0
    assert course.finds(GOOD, times=3).since == 30


def test_with_each_new_share_it_is_good_anew() -> None:
    course = Course()
    course.finds(GOOD, times=10)
    course.weighs(25)

    assert course.finds(GOOD, times=2).since == 20


@pytest.mark.parametrize("other", [BAD, NOTHING, DOWN])
def test_a_break_begins_it_anew_though_it_is_borne(other: Sample) -> None:
    course = Course(failures=3, inconclusive=3)
    course.finds(GOOD, times=10)

    found = course.finds(other)
    assert (found.opinion, found.since) == (Opinion.NONE, 0)
    assert course.finds(GOOD, times=2).since == 10


def test_little_data_is_no_wonder_until_a_window_has_passed() -> None:
    course = Course(inconclusive=2, window=timedelta(minutes=1))

    assert course.finds(NOTHING, times=6).opinion is Opinion.NONE
    assert course.finds(NOTHING, times=2).opinion is Opinion.NONE, "borne"
    assert course.finds(NOTHING).opinion is Opinion.INCONCLUSIVE


def test_a_provider_that_is_down_counts_from_the_start() -> None:
    assert Course(inconclusive=2).finds(DOWN, times=3).opinion is Opinion.INCONCLUSIVE


def test_it_turns_bad_when_there_is_data_after_it_was_inconclusive() -> None:
    course = Course(inconclusive=1)
    assert course.finds(DOWN, times=2).opinion is Opinion.INCONCLUSIVE

    assert course.finds(BAD).opinion is Opinion.BAD


def test_an_empty_state_begins_it_anew() -> None:
    course = Course(inconclusive=1)
    course.finds(DOWN, times=2)
    course.memory = recall({})

    assert course.finds(DOWN).opinion is Opinion.NONE


def test_without_a_share_only_the_baseline_is_looked_at() -> None:
    course = Course(weight=0)

    found = course.finds(replace(BAD, baseline=0.9), times=10)

    assert (found.opinion, found.message) == (Opinion.NONE, "")
    assert course.memory.earlier == {"success-rate": 0.9}
    assert course.memory.begun is None and course.memory.streaks["success-rate"].failures == 0


def test_at_the_whole_share_the_last_value_of_the_baseline_is_what_to_compare_with() -> None:
    course = Course(weight=50)
    course.finds(GOOD)
    course.weighs(100)

    found = course.finds(Sample(0.5, None, 100, 0))

    assert found.opinion is Opinion.BAD
    assert "the baseline's last 100 %" in found.message


def test_below_the_whole_share_the_baselines_last_value_is_no_excuse() -> None:
    course = Course(weight=50, inconclusive=0, window=timedelta(seconds=1))
    course.finds(GOOD)

    assert course.finds(Sample(0.5, None, 100, 0)).opinion is Opinion.INCONCLUSIVE


# --- when it is measured ------------------------------------------------------------------------------------


def test_a_measurement_is_due_when_the_interval_is_over_or_the_clock_was_put_back() -> None:
    interval = timedelta(seconds=10)
    memory = Memory(at=BEGUN)

    assert Memory().due(interval, BEGUN)
    assert not memory.due(interval, BEGUN)
    assert not memory.due(interval, BEGUN + timedelta(seconds=9))
    assert memory.due(interval, BEGUN + timedelta(seconds=10))
    assert memory.due(interval, BEGUN - timedelta(seconds=1))


# --- what is kept -------------------------------------------------------------------------------------------

numbers = st.none() | st.floats()
samples = st.builds(Sample, numbers, numbers, st.none() | st.floats(0, 1e9), st.none() | st.floats(0, 1e9))


@given(st.lists(samples, min_size=1, max_size=20), st.sampled_from([0, 10, 100]))
def test_whatever_is_measured_can_be_kept_in_a_status(found: list[Sample], weight: int) -> None:
    course = Course(weight=weight, failures=3)
    for one in found:
        measured = course.finds(one)
        json.dumps([measured.rows, measured.state, measured.since], allow_nan=False)
        assert course.memory == recall(measured.state)
        assert measured.since >= 0
        assert (measured.since > 0) <= (measured.opinion is Opinion.GOOD)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["2026-05-04T12:00:00Z", "2026-05-04"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["at", "begun", "good", "streaks", "earlier", "counters", "x"]), inner
        )
    ),
)


@given(anything)
def test_a_state_that_somebody_edited_is_no_error(edited: object) -> None:
    memory = recall(edited)

    assert isinstance(edited, Mapping) or memory == Memory()
    memory.due(timedelta(seconds=10), BEGUN)

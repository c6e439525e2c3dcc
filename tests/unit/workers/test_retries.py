"""Which failures are tried again, and when."""

from __future__ import annotations

import pytest

from provisioner.errors import ClusterError, ConfigError, GitError, PermanentError, TemporaryError
from workers.retries import (
    MOST_SECONDS,
    QUICK_DELIVERY_TRIES,
    QUICK_TRIES,
    SLOW_SECONDS,
    SLOWEST_SECONDS,
    UNKNOWN_TRIES,
    delay,
)


def latest(error: Exception, attempt: int) -> float | None:
    return delay(error, attempt, lambda: 1.0)


@pytest.mark.parametrize("error", [PermanentError("x"), ConfigError("x")])
def test_what_only_a_person_can_change_is_not_tried_again(error: Exception) -> None:
    assert latest(error, 0) is None


def test_the_back_off_doubles_up_to_a_bound() -> None:
    found = [latest(ClusterError("x"), attempt) for attempt in range(QUICK_TRIES - 1)]
    assert found == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0]


def test_what_stays_away_is_tried_slowly_for_ever_and_spread() -> None:
    waits = [delay(GitError("x"), QUICK_TRIES - 1 + tried, lambda: 0.5) for tried in range(5)]
    assert waits == [300.0, 600.0, 1200.0, 2400.0, 3600.0]
    assert delay(GitError("x"), 100_000, lambda: 0.5) == SLOWEST_SECONDS
    ends = [delay(GitError("x"), QUICK_TRIES - 1, lambda at=at: at) for at in (0.0, 1.0)]
    assert ends == [SLOW_SECONDS / 2, SLOW_SECONDS * 1.5]


def test_the_jitter_is_full() -> None:
    assert delay(GitError("x"), 3, lambda: 0.0) == 0.0
    assert delay(GitError("x"), 3, lambda: 0.25) == 1.0


def test_what_the_other_side_asks_for_is_honoured_and_spread() -> None:
    assert delay(TemporaryError("x", retry_after=10), 0, lambda: 0.0) == 10.0
    assert delay(TemporaryError("x", retry_after=10), 0, lambda: 1.0) == 10.5
    assert latest(TemporaryError("x", retry_after=3600), 0) == MOST_SECONDS


def test_a_defect_is_tried_a_few_times() -> None:
    assert latest(KeyError("x"), UNKNOWN_TRIES - 2) is not None
    assert latest(KeyError("x"), UNKNOWN_TRIES - 1) is None


def test_a_delivery_is_tried_quickly_for_most_of_an_hour_on_average() -> None:
    tries = range(QUICK_DELIVERY_TRIES - 1)
    waits = [delay(ClusterError("x"), tried, lambda: 0.5, QUICK_DELIVERY_TRIES) or 0.0 for tried in tries]
    assert 2400 < sum(waits) < 3600
    assert max(waits) <= MOST_SECONDS
    assert (
        delay(ClusterError("x"), QUICK_DELIVERY_TRIES - 1, lambda: 0.5, QUICK_DELIVERY_TRIES) == SLOW_SECONDS
    )

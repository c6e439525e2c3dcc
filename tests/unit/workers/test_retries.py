"""Which failures are tried again, and when."""

from __future__ import annotations

import pytest

from provisioner.errors import ClusterError, ConfigError, GitError, PermanentError, TemporaryError
from workers.retries import DELIVERY_TRIES, MOST_SECONDS, TEMPORARY_TRIES, UNKNOWN_TRIES, delay


def latest(error: Exception, attempt: int) -> float | None:
    return delay(error, attempt, lambda: 1.0)


@pytest.mark.parametrize("error", [PermanentError("x"), ConfigError("x")])
def test_what_only_a_person_can_change_is_not_tried_again(error: Exception) -> None:
    assert latest(error, 0) is None


def test_the_back_off_doubles_up_to_a_bound() -> None:
    found = [latest(ClusterError("x"), attempt) for attempt in range(TEMPORARY_TRIES - 1)]
    assert found == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    assert latest(ClusterError("x"), TEMPORARY_TRIES - 1) is None


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


def test_a_delivery_outlasts_most_of_an_hour_on_average_and_then_ends() -> None:
    waits = [delay(ClusterError("x"), tried, lambda: 0.5, DELIVERY_TRIES) for tried in range(DELIVERY_TRIES)]
    assert waits.pop() is None
    assert 2400 < sum(one for one in waits if one is not None) < 3600
    assert max(one for one in waits if one is not None) <= MOST_SECONDS

"""When a watch is opened again: at once after one that lasted, never in a tight loop."""

from __future__ import annotations

import pytest

from provisioner.pauses import BRIEF, FIRST, LONGEST, Pauses


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pauses(clock: Clock) -> Pauses:
    return Pauses(clock)


def watched(pauses: Pauses, clock: Clock, seconds: float, *, failed: bool = False) -> float:
    """The pause after a watch of so many seconds."""
    pauses.begin()
    clock.now += seconds
    return pauses.after(failed=failed)


def test_after_a_watch_that_lasted_the_next_is_opened_at_once(pauses: Pauses, clock: Clock) -> None:
    assert watched(pauses, clock, 300) == 0


@pytest.mark.parametrize("failed", [False, True])
def test_watches_that_end_at_once_are_opened_more_and_more_rarely(
    pauses: Pauses, clock: Clock, failed: bool
) -> None:
    found = [watched(pauses, clock, 0.001, failed=failed) for _ in range(9)]
    assert FIRST / 2 <= found[0] <= FIRST
    assert found[4] > 2 * found[0]
    assert LONGEST / 2 <= found[-1] <= LONGEST


def test_a_watch_that_failed_late_is_waited_for_as_well(pauses: Pauses, clock: Clock) -> None:
    assert watched(pauses, clock, 10 * BRIEF, failed=True) > 0


def test_one_that_lasted_begins_the_count_again(pauses: Pauses, clock: Clock) -> None:
    for _ in range(9):
        watched(pauses, clock, 0)
    watched(pauses, clock, 10 * BRIEF)
    assert watched(pauses, clock, 0) <= FIRST

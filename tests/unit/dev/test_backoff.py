"""How long a process that dies again and again waits."""

from __future__ import annotations

from itertools import accumulate

from devcluster.dev.backoff import LONGEST, STEADY, Backoff


def test_the_pause_doubles_with_each_early_death_up_to_the_longest() -> None:
    lives = accumulate([0.5] * 7, lambda backoff, lived: backoff.died(lived), initial=Backoff())

    assert [one.delay for one in lives] == [0, 1, 2, 4, 8, 16, LONGEST, LONGEST]


def test_a_long_life_makes_the_next_death_count_as_the_first() -> None:
    often = Backoff(deaths=5)

    assert often.died(STEADY).delay == 1
    assert often.died(STEADY - 0.1).delay > 1


def test_thousands_of_deaths_do_not_overflow() -> None:
    assert Backoff(deaths=100_000).delay == LONGEST

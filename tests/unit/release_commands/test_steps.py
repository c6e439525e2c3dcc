"""Other steps for one release than its chain's file has."""

from __future__ import annotations

from datetime import timedelta

import pytest

from provisioner.chain.strategy import Manner, Step, Strategy
from provisioner.errors import InputError
from provisioner.release import steps

FILE = Strategy(
    steps=(
        Step(10, pause=timedelta(minutes=5)),
        Step(50, manual=True),
        Step(100, pause=timedelta(minutes=1)),
    ),
    notify=("https://hooks.example.com/x",),
)


def test_a_step_that_the_file_has_waits_as_it_says_and_another_as_the_first() -> None:
    found = steps.with_weights(FILE, [20, 50, 100])
    assert found.steps == (
        Step(20, pause=timedelta(minutes=5)),
        Step(50, manual=True),
        Step(100, pause=timedelta(minutes=1)),
    )


def test_nothing_else_of_the_strategy_changes() -> None:
    found = steps.with_weights(FILE, [50, 100])
    assert found.notify == FILE.notify
    assert found.sticky == FILE.sticky


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([10, 5, 100], "--steps: step 2 does not rise: setWeight is 5 after 10"),
        ([10, 10, 100], "step 2 does not rise"),
        ([10, 50], "step 2 is the last and must be 100, not 50"),
        ([10, 101], "step 2 must be from 0 to 100 percent, not 101"),
    ],
)
def test_weights_that_do_not_rise_to_100_are_refused(weights: list[int], said: str) -> None:
    with pytest.raises(InputError) as refused:
        steps.with_weights(FILE, weights)
    assert said in str(refused.value)


def test_a_blue_green_release_has_no_steps_on_the_way() -> None:
    strategy = Strategy(manner=Manner.BLUE_GREEN, steps=(Step(100, manual=True),))
    with pytest.raises(InputError, match="step 1 is 10, but a blue-green release goes from 0 to 100 at once"):
        steps.with_weights(strategy, [10, 100])

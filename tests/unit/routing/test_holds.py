"""What those who wait for a copy do, by who can answer."""

from __future__ import annotations

import pytest

from provisioner.lane.model import Mode
from provisioner.routing.intent import Copy, Endpoint, Standing, State
from provisioner.routing.router.holds import Ending, Result, ending

POD, BASELINE = Endpoint("192.0.2.20", 8080), (Endpoint("192.0.2.10", 8080),)


def copy(state: State, mode: Mode = Mode.LOOSE) -> Copy:
    return Copy("pr-4", state, (POD,) if state is State.READY else (), mode)


@pytest.mark.parametrize("mode", list(Mode))
def test_they_wait_for_a_copy_that_sleeps(mode: Mode) -> None:
    assert ending(Standing(copy(State.ASLEEP, mode), BASELINE), "pr-4") is None


@pytest.mark.parametrize("mode", list(Mode))
def test_they_go_to_a_copy_that_is_ready(mode: Mode) -> None:
    assert ending(Standing(copy(State.READY, mode)), "pr-4") == Ending(Result.PASSED, POD, "pr-4")


@pytest.mark.parametrize("absent", [None, copy(State.UNREADY)])
def test_where_an_awake_loose_lane_has_no_copy_they_go_to_the_baseline(absent: Copy | None) -> None:
    assert ending(Standing(absent, BASELINE), "pr-4") == Ending(Result.PASSED, BASELINE[0], "baseline")


def test_from_a_strict_lane_nobody_goes_to_the_baseline() -> None:
    strict = copy(State.UNREADY, Mode.MEMBERS)
    assert ending(Standing(strict, BASELINE), "pr-4") == Ending(Result.RELEASED)


def test_where_nobody_is_they_are_let_go() -> None:
    assert ending(Standing(), "pr-4") == Ending(Result.RELEASED)

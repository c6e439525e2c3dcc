"""What people may wish of a release, and when it is too late."""

from __future__ import annotations

import pytest

from provisioner.errors import InputError
from provisioner.release import wishes
from provisioner.release.model import Phase, Reason, Release
from tests.support.told import release

OVER = (Phase.SUCCEEDED, Phase.ROLLED_BACK)
GOES_BACK = (Phase.RESTORING, Phase.ROLLING_BACK)
AT_THE_END = (Phase.FINISHING, Phase.RETURNING)
UNDER_WAY = (Phase.PENDING, Phase.PROGRESSING, Phase.PAUSED)


def at(phase: Phase, **more: object) -> Release:
    return release(phase=phase.value, **more)


def test_promoting_goes_beyond_the_step_that_it_is_at() -> None:
    assert wishes.promote(at(Phase.PROGRESSING, step=2)).promoted == 3


def test_promoting_fully_goes_beyond_the_last_one() -> None:
    assert wishes.promote(at(Phase.PROGRESSING, step=1), full=True).promoted == 5


def test_promoting_ends_a_pause_by_hand() -> None:
    assert not wishes.promote(wishes.pause(at(Phase.PROGRESSING))).paused


def test_promoting_twice_in_a_step_promotes_once() -> None:
    once = wishes.promote(at(Phase.PROGRESSING, step=1))
    assert wishes.promote(once) == once


def test_resuming_takes_a_pause_by_hand_back() -> None:
    assert not wishes.resume(wishes.pause(at(Phase.PROGRESSING))).paused


def test_resuming_after_the_baseline_changed_accepts_the_one_that_is_there() -> None:
    found = wishes.resume(at(Phase.PAUSED, reason=Reason.BASELINE_CHANGED.value, found="f00d"))
    assert found.accepted == "f00d"


def test_resuming_accepts_it_also_where_the_baseline_is_on_its_way_already() -> None:
    found = wishes.resume(at(Phase.FINISHING, reason=Reason.BASELINE_CHANGED.value, found="f00d"))
    assert found.accepted == "f00d"


def test_promoting_beyond_an_analysis_that_came_to_nothing_ends_that_too() -> None:
    found = wishes.promote(at(Phase.PAUSED, reason=Reason.INCONCLUSIVE.value))
    assert (found.promoted, found.resumed) == (1, 1)


def test_resuming_after_an_analysis_that_came_to_nothing_says_so_anew_each_time() -> None:
    once = wishes.resume(at(Phase.PAUSED, reason=Reason.INCONCLUSIVE.value))
    assert (once.resumed, wishes.resume(once).resumed) == (1, 2)


def test_resuming_a_step_that_waits_for_somebody_promotes_it() -> None:
    assert wishes.resume(at(Phase.PAUSED, reason=Reason.MANUAL.value, step=3)).promoted == 4


def test_what_is_not_paused_cannot_be_resumed() -> None:
    with pytest.raises(InputError, match="not paused"):
        wishes.resume(at(Phase.PROGRESSING))


@pytest.mark.parametrize("phase", UNDER_WAY)
def test_a_release_under_way_can_be_paused_and_aborted(phase: Phase) -> None:
    assert wishes.pause(at(phase)).paused
    assert wishes.abort(at(phase), " too slow ").aborted == "too slow"


def test_an_abort_has_a_reason_also_where_nobody_gives_one() -> None:
    assert wishes.abort(at(Phase.PROGRESSING)).aborted == "aborted by hand"


def test_aborting_again_leaves_the_first_reason() -> None:
    once = wishes.abort(at(Phase.PROGRESSING), "too slow")
    assert wishes.abort(once, "something else") == once


@pytest.mark.parametrize("phase", [*OVER, *GOES_BACK, *AT_THE_END])
def test_promoting_and_pausing_come_too_late_at_the_end(phase: Phase) -> None:
    for wish in (wishes.promote, wishes.pause):
        with pytest.raises(InputError, match="release release-1 of chain shop"):
            wish(at(phase))


def test_while_the_baseline_changes_it_can_be_aborted_still() -> None:
    assert wishes.abort(at(Phase.FINISHING), "wrong").aborted == "wrong"


def test_once_the_baseline_has_changed_it_cannot_be_aborted_any_more() -> None:
    with pytest.raises(InputError, match="start a release with those of before"):
        wishes.abort(at(Phase.RETURNING))


@pytest.mark.parametrize("phase", OVER)
def test_a_release_that_is_over_says_how_it_ended(phase: Phase) -> None:
    with pytest.raises(InputError, match=rf"it is over \({phase.value}\)"):
        wishes.abort(at(phase))

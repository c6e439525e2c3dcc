"""A release that somebody has to say something to before it goes on."""

from __future__ import annotations

from dataclasses import replace

from provisioner.chain.strategy import Finish, Strategy
from provisioner.release import wishes
from provisioner.release.model import Phase, Reason
from tests.unit.release.world import BAD, BY_HAND, INCONCLUSIVE, MEASURED, at, old, told


def test_a_step_that_waits_for_somebody_waits_for_ever() -> None:
    shop = at(50, BY_HAND)
    shop.run()
    shop.wait(10**6)
    found = shop.run()
    assert told(found) == (Phase.PAUSED, Reason.MANUAL, 50)
    shop.release = wishes.promote(shop.release)
    assert told(shop.run()) == (Phase.PROGRESSING, Reason.SCALING, 50)
    assert shop.run().weight == 50  # its copies are not large enough yet
    shop.follow()
    assert shop.run().weight == 100


def test_to_promote_goes_past_what_is_left_of_a_step() -> None:
    shop = at(10)
    shop.release = wishes.promote(shop.release)
    assert shop.run().status["step"] == 1


def test_to_promote_fully_goes_to_the_last_step_when_the_lane_is_large_enough() -> None:
    shop = at(50, BY_HAND)
    shop.release = wishes.promote(shop.release, full=True)
    assert shop.run().weight == 50
    shop.follow()
    assert shop.run().weight == 100
    assert shop.run().phase is Phase.FINISHING


def test_a_release_that_somebody_has_paused_stays_as_it_is() -> None:
    shop = at(10)
    shop.release = wishes.pause(shop.release)
    shop.wait(10**6)
    assert told(shop.run()) == (Phase.PAUSED, Reason.PAUSED, 10)
    shop.release = wishes.resume(shop.release)
    shop.run()
    assert shop.release.phase is Phase.PROGRESSING


def test_a_pause_does_not_count_against_the_deadline() -> None:
    shop = at(50)
    shop.until(lambda: shop.release.step == 3)
    shop.release = wishes.pause(shop.release)
    shop.run()
    shop.wait(10**6)
    shop.release = wishes.resume(shop.release)
    assert told(shop.run()) == (Phase.PROGRESSING, Reason.SCALING, 50)
    shop.wait(600)
    assert shop.run().reason is Reason.DEADLINE


def test_a_baseline_that_changes_in_the_middle_is_asked_about() -> None:
    shop = at(50)
    shop.baseline["orders"] = replace(shop.baseline["orders"], revision="r2")
    found = shop.run()
    assert told(found) == (Phase.PAUSED, Reason.BASELINE_CHANGED, 50)
    assert found.status["message"] == "the baseline of orders has another pod template"
    shop.release = wishes.resume(shop.release)
    found = shop.run()
    assert told(found)[:2] == (Phase.PROGRESSING, Reason.HOLDING)
    assert [one.revision for one in found.lane or ()] == ["r2", "r1"]


def test_what_was_accepted_once_does_not_cover_the_next_change() -> None:
    shop = at(50)
    for image in ("acme/orders:by-hand", "acme/orders:by-hand-again"):
        shop.baseline["orders"] = replace(shop.baseline["orders"], image=image)
        assert shop.run().reason is Reason.BASELINE_CHANGED
        shop.release = wishes.resume(shop.release)
        assert shop.run().phase is Phase.PROGRESSING


def test_a_baseline_that_changes_back_needs_nobody() -> None:
    shop = at(50)
    shop.baseline["orders"] = replace(shop.baseline["orders"], image="acme/orders:by-hand")
    shop.run()
    shop.baseline["orders"] = replace(shop.baseline["orders"], image=old("orders"))
    assert shop.run().phase is Phase.PROGRESSING


def test_a_baseline_that_must_not_be_written_is_asked_about_until_it_may_be() -> None:
    shop = at(50)
    shop.baseline["orders"] = replace(shop.baseline["orders"], held="it is paused")
    shop.run()
    shop.release = wishes.resume(shop.release)
    assert shop.run().reason is Reason.BASELINE_CHANGED
    shop.baseline["orders"] = replace(shop.baseline["orders"], held="")
    assert shop.run().phase is Phase.PROGRESSING


def test_a_baseline_that_its_owner_holds_is_their_affair_where_they_change_it() -> None:
    shop = at(50, Strategy(finish=Finish.WAIT))
    shop.baseline["orders"] = replace(shop.baseline["orders"], held="it is paused")
    assert shop.run().phase is Phase.PROGRESSING


def test_an_analysis_that_comes_to_nothing_is_asked_about_and_begun_anew() -> None:
    shop = at(50, MEASURED)
    shop.measured = replace(INCONCLUSIVE, state={"counts": [1]})
    assert told(shop.run()) == (Phase.PAUSED, Reason.INCONCLUSIVE, 50)
    shop.release = wishes.resume(shop.release)
    found = shop.run()
    assert told(found) == (Phase.PROGRESSING, Reason.ANALYSING, 50)
    assert found.status["analysis"] == {}


def test_an_analysis_that_is_bad_later_ends_a_release_that_was_paused() -> None:
    shop = at(50, MEASURED)
    shop.measured = INCONCLUSIVE
    shop.run()
    shop.measured = BAD
    assert told(shop.run()) == (Phase.ROLLING_BACK, Reason.ANALYSIS_FAILED, 0)

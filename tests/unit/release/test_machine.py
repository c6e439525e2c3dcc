"""A release on its way up: each step, each reason to ask somebody, each reason to go back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.chain.strategy import AT_ONCE, Analysis, Busy, Finish, Manner, Step, Strategy
from provisioner.release import wishes
from provisioner.release.machine import advance
from provisioner.release.model import Phase, Reason
from provisioner.release.observed import Copy, Decision, Measured, Opinion
from tests.unit.release.world import NEW, OLD, World, old, world

MINUTE = timedelta(minutes=1)
MEASURED = Strategy(steps=(Step(50, analysis=MINUTE), Step(100)), analysis=Analysis())
BY_HAND = Strategy(steps=(Step(50, manual=True), Step(100, manual=True)))
GOOD, BAD, INCONCLUSIVE = (
    Measured(opinion, f"it is {opinion}", since=60.0)
    for opinion in (Opinion.GOOD, Opinion.BAD, Opinion.INCONCLUSIVE)
)


def at(weight: int, strategy: Strategy | None = None, **workload: int) -> World:
    """A release that has just got this share."""
    shop = world(strategy, **workload)
    shop.until(lambda: shop.release.weight == weight)
    shop.follow()
    return shop


def told(found: Decision) -> tuple[Phase, Reason, int]:
    return found.phase, found.reason, found.weight


# --- up -----------------------------------------------------------------------------------------------------


def test_a_release_takes_every_step_and_leaves_the_baseline_with_its_images() -> None:
    shop = world()
    shop.to(Phase.SUCCEEDED)
    assert shop.weights == [0, 10, 25, 50, 75, 100, 0]
    assert shop.images == NEW and shop.lane is None


def test_a_blue_green_release_goes_to_all_at_once_and_waits_for_somebody() -> None:
    shop = world(Strategy(Manner.BLUE_GREEN, AT_ONCE))
    shop.to(Phase.PAUSED)
    assert shop.weights == [0, 100] and shop.images == OLD
    shop.release = wishes.promote(shop.release)
    shop.to(Phase.SUCCEEDED)
    assert shop.images == NEW


def test_the_share_does_not_rise_before_the_slowest_copy_is_large_enough() -> None:
    shop = at(50)
    shop.until(lambda: shop.release.step == 3)
    assert [one.replicas for one in shop.lane or ()] == [3, 3]
    shop.ready["orders"] = 3
    found = shop.run()
    assert told(found) == (Phase.PROGRESSING, Reason.SCALING, 50)
    assert "payment has 2 of 3 ready" in found.status["message"]
    shop.ready["payment"] = 3
    assert shop.run().weight == 75


def test_data_planes_have_a_moment_to_learn_of_a_new_lane() -> None:
    shop = world()
    shop.run()
    shop.follow()
    assert told(shop.run()) == (Phase.PENDING, Reason.SCALING, 0)
    shop.wait(1.9)
    assert shop.run().weight == 0
    shop.wait(0.2)
    assert shop.run().weight == 10


def test_a_copy_that_fails_in_that_moment_begins_it_anew() -> None:
    shop = world()
    shop.run()
    shop.follow()
    shop.run()
    shop.ready["orders"] = 0
    shop.wait(1.5)
    shop.run()
    shop.follow()
    shop.run()
    shop.wait(1.5)
    assert shop.run().weight == 0


def test_a_step_of_nobody_is_there_for_its_audience() -> None:
    shop = world(Strategy(steps=(Step(0, manual=True), Step(100))))
    assert told(shop.to(Phase.PAUSED)) == (Phase.PAUSED, Reason.MANUAL, 0)
    assert shop.lane is not None


def test_a_step_of_nobody_lasts_its_time_as_well() -> None:
    shop = world(Strategy(steps=(Step(0, pause=MINUTE), Step(100))))
    shop.to(Phase.PROGRESSING)
    shop.follow()
    shop.wait(59)
    assert told(shop.run()) == (Phase.PROGRESSING, Reason.HOLDING, 0)
    shop.wait(1)
    assert shop.run().status["step"] == 1


def test_a_pause_lasts_from_the_moment_of_the_weight() -> None:
    shop = at(10)
    shop.wait(59)
    found = shop.run()
    assert told(found) == (Phase.PROGRESSING, Reason.HOLDING, 10) and found.again == 1.0
    shop.wait(1)
    assert shop.run().status["step"] == 1


def test_a_step_lasts_until_the_analysis_has_been_good_for_its_time() -> None:
    shop = at(50, MEASURED)
    shop.measured = replace(GOOD, since=59.0)
    shop.wait(59)
    assert told(shop.run()) == (Phase.PROGRESSING, Reason.ANALYSING, 50)
    shop.measured = GOOD
    assert shop.run().status["step"] == 1


def test_with_a_pause_and_an_analysis_both_count() -> None:
    shop = at(50, replace(MEASURED, steps=(Step(50, pause=2 * MINUTE, analysis=MINUTE), Step(100))))
    shop.measured = GOOD
    shop.wait(61)
    assert shop.run().reason is Reason.HOLDING
    shop.wait(60)
    assert shop.run().status["step"] == 1


def test_what_is_measured_is_kept_as_it_was_given() -> None:
    shop = at(50, MEASURED)
    rows = ({"metric": "latency", "lane": 0.5, "baseline": None},)
    shop.measured = replace(GOOD, rows=rows, state={"counts": [1, 2]})
    assert shop.run().status["analysis"] == {
        "opinion": "good",
        "message": "it is good",
        "since": 60.0,
        "rows": list(rows),
        "state": {"counts": [1, 2]},
    }


def test_between_two_measurements_nothing_is_written() -> None:
    shop = at(50, MEASURED)
    shop.measured = replace(GOOD, since=10.0, state={"counts": [1]})
    first = shop.run()
    shop.measured = replace(shop.measured, since=11.0)
    shop.wait(1)
    assert shop.run().status == first.status


def test_both_versions_are_measured_also_where_nothing_depends_on_it() -> None:
    shop = at(50)
    shop.measured = BAD
    found = shop.run()
    assert found.weight == 50 and found.again == 10.0
    assert found.status["analysis"]["message"] == "it is bad"


def test_what_others_write_beside_the_status_stays() -> None:
    shop = at(10)
    shop.release = replace(shop.release, status={**shop.status, "notified": {"hook": 3}})
    assert shop.run().status["notified"] == {"hook": 3}


def test_nothing_new_is_nothing_to_write() -> None:
    shop = at(10)
    first = shop.run()
    shop.wait(5)
    assert shop.run().status == first.status


def test_the_timeline_counts_on_where_it_has_forgotten() -> None:
    shop = world(Strategy(steps=(*(Step(weight) for weight in range(1, 41)), Step(100))))
    shop.to(Phase.SUCCEEDED)
    line = shop.status["timeline"]
    assert len(line) == 50 and line[0]["event"] == "Started"
    numbers = [one["sequence"] for one in line]
    assert numbers[1:] == list(range(numbers[1], numbers[1] + 49)) and numbers[1] > 2


def test_the_timeline_has_each_step_and_each_weight() -> None:
    shop = world(Strategy(steps=(Step(50), Step(100))))
    shop.to(Phase.SUCCEEDED)
    assert shop.events == [
        *("Started", "WeightRaised", "StepBegun", "WeightRaised"),
        *("Finishing", "Returning", "Succeeded"),
    ]
    assert [one["weight"] for one in shop.status["timeline"]] == [0, 50, 50, 100, 100, 0, 0]


# --- somebody is asked --------------------------------------------------------------------------------------


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


# --- back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [10, 25, 50, 75, 100])
def test_a_release_that_is_aborted_takes_its_requests_back_at_once(weight: int) -> None:
    shop = at(weight)
    shop.release = wishes.abort(shop.release, "it is slow")
    assert told(shop.run()) == (Phase.ROLLING_BACK, Reason.ABORTED, 0)
    shop.to(Phase.ROLLED_BACK)
    assert shop.images == OLD and shop.status["message"] == "it is slow"


def test_a_release_that_is_deleted_takes_its_requests_back_and_is_held_until_then() -> None:
    shop = at(50)
    shop.wish(going=True)
    found = shop.run()
    assert told(found) == (Phase.ROLLING_BACK, Reason.ABORTED, 0) and found.hold
    assert not shop.to(Phase.ROLLED_BACK).hold


def test_the_lane_stays_until_no_request_is_on_its_way_in_it() -> None:
    shop = at(50)
    shop.release = wishes.abort(shop.release)
    shop.run()
    shop.drained = False
    assert shop.run().lane is not None
    shop.drained = True
    assert shop.run().lane is None
    assert shop.run().phase is Phase.ROLLED_BACK


def test_a_copy_in_trouble_ends_the_release() -> None:
    shop = at(50)
    shop.trouble["payment"] = "CrashLoopBackOff: exit 1"
    found = shop.run()
    assert told(found) == (Phase.ROLLING_BACK, Reason.LANE_UNHEALTHY, 0)
    assert found.status["message"] == "the copy of payment: CrashLoopBackOff: exit 1"
    assert healthy(found) == "False"


def test_one_of_several_pods_that_dies_is_no_trouble() -> None:
    shop = at(100)
    shop.ready["payment"] = 1
    for _ in range(10):
        shop.wait(5)
        assert shop.run().weight == 100


def test_a_copy_without_any_ready_pod_ends_the_release_after_a_while() -> None:
    shop = at(50)
    shop.ready["payment"] = 0
    assert shop.run().weight == 50
    shop.wait(19)
    found = shop.run()
    assert found.weight == 50 and healthy(found) == "False"
    shop.wait(1)
    found = shop.run()
    assert told(found) == (Phase.ROLLING_BACK, Reason.LANE_UNHEALTHY, 0)


def test_a_copy_that_is_ready_again_in_time_has_all_of_it_the_next_time() -> None:
    shop = at(50)
    for _ in range(3):
        shop.ready["payment"] = 0
        shop.run()
        shop.wait(15)
        shop.ready["payment"] = 2
        assert shop.run().weight == 50


def test_a_copy_that_is_ready_when_it_is_looked_at_late_does_not_end_the_release() -> None:
    shop = at(50)
    shop.ready["payment"] = 0
    shop.run()
    shop.wait(30)
    shop.ready["payment"] = 2
    assert shop.run().weight == 50


@pytest.mark.parametrize("paused", [False, True])
def test_a_bad_analysis_takes_the_requests_back(paused: bool) -> None:
    shop = at(50, MEASURED)
    shop.measured = BAD
    shop.wish(paused=paused)
    found = shop.run()
    assert told(found) == (Phase.ROLLING_BACK, Reason.ANALYSIS_FAILED, 0)
    assert found.status["message"] == "it is bad"


def test_a_lane_that_does_not_get_large_enough_in_time_ends_the_release() -> None:
    shop = at(50)
    shop.until(lambda: shop.release.step == 3)
    shop.wait(599)
    assert shop.run().weight == 50
    shop.wait(1)
    found = shop.run()
    assert told(found) == (Phase.ROLLING_BACK, Reason.DEADLINE, 0)
    assert "nothing got on for 10m: grows for 75%: orders has 2 of 3 ready" in found.status["message"]


def test_a_lane_that_grows_gets_on() -> None:
    shop = world(Strategy(steps=(Step(100),)), replicas=10)
    shop.run()
    for count in range(1, 10):
        shop.wait(590)
        shop.ready = {"orders": count, "payment": count}
        assert shop.run().phase is Phase.PENDING
    shop.wait(600)
    assert shop.run().reason is Reason.DEADLINE


def test_an_analysis_that_never_says_anything_ends_the_release() -> None:
    shop = at(50, MEASURED)
    shop.wait(60 + 599)
    assert shop.run().weight == 50
    shop.wait(1)
    assert told(shop.run()) == (Phase.ROLLING_BACK, Reason.DEADLINE, 0)


def test_a_release_that_slept_through_its_deadline_goes_on_if_it_can() -> None:
    shop = at(50)
    shop.until(lambda: shop.release.step == 3)
    shop.wait(10**6)
    shop.follow()
    assert shop.run().weight == 75


# --- before the first share ---------------------------------------------------------------------------------


def test_a_release_that_cannot_run_is_over_before_it_has_a_lane() -> None:
    shop = world()
    shop.refusal = "the entry frontend is not attached"
    found = shop.run()
    assert told(found) == (Phase.ROLLED_BACK, Reason.REFUSED, 0)
    assert found.lane is None and found.status["message"] == "the entry frontend is not attached"


def test_a_release_whose_strategy_cannot_be_read_is_refused() -> None:
    shop = world()
    shop.wish(problem="Release shop.v2: strategy.steps: must list from 1 to 100 steps")
    assert told(shop.run())[:2] == (Phase.ROLLED_BACK, Reason.REFUSED)


def test_a_service_without_a_baseline_is_refused() -> None:
    shop = world()
    del shop.baseline["payment"]
    assert shop.run().status["message"] == "payment has no workload in the baseline"


def test_a_baseline_that_must_not_be_written_is_refused() -> None:
    shop = world()
    shop.baseline["payment"] = replace(shop.baseline["payment"], held="its roll-outs are paused")
    assert told(shop.run())[:2] == (Phase.ROLLED_BACK, Reason.REFUSED)


def test_a_baseline_in_the_middle_of_an_update_is_waited_for() -> None:
    shop = world()
    shop.run()
    shop.follow()
    shop.baseline["payment"] = replace(shop.baseline["payment"], settled=False)
    assert "baseline of payment" in shop.run().status["message"]
    shop.wait(600)
    assert shop.run().reason is Reason.DEADLINE


def test_the_baseline_that_counts_is_the_one_of_the_first_share() -> None:
    shop = world()
    shop.run()
    shop.baseline["payment"] = replace(shop.baseline["payment"], image="acme/payment:1.1")
    shop.to(Phase.PROGRESSING)
    assert shop.run().phase is Phase.PROGRESSING


def test_a_second_release_is_refused() -> None:
    shop = world()
    shop.ahead = "v1"
    found = shop.run()
    assert told(found)[:2] == (Phase.ROLLED_BACK, Reason.REFUSED) and "v1" in found.status["message"]


def test_a_second_release_waits_as_long_as_the_first_one_takes_where_that_is_wanted() -> None:
    shop = world(Strategy(busy=Busy.QUEUE))
    shop.ahead = "v1"
    for _ in range(3):
        found = shop.run()
        assert told(found) == (Phase.PENDING, Reason.QUEUED, 0) and found.lane is None
        shop.wait(10**5)
    shop.ahead = ""
    assert told(shop.run()) == (Phase.PENDING, Reason.LANE_NOT_READY, 0)
    assert shop.events == ["Queued", "Started"]
    shop.to(Phase.SUCCEEDED)


def test_a_copy_that_waits_says_what_for() -> None:
    shop = world()
    shop.run()
    copies = {**shop.seen().copies, "orders": Copy(1, 0, waits="ImagePending: nobody has built it yet")}
    found = advance(shop.release, replace(shop.seen(), copies=copies), shop.now)
    assert "orders has 0 of 1 ready (ImagePending: nobody has built it yet)" in found.status["message"]
    assert found.status["copies"][0]["waits"] == "ImagePending: nobody has built it yet"


def test_what_is_over_stays_as_it_is() -> None:
    shop = world()
    shop.to(Phase.SUCCEEDED)
    status = shop.status
    shop.baseline["payment"] = replace(shop.baseline["payment"], image="acme/payment:3")
    shop.wish(aborted="too late")
    found = shop.run()
    assert (found.status, found.lane, found.patches, found.hold) == (status, None, (), False)


def healthy(found: Decision) -> str:
    (one,) = (one for one in found.status["conditions"] if one["type"] == "Healthy")
    return str(one["status"])

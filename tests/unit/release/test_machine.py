"""A release on its way up, step by step."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from provisioner.chain.strategy import AT_ONCE, Manner, Step, Strategy
from provisioner.release import wishes
from provisioner.release.model import Phase, Reason
from tests.unit.release.world import BAD, GOOD, MEASURED, NEW, OLD, at, told, world

MINUTE = timedelta(minutes=1)


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


def test_a_release_that_was_kept_from_its_start_begins_as_any_other_and_has_its_deadline() -> None:
    shop = world()
    shop.release = replace(shop.release, status={"phase": "Pending", "message": "it cannot go on: forbidden"})
    shop.run()
    assert shop.events == ["Started"]
    shop.wait(shop.release.strategy.deadline.total_seconds())
    assert told(shop.run()) == (Phase.ROLLING_BACK, Reason.DEADLINE, 0)

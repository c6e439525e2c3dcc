"""A release that goes back, and what does not make it."""

from __future__ import annotations

import pytest

from provisioner.chain.strategy import Step, Strategy
from provisioner.release import wishes
from provisioner.release.model import Phase, Reason
from provisioner.release.observed import Decision
from tests.unit.release.world import BAD, MEASURED, OLD, at, told, world


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


def healthy(found: Decision) -> str:
    (one,) = (one for one in found.status["conditions"] if one["type"] == "Healthy")
    return str(one["status"])

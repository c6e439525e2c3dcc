"""A release at its end: the baseline takes the images, or gets its own back; at no moment is it half."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.chain.strategy import Finish, Step, Strategy
from provisioner.release import ending, stops, wishes
from provisioner.release.model import Phase, Reason
from provisioner.release.observed import Decision, Patch
from tests.unit.release.world import NEW, OLD, World, new, old, world

AT_ONCE = Strategy(steps=(Step(100),))
WAIT = Strategy(steps=(Step(100),), finish=Finish.WAIT)


def finishing(strategy: Strategy = AT_ONCE, **workload: int) -> World:
    """A release whose baseline is to be changed next."""
    shop = world(strategy, **workload)
    shop.to(Phase.FINISHING)
    return shop


def told(found: Decision) -> tuple[Phase, Reason, int]:
    return found.phase, found.reason, found.weight


def write(shop: World, service: str, **changes: object) -> None:
    """Somebody else writes a baseline."""
    shop.baseline[service] = replace(shop.baseline[service], **changes)  # type: ignore[arg-type]


# --- before the baseline is changed -------------------------------------------------------------------------


def test_the_baseline_stays_as_it_is_while_requests_may_be_on_their_way_in_it() -> None:
    shop = world(AT_ONCE)
    shop.until(lambda: shop.release.weight == 100)
    shop.emptied = False
    assert told(shop.run()) == (Phase.PROGRESSING, Reason.HOLDING, 100)
    assert shop.run().again == ending.LOOK_SECONDS
    shop.emptied = True
    assert shop.run().phase is Phase.FINISHING


def test_the_baseline_stays_as_it_is_while_the_entry_leaves_requests_to_it() -> None:
    shop = world(AT_ONCE)
    shop.until(lambda: shop.release.weight == 100)
    shop.ready["orders"] = 0
    assert told(shop.run()) == (Phase.PROGRESSING, Reason.HOLDING, 100)
    shop.follow()
    assert shop.run().phase is Phase.FINISHING


def test_a_copy_that_is_lost_just_before_the_end_ends_the_release() -> None:
    shop = world(AT_ONCE)
    shop.until(lambda: shop.release.weight == 100)
    shop.ready["orders"] = 0
    shop.run()
    shop.wait(stops.GRACE.total_seconds())
    assert told(shop.run()) == (Phase.ROLLING_BACK, Reason.LANE_UNHEALTHY, 0)


# --- the baseline takes the images --------------------------------------------------------------------------


def test_what_the_baseline_has_is_kept_before_any_of_it_is_changed() -> None:
    shop = finishing()
    begun = shop.decisions[-1]
    assert begun.patches == () and begun.hold
    assert [one["image"] for one in begun.status["originals"]] == [old("orders"), old("payment")]


def test_all_services_get_their_images_together() -> None:
    shop = finishing()
    assert shop.run().patches == (
        Patch("orders", new("orders"), "r1"),
        Patch("payment", new("payment"), "r1"),
    )
    assert shop.run().patches == ()


def test_a_job_that_died_between_two_services_is_taken_up() -> None:
    shop = finishing()
    write(shop, "orders", image=new("orders"), settled=False)
    assert [one.service for one in shop.run().patches] == ["payment"]


def test_requests_return_when_all_of_the_baseline_is_new_and_ready() -> None:
    shop = finishing()
    shop.run()
    shop.settle("orders")
    assert told(shop.run()) == (Phase.FINISHING, Reason.ROLLING_OUT, 100)
    shop.settle("payment")
    found = shop.run()
    assert told(found) == (Phase.RETURNING, Reason.DRAINING, 0) and found.lane is not None


def test_the_lane_stays_until_the_last_request_has_left_it() -> None:
    shop = finishing()
    shop.to(Phase.RETURNING)
    shop.drained = False
    assert shop.run().lane is not None
    shop.drained = True
    assert shop.run().lane is None
    found = shop.run()
    assert told(found) == (Phase.SUCCEEDED, Reason.SUCCEEDED, 0) and not found.hold


def test_a_release_whose_requests_return_is_past_aborting() -> None:
    shop = finishing()
    shop.to(Phase.RETURNING)
    shop.wish(aborted="too late", going=True)
    shop.to(Phase.SUCCEEDED)
    assert shop.images == NEW


def test_each_service_that_arrives_is_a_step_forward() -> None:
    shop = finishing()
    shop.run()
    shop.wait(500)
    shop.settle("orders")
    shop.run()
    shop.wait(500)
    assert shop.run().phase is Phase.FINISHING


def test_a_baseline_that_does_not_arrive_in_time_gets_its_own_images_back() -> None:
    shop = finishing()
    shop.run()
    shop.settle("orders")
    shop.run()
    shop.wait(600)
    assert told(shop.run()) == (Phase.RESTORING, Reason.DEADLINE, 100)
    shop.to(Phase.ROLLED_BACK)
    assert shop.images == OLD


# --- it ends in the middle of that --------------------------------------------------------------------------


@pytest.mark.parametrize("wish", [{"aborted": "no"}, {"going": True}])
def test_requests_stay_in_the_lane_until_the_baseline_is_as_before(wish: dict[str, object]) -> None:
    shop = finishing()
    shop.run()
    shop.settle("orders")
    shop.wish(**wish)
    assert told(shop.run()) == (Phase.RESTORING, Reason.ABORTED, 100)
    assert {one.image for one in shop.run().patches} == set(OLD.values())
    shop.settle("orders")
    found = shop.run()
    assert found.weight == 100 and found.hold
    shop.settle("payment")
    found = shop.run()
    assert told(found) == (Phase.ROLLING_BACK, Reason.ABORTED, 0) and found.hold
    assert not shop.to(Phase.ROLLED_BACK).hold
    assert shop.images == OLD


def test_a_baseline_that_breaks_on_its_new_image_gets_its_own_back() -> None:
    shop = finishing()
    shop.run()
    write(shop, "payment", trouble="CrashLoopBackOff: exit 1")
    found = shop.run()
    assert told(found) == (Phase.RESTORING, Reason.BASELINE_UNHEALTHY, 100)
    assert found.status["message"] == "the baseline of payment: CrashLoopBackOff: exit 1"


def test_a_baseline_that_somebody_halts_gets_its_own_back() -> None:
    shop = finishing()
    shop.run()
    write(shop, "payment", held="its Rollout is paused")
    shop.run()
    assert [one.service for one in shop.run().patches] == ["orders", "payment"]


def test_a_lane_that_breaks_meanwhile_does_not_give_requests_to_half_a_baseline() -> None:
    shop = finishing()
    shop.run()
    shop.trouble["orders"] = "CrashLoopBackOff"
    assert told(shop.run()) == (Phase.RESTORING, Reason.LANE_UNHEALTHY, 100)


def restored_but_not_ready() -> World:
    """The baseline has its own images again, and pods of it that do not get ready."""
    shop = finishing()
    shop.run()
    shop.wish(aborted="no")
    shop.run()
    shop.run()
    assert shop.images == OLD and shop.rolling
    shop.wait(600)
    return shop


def test_a_dead_lane_does_not_keep_the_requests_for_ever_from_a_baseline_that_is_not_all_ready() -> None:
    shop = restored_but_not_ready()
    shop.ready["orders"] = 0
    assert told(shop.run()) == (Phase.ROLLING_BACK, Reason.ABORTED, 0)


def test_a_lane_that_serves_keeps_the_requests_until_all_of_the_baseline_is_ready() -> None:
    shop = restored_but_not_ready()
    assert told(shop.run()) == (Phase.RESTORING, Reason.ABORTED, 100)


def test_a_dead_lane_keeps_the_requests_from_a_baseline_that_has_a_new_image_still() -> None:
    shop = restored_but_not_ready()
    shop.ready["orders"] = 0
    write(shop, "payment", image=new("payment"))
    assert told(shop.run()) == (Phase.RESTORING, Reason.ABORTED, 100)


def test_a_lane_that_breaks_when_the_baseline_has_arrived_is_not_needed_any_more() -> None:
    shop = finishing()
    shop.run()
    shop.follow()
    shop.trouble["orders"] = "CrashLoopBackOff"
    assert shop.run().phase is Phase.RETURNING


def test_an_entry_that_cannot_be_read_meanwhile_does_not_turn_it_back() -> None:
    shop = finishing()
    shop.run()
    shop.refusal = "the entry frontend is not attached"
    assert shop.run().phase is Phase.FINISHING


def test_a_service_that_has_its_new_image_from_the_start_keeps_it() -> None:
    shop = world(AT_ONCE)
    write(shop, "orders", image=new("orders"))
    shop.to(Phase.FINISHING)
    shop.run()
    shop.wish(aborted="no")
    shop.to(Phase.ROLLED_BACK)
    assert shop.images == {"orders": new("orders"), "payment": old("payment")}


# --- somebody else writes the baseline ----------------------------------------------------------------------


def test_an_image_that_somebody_else_wrote_is_not_written_over_unasked() -> None:
    shop = finishing()
    write(shop, "orders", image="acme/orders:by-hand")
    found = shop.run()
    assert told(found) == (Phase.FINISHING, Reason.BASELINE_CHANGED, 100) and found.patches == ()
    shop.release = wishes.resume(shop.release)
    assert {one.service for one in shop.run().patches} == {"orders", "payment"}
    shop.wish(aborted="no")
    shop.to(Phase.ROLLED_BACK)
    assert shop.images == {**OLD, "orders": "acme/orders:by-hand"}


def test_a_template_that_somebody_else_wrote_is_asked_about() -> None:
    shop = finishing()
    shop.run()
    write(shop, "payment", revision="r2")
    assert shop.run().reason is Reason.BASELINE_CHANGED
    shop.release = wishes.resume(shop.release)
    shop.run()
    shop.wish(aborted="no")
    shop.run()
    assert Patch("payment", old("payment"), "r2") in shop.run().patches


def test_an_answer_that_does_not_come_in_time_is_no() -> None:
    shop = finishing()
    write(shop, "orders", image="acme/orders:by-hand")
    shop.run()
    shop.wait(600)
    assert shop.run().phase is Phase.RESTORING
    shop.to(Phase.ROLLED_BACK)
    assert shop.images == {**OLD, "orders": "acme/orders:by-hand"}


def test_a_baseline_that_is_gone_is_said() -> None:
    shop = finishing()
    del shop.baseline["orders"]
    assert "the baseline of orders is not there any more" in shop.run().status["message"]


# --- finish: wait -------------------------------------------------------------------------------------------


def test_where_somebody_else_owns_the_baseline_nothing_of_it_is_ever_written() -> None:
    shop = finishing(WAIT)
    shop.wait(10**6)
    found = shop.run()
    assert told(found) == (Phase.FINISHING, Reason.WAITING_FOR_BASELINE, 100)
    assert found.status["message"].endswith("orders has acme/orders:1, payment has acme/payment:1")
    for name in NEW:
        write(shop, name, image=new(name), revision="r2")
    assert shop.run().phase is Phase.RETURNING
    assert not any(one.patches for one in shop.decisions)


def test_half_a_change_of_somebody_else_gets_no_requests() -> None:
    shop = finishing(WAIT)
    write(shop, "orders", image=new("orders"))
    shop.wish(aborted="no")
    shop.run()
    found = shop.run()
    assert told(found) == (Phase.RESTORING, Reason.ABORTED, 100) and found.patches == ()
    assert "orders has acme/orders:2" in found.status["message"]
    write(shop, "orders", image=old("orders"))
    assert told(shop.run()) == (Phase.ROLLING_BACK, Reason.ABORTED, 0)


def test_a_change_that_arrives_after_all_is_an_end_as_well() -> None:
    shop = finishing(WAIT)
    write(shop, "orders", image=new("orders"))
    shop.wish(aborted="no")
    shop.run()
    write(shop, "payment", image=new("payment"))
    assert shop.run().phase is Phase.RETURNING

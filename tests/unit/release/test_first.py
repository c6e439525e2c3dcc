"""A release before its first share, and after it is over."""

from __future__ import annotations

from dataclasses import replace

from provisioner.chain.strategy import Busy, Strategy
from provisioner.release.machine import advance
from provisioner.release.model import Phase, Reason
from provisioner.release.observed import Copy
from tests.unit.release.world import told, world


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

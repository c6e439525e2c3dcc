"""A baseline that its autoscaler would make smaller while its requests are in the lane."""

from __future__ import annotations

from dataclasses import replace

from provisioner.chain.strategy import Finish, Step, Strategy
from provisioner.release import wishes
from provisioner.release.model import Phase
from tests.unit.release.world import World, old, world

BY_HAND = Strategy(steps=(Step(50, manual=True), Step(100)))
WAIT = replace(BY_HAND, finish=Finish.WAIT)


def half(strategy: Strategy = BY_HAND, least: int = 1) -> World:
    """Half of the requests are in the lane, the baseline of which could be smaller by its autoscaler."""
    shop = world(strategy, most=10, least=least)
    shop.until(lambda: shop.release.weight == 50)
    return shop


def bounds(shop: World) -> set[int]:
    return {one.least for one in shop.baseline.values()}


def test_it_is_kept_as_large_as_it_was_from_the_first_share_on() -> None:
    shop = half()
    found = shop.run()
    assert {(one.image, one.least) for one in found.patches} == {(old("orders"), 3), (old("payment"), 3)}
    assert {one["raised"] for one in found.status["baseline"]} == {3}
    shop.follow()
    assert {one.replicas for one in shop.baseline.values()} == {3}
    assert shop.run().patches == ()


def test_an_aborted_release_gives_its_autoscaler_back_when_that_has_seen_the_requests() -> None:
    shop = half()
    shop.run()
    shop.release = wishes.abort(shop.release)
    shop.run()
    shop.follow()
    shop.run()
    shop.wait(59)
    assert shop.run().phase is Phase.ROLLING_BACK and bounds(shop) == {3}
    shop.wait(1)
    found = shop.run()
    assert found.hold and bounds(shop) == {1}
    assert shop.run().phase is Phase.ROLLED_BACK


def test_what_was_accepted_in_the_middle_does_not_forget_the_bound_of_before() -> None:
    shop = half()
    shop.run()
    shop.baseline["orders"] = replace(shop.baseline["orders"], revision="r2")
    shop.run()
    shop.release = wishes.resume(shop.release)
    shop.run()
    shop.release = wishes.abort(shop.release)
    shop.to(Phase.ROLLED_BACK)
    assert bounds(shop) == {1}


def test_a_bound_that_is_high_enough_is_left_alone() -> None:
    shop = half(least=5)
    assert shop.run().patches == ()


def test_where_somebody_else_owns_the_baseline_they_own_its_bounds() -> None:
    shop = half(WAIT)
    assert shop.run().patches == ()

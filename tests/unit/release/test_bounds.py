"""A baseline that its autoscaler would make smaller while its requests are in the lane."""

from __future__ import annotations

from dataclasses import replace

from provisioner.chain.strategy import Finish, Step, Strategy
from provisioner.release import wishes
from provisioner.release.model import Phase
from tests.unit.release.world import NEW, World, new, old, world

BY_HAND = Strategy(steps=(Step(50, manual=True), Step(100)))
WAIT = replace(BY_HAND, finish=Finish.WAIT)


def half(strategy: Strategy = BY_HAND, least: int = 1) -> World:
    """Half of the requests are in the lane, the baseline of which could be smaller by its autoscaler."""
    shop = world(strategy, most=10, least=least)
    shop.until(lambda: shop.release.weight == 50)
    return shop


def finishing() -> World:
    """All requests are in the lane, and the baseline of each service has shrunk to one."""
    shop = world(Strategy(steps=(Step(100),)), most=10, least=1)
    shop.to(Phase.FINISHING)
    return shop


def write(shop: World, service: str, **changes: int) -> None:
    """Somebody else writes a baseline, or its autoscaler."""
    shop.baseline[service] = replace(shop.baseline[service], **changes)  # type: ignore[arg-type]


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


def test_a_bound_that_was_raised_no_further_is_given_back_as_well() -> None:
    shop = half(Strategy(steps=(Step(50), Step(100))))
    shop.to(Phase.FINISHING)
    assert bounds(shop) == {3}
    shop.lane = tuple(replace(one, replicas=7) for one in shop.lane or ())
    assert {one.least for one in shop.run(parts=2).patches} == {7}
    shop.release = wishes.abort(shop.release)
    shop.to(Phase.ROLLED_BACK)
    assert bounds(shop) == {1}


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


def test_a_baseline_that_shrank_is_as_large_as_before_when_requests_return() -> None:
    shop = finishing()
    assert {one.replicas for one in shop.baseline.values()} == {1}
    found = shop.run()
    assert {(one.image, one.least) for one in found.patches} == {(new("orders"), 3), (new("payment"), 3)}
    shop.to(Phase.RETURNING)
    assert {one.replicas for one in shop.baseline.values()} == {3}


def test_a_baseline_is_made_as_large_as_the_lane_has_become() -> None:
    shop = finishing()
    shop.lane = tuple(replace(one, replicas=7) for one in shop.lane or ())
    assert {one.least for one in shop.run().patches} == {7}


def test_an_autoscaler_has_its_own_bound_back_when_it_has_seen_the_requests() -> None:
    shop = finishing()
    shop.to(Phase.RETURNING)
    shop.run()
    shop.follow()
    shop.wait(59)
    found = shop.run()
    assert found.phase is Phase.RETURNING and found.patches == ()
    shop.wait(1)
    assert {one.least for one in shop.run().patches} == {1}
    shop.to(Phase.SUCCEEDED)
    assert {one.least for one in shop.baseline.values()} == {1}


def test_a_bound_that_somebody_else_has_written_since_is_theirs() -> None:
    shop = finishing()
    shop.to(Phase.RETURNING)
    for name in NEW:
        write(shop, name, least=2)
    shop.to(Phase.SUCCEEDED)
    assert {one.least for one in shop.baseline.values()} == {2}


def test_a_baseline_without_an_autoscaler_is_as_large_as_its_owner_wants_it() -> None:
    shop = world(Strategy(steps=(Step(100),)))
    shop.to(Phase.FINISHING)
    write(shop, "orders", replicas=1)
    assert {one.least for one in shop.run().patches} == {None}
    shop.to(Phase.SUCCEEDED)

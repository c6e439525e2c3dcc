"""How large a copy is for its share."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.chain.strategy import Step, Strategy
from provisioner.release.capacity import needed
from tests.unit.release.world import World, world


def lane(shop: World) -> list[int]:
    return [one.replicas for one in shop.lane or ()]


@pytest.mark.parametrize(
    ("replicas", "weight", "pods"),
    [
        (3, 10, 1),
        (3, 34, 2),
        (3, 67, 3),
        (10, 25, 3),
        (10, 20, 2),
        (1, 1, 1),
        (0, 100, 1),
        (4, 0, 1),
        (4, 100, 4),
    ],
)
def test_a_share_is_rounded_up_and_one_at_least(replicas: int, weight: int, pods: int) -> None:
    assert needed(replicas, weight) == pods


@given(st.integers(0, 1000), st.integers(0, 99))
def test_a_greater_share_never_needs_less(replicas: int, weight: int) -> None:
    assert needed(replicas, weight) <= needed(replicas, weight + 1) <= max(1, replicas)


def test_a_copy_is_large_enough_for_the_step_before_the_step_has_its_share() -> None:
    shop = world(Strategy(steps=(Step(10), Step(50), Step(100))), replicas=10)
    shop.until(lambda: shop.release.step == 1)
    assert shop.release.weight == 10 and lane(shop) == [5, 5]


def test_a_baseline_that_grows_makes_its_copy_grow() -> None:
    shop = world(Strategy(steps=(Step(50, manual=True), Step(100))), replicas=4)
    shop.until(lambda: shop.release.weight == 50)
    shop.baseline["orders"] = replace(shop.baseline["orders"], replicas=10)
    shop.run()
    assert lane(shop) == [5, 2]


def test_a_baseline_that_shrinks_leaves_its_copy_as_it_is() -> None:
    shop = world(Strategy(steps=(Step(50, manual=True), Step(100))), replicas=10)
    shop.until(lambda: shop.release.weight == 50)
    shop.baseline["orders"] = replace(shop.baseline["orders"], replicas=2)
    shop.run()
    assert lane(shop) == [5, 5]


def test_a_copy_grows_by_no_more_than_its_surge_at_once() -> None:
    shop = world(Strategy(steps=(Step(100),), max_surge=2), replicas=5)
    sizes = []
    for _ in range(4):
        shop.run()
        sizes.append(lane(shop))
        shop.follow()
    assert sizes == [[2, 2], [4, 4], [5, 5], [5, 5]]


def test_pods_that_die_while_a_copy_grows_do_not_make_it_smaller() -> None:
    shop = world(Strategy(steps=(Step(100),), max_surge=1), replicas=5)
    shop.run()
    shop.follow()
    shop.run()
    shop.ready.clear()
    shop.run()
    assert lane(shop) == [2, 2]

"""Who starts, who waits, and for what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.lane.admission import Holding, Limit, Rules, Wait, holding, waiting
from provisioner.lane.model import Lane
from tests.support import baseline as b


def runs(name: str, at: int = 0, **more: Any) -> Holding:
    return Holding("shop", name, b.NOW + timedelta(seconds=at), admitted=True, **more)


def asks(name: str, at: int = 100, **more: Any) -> Holding:
    return Holding("shop", name, b.NOW + timedelta(seconds=at), admitted=False, **more)


def turned_away(*holdings: Holding, total: int | None = None, **rules: Any) -> dict[str, Wait]:
    found = waiting(holdings, {"shop": Rules(**{"lanes": 50} | rules)}, total)
    return {lane: wait for (_, lane), wait in found.items()}


def test_a_lane_starts_while_there_is_room() -> None:
    assert turned_away(runs("a"), asks("b"), lanes=2) == {}


def test_a_lane_over_the_limit_waits_and_says_why_and_where() -> None:
    found = turned_away(runs("a"), runs("b"), asks("c"), lanes=2)
    assert found["c"].limit is Limit.CHAIN
    assert str(found["c"]) == (
        "number 1 in the queue: chain shop has 2 of 2 lanes; it starts by itself when there is room"
    )


def test_who_came_first_starts_first() -> None:
    found = turned_away(runs("a"), asks("later", 30), asks("first", 10), asks("last", 40), lanes=2)
    assert {name: wait.place for name, wait in found.items()} == {"later": 1, "last": 2}


def test_lanes_of_one_second_start_by_name() -> None:
    assert set(turned_away(asks("b", 10), asks("a", 10), lanes=1)) == {"b"}


def test_an_author_over_the_limit_holds_up_nobody_else() -> None:
    ada, bob = frozenset({"ada"}), frozenset({"bob"})
    found = turned_away(
        runs("a", authors=ada), asks("b", 1, authors=ada), asks("c", 2, authors=bob), per_author=1
    )
    assert {name: wait.limit for name, wait in found.items()} == {"b": Limit.AUTHOR}
    assert "ada has 1 of 1 lanes in chain shop" in str(found["b"])


def test_lanes_of_all_chains_count_towards_the_total() -> None:
    other = Holding("bakery", "a", b.NOW, admitted=True)
    assert turned_away(other, asks("b"), total=1)["b"].limit is Limit.TOTAL
    assert turned_away(other, asks("b"), total=2) == {}


def test_copies_count_towards_the_pod_budget() -> None:
    found = turned_away(runs("a", pods=3), asks("b", pods=2), pods=4)
    assert found["b"].limit is Limit.PODS
    assert "it wants 2 pods, and the lanes of chain shop have 3 of 4" in str(found["b"])


def test_small_lanes_do_not_pass_a_big_one_for_ever() -> None:
    found = turned_away(runs("a", pods=3), asks("big", 1, pods=2), asks("small", 2, pods=1), pods=4)
    assert set(found) == {"big", "small"}


def test_a_lane_without_copies_needs_no_pods() -> None:
    assert turned_away(runs("a", pods=4), asks("words", pods=0), pods=4) == {}


def test_a_lane_larger_than_the_whole_budget_says_so_and_holds_up_nobody() -> None:
    found = turned_away(asks("huge", 1, pods=5), asks("small", 2, pods=1), pods=4)
    assert {name: wait.limit for name, wait in found.items()} == {"huge": Limit.TOO_BIG}
    assert "raise lifecycle.max_pods" in str(found["huge"])


def test_who_was_let_in_stays_also_when_the_limit_is_lowered() -> None:
    assert set(turned_away(runs("a"), runs("b"), asks("c"), lanes=1)) == {"c"}


def test_two_over_the_limit_mend_themselves() -> None:
    both = (runs("a"), runs("b"))
    assert set(turned_away(*both, asks("c"), lanes=1)) == {"c"}
    assert set(turned_away(both[0], asks("c"), lanes=1)) == {"c"}
    assert turned_away(asks("c"), lanes=1) == {}


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 3)), max_size=12), st.integers(1, 8)
)
def test_nobody_is_let_in_beyond_a_limit(lanes: list[tuple[bool, int, int]], most: int) -> None:
    everyone = [
        Holding("shop", f"lane-{number}", b.NOW + timedelta(seconds=at), admitted, pods=pods)
        for number, (admitted, at, pods) in enumerate(lanes)
    ]
    away = turned_away(*everyone, lanes=most, pods=most)
    before = [one for one in everyone if one.admitted]
    started = [one for one in everyone if not one.admitted and one.lane not in away]
    assert not started or len(before) + len(started) <= most
    wanting = [one for one in started if one.pods]
    assert not wanting or sum(one.pods for one in (*before, *wanting)) <= most


def lane(**status: Any) -> Lane:
    return b.lane(status=status)


@pytest.mark.parametrize("phase", ["Ready", "Degraded", "Terminating"])
def test_a_lane_holds_its_copies_until_it_is_gone(phase: str) -> None:
    services = [{"name": "payment", "inLane": True}, {"name": "orders", "inLane": False}]
    found = holding(lane(admittedAt="2026-01-02T03:04:05Z", phase=phase, services=services))
    assert found is not None and (found.admitted, found.pods) == (True, 1)


def test_a_sleeping_lane_holds_its_place_and_no_pods() -> None:
    services = [{"name": "payment", "inLane": True}]
    found = holding(lane(admittedAt="2026-01-02T03:04:05Z", phase="Sleeping", services=services))
    assert found is not None and (found.admitted, found.pods) == (True, 0)


def test_a_lane_that_ends_before_it_was_let_in_holds_nothing() -> None:
    ended = Lane("shop", "pr-42", uid="lane-uid", created=b.NOW)
    assert holding(ended) is None


def test_who_sleeps_keeps_its_place_unless_the_chain_makes_room_by_sleep() -> None:
    asleep = runs("a", sleeps=True)
    assert set(turned_away(asleep, asks("b"), lanes=1)) == {"b"}
    assert turned_away(asleep, asks("b"), lanes=1, sleepers_hold=False) == {}
    assert set(turned_away(asleep, runs("b"), asks("c"), lanes=1, sleepers_hold=False)) == {"c"}

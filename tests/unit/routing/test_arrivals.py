"""A release's first requests wait until every Envoy of its chain knows its pods, and nothing else waits."""

from __future__ import annotations

from provisioner.routing.router.arrivals import Arrivals


def with_streams(**chains: str) -> Arrivals:
    found = Arrivals()
    for stream, chain in chains.items():
        found.join(stream, chain)
    return found


def begins(arrivals: Arrivals, generation: int, wanted: bool = True) -> bool:
    return arrivals.may_begin("shop", generation, wanted=wanted)


def test_a_share_begins_when_the_last_envoy_has_what_was_true_when_it_was_wanted() -> None:
    arrivals = with_streams(entry="shop", inner="shop", other="elsewhere")
    arrivals.take("entry", 6)
    assert not begins(arrivals, 7)
    assert not arrivals.take("entry", 7)
    assert not begins(arrivals, 8), "it is 7 that counts, whatever comes meanwhile"
    assert not arrivals.take("inner", 6)
    assert arrivals.take("inner", 7), "this is what it waited for"
    assert begins(arrivals, 8)


def test_once_it_has_begun_it_waits_for_nobody_who_comes_or_lags() -> None:
    arrivals = with_streams(entry="shop")
    arrivals.take("entry", 1)
    assert begins(arrivals, 1)
    arrivals.join("late", "shop")
    assert begins(arrivals, 9)
    assert not arrivals.take("late", 9)


def test_its_end_waits_for_nobody_and_the_next_one_is_waited_for_anew() -> None:
    arrivals = with_streams(entry="shop", inner="shop")
    assert begins(arrivals, 1, wanted=False)
    assert not begins(arrivals, 2)
    assert begins(arrivals, 3, wanted=False)
    arrivals.take("entry", 4)
    assert not begins(arrivals, 4)


def test_an_envoy_that_is_gone_is_not_waited_for() -> None:
    arrivals = with_streams(entry="shop", inner="shop")
    assert not begins(arrivals, 1)
    arrivals.take("entry", 1)
    arrivals.leave("inner")
    assert begins(arrivals, 1)


def test_where_nobody_is_connected_there_is_nobody_to_wait_for() -> None:
    assert begins(Arrivals(), 1)

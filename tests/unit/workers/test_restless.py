"""Which lanes beat has looked at because they should fall asleep, or wake up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from provisioner.chain.model import Lifecycle
from provisioner.lane.model import stamp
from tests.unit.workers.test_fleet import fleet, names, running
from tests.unit.workers.test_relevance import SHOP
from workers.relevance import is_news, view

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
CHAINS = {"shop": replace(SHOP, lifecycle=Lifecycle(idle=timedelta(hours=8)))}
LONG, SHORT = timedelta(hours=9), timedelta(minutes=1)


def lane(name: str, unused: timedelta, phase: str = "Ready") -> dict[str, Any]:
    """A lane that was used last so long ago."""
    found = running(name, payment="1")
    heads = [{"member": "acme/shop#1", "sha": "1" * 40}]
    found["status"] |= {"phase": phase, "activeAt": stamp(NOW - unused), "heads": heads}
    return found


def test_a_lane_that_is_idle_is_looked_at_once() -> None:
    found = fleet(lane("tired", LONG), lane("busy", SHORT))
    assert names(found.restless(CHAINS, NOW)) == ["tired"]
    assert found.restless(CHAINS, NOW) == []


def test_a_lane_becomes_idle_by_time_alone() -> None:
    found = fleet(lane("busy", SHORT))
    assert found.restless(CHAINS, NOW) == []
    assert names(found.restless(CHAINS, NOW + timedelta(hours=8))) == ["busy"]


def test_one_that_sleeps_is_looked_at_when_it_is_used_and_not_before() -> None:
    found = fleet(lane("asleep", LONG, "Sleeping"))
    assert found.restless(CHAINS, NOW) == []
    found.note(lane("asleep", SHORT, "Sleeping"))
    assert names(found.restless(CHAINS, NOW)) == ["asleep"]


def test_a_lane_that_was_used_meanwhile_is_looked_at_again_when_it_is_idle_again() -> None:
    found = fleet(lane("a", LONG))
    found.restless(CHAINS, NOW)
    found.note(lane("a", SHORT))
    assert names(found.restless(CHAINS, NOW + LONG)) == ["a"]


def test_a_lane_that_shows_the_same_again_after_it_was_used_is_looked_at_again() -> None:
    found = fleet(lane("a", LONG))
    found.restless(CHAINS, NOW)
    found.note(lane("a", SHORT))
    assert found.restless(CHAINS, NOW) == []
    found.note(lane("a", LONG))
    assert names(found.restless(CHAINS, NOW)) == ["a"]


def test_a_lane_that_is_gone_or_of_no_chain_is_not_looked_at() -> None:
    found = fleet(lane("a", LONG))
    assert found.restless({}, NOW) == []
    found.forget(lane("a", LONG))
    assert found.restless(CHAINS, NOW) == []


def test_use_alone_does_not_have_the_queue_for_room_looked_through() -> None:
    found = fleet(lane("a", LONG))
    found.turns({}, None)
    found.note(lane("a", SHORT))
    assert not found._stale


def test_beat_is_told_of_use() -> None:
    assert is_news(view(lane("a", LONG)), view(lane("a", SHORT)))

"""Where facts of a ledger lie, and which of them go when there are too many."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from provisioner.events import ForgeEvent, Kind
from provisioner.lane import facts

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def buried(count: int, repository: str = "acme/shop") -> dict[str, str]:
    """A shard with so many closings, a minute after each other; the oldest has number 0."""
    found: dict[str, str] = {}
    for number in range(count):
        found |= facts.tombstone(f"{repository}#{number}", NOON + number * MINUTE)
    return found


def bytes_of(data: dict[str, str]) -> int:
    return sum(len(key) + len(text.encode()) for key, text in data.items())


@given(st.text(max_size=80))
def test_a_lane_has_one_shard(lane: str) -> None:
    assert facts.shard_of(lane) == facts.shard_of(lane)
    assert facts.shard_of(lane) in range(facts.SHARDS)


def test_the_shards_of_known_lanes_never_change() -> None:
    assert [facts.shard_of(lane) for lane in ("pr-1", "feature-a", "fix-payment-1a2b3c")] == [3, 5, 7]


def test_lanes_spread_over_all_shards() -> None:
    counts = Counter(facts.shard_of(f"pull-{number}") for number in range(4000))
    assert len(counts) == facts.SHARDS
    assert max(counts.values()) < 2 * min(counts.values())


def test_a_shard_holds_thousands_of_closings() -> None:
    assert facts.surplus(buried(4000)) == []


def test_the_oldest_go_when_a_shard_gets_too_large() -> None:
    data = buried(8000)
    gone = set(facts.surplus(data))
    kept = {key: text for key, text in data.items() if key not in gone}
    assert bytes_of(data) > facts.MOST_BYTES
    assert bytes_of(kept) <= facts.KEPT_BYTES
    assert max(facts.read({key: data[key] for key in gone}).keys.values()) < min(
        facts.read(kept).keys.values()
    )


def test_a_fork_that_waits_ages_by_its_event() -> None:
    event = ForgeEvent("github", "id", Kind.OPENED, "acme/shop", "patch-1", "f" * 40, NOON, pull=9)
    data = facts.waits("acme/shop#9", event) | buried(1)
    assert facts.older(data, NOON) == []
    assert set(facts.older(data, NOON + MINUTE)) == set(data)

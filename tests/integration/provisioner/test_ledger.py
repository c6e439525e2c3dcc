"""What outlives a lane, in real ConfigMaps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from provisioner.cluster import Cluster
from provisioner.events import ForgeEvent, Kind
from provisioner.lane.facts import SHARDS
from provisioner.lane.ledger import Ledger

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NAMESPACE = "laneway-system"
LANE = "fast"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def ledger(cluster: Cluster) -> Ledger:
    return Ledger(cluster, NAMESPACE, f"chain-{uuid4().hex[:8]}")


def test_an_empty_ledger_knows_nothing(ledger: Ledger) -> None:
    assert ledger.read(LANE).tombstones == {}


def test_a_closing_is_remembered_with_its_time(ledger: Ledger) -> None:
    ledger.bury(LANE, "acme/shop#7", NOON)
    ledger.bury(LANE, "acme/other#7", NOON + HOUR)
    assert ledger.read(LANE).tombstones == {"acme/shop#7": NOON, "acme/other#7": NOON + HOUR}


def test_an_older_closing_that_arrives_late_hides_nothing(ledger: Ledger) -> None:
    ledger.bury(LANE, "acme/shop#7", NOON)
    ledger.bury(LANE, "acme/shop#7", NOON - HOUR)
    assert ledger.read(LANE).tombstones == {"acme/shop#7": NOON}


def test_a_waiting_fork_comes_back_as_the_event_it_was(ledger: Ledger) -> None:
    event = ForgeEvent("github", "id", Kind.OPENED, "acme/shop", "patch-1", "f" * 40, NOON, pull=9)
    ledger.wait(LANE, "acme/shop#9", event)
    assert ledger.read(LANE).waiting == {"acme/shop#9": event}


def test_old_facts_are_forgotten_and_new_ones_kept(ledger: Ledger) -> None:
    ledger.bury(LANE, "acme/shop#1", NOON - 2 * HOUR)
    ledger.bury(LANE, "acme/shop#2", NOON)
    assert ledger.prune(before=NOON - HOUR) == 1
    assert ledger.read(LANE).tombstones == {"acme/shop#2": NOON}


@pytest.mark.parametrize("member", ["acme/shop#7", "ac me/sh\nop#7", "a" * 400 + "/b#1", "Ünï/cødé#1"])
def test_any_repository_name_is_a_key(ledger: Ledger, member: str) -> None:
    ledger.bury(LANE, member, NOON)
    assert ledger.read(LANE).tombstones == {member: NOON}


def test_what_concerns_a_lane_is_found_by_one_request_and_all_of_it_by_a_few(ledger: Ledger) -> None:
    endings = {(f"lane-{number}", f"acme/shop#{number}"): NOON for number in range(40)}
    ledger.bury_all(endings)
    for lane, member in endings:
        assert ledger.read(lane).tombstones[member] == NOON
    assert ledger.read_all().tombstones == {member: NOON for _, member in endings}
    assert len(ledger.read(LANE).tombstones) < 40
    assert ledger.prune(before=NOON + HOUR) == 40
    assert ledger.read_all().keys == {}


def test_a_ledger_that_was_made_by_half_is_completed(cluster: Cluster, ledger: Ledger) -> None:
    ledger.bury(LANE, "acme/shop#7", NOON)
    for number in range(0, SHARDS, 2):
        cluster.delete("ConfigMap", f"ledger-{ledger.chain}.{number}", NAMESPACE)
    for number in range(40):
        ledger.bury(f"lane-{number}", f"acme/shop#{number}", NOON)
    assert len(ledger.read_all().tombstones) == 40


def test_what_would_make_a_shard_too_large_takes_the_place_of_the_oldest(ledger: Ledger) -> None:
    old = {(LANE, f"acme/shop#{number}"): NOON + number * MINUTE for number in range(6000)}
    ledger.bury_all(old)
    ledger.bury(LANE, "acme/shop#9999", NOON + 7 * 24 * HOUR)
    kept = ledger.read(LANE).tombstones
    assert "acme/shop#9999" in kept
    assert "acme/shop#5999" in kept
    assert "acme/shop#0" not in kept


def test_every_shard_is_named_in_the_chart_s_rights() -> None:
    chart = yaml.safe_load((ROOT / "charts" / "laneway" / "files" / "rights.yaml").read_text())
    allowed = {
        name for rules in rights(chart) for name in rules.get("names", ()) if name.startswith("ledger-")
    }
    assert allowed == {f"ledger-{{chain}}.{number}" for number in range(SHARDS)}


def rights(found: Any) -> Iterator[dict[str, Any]]:
    """Every rule, however deep in the list."""
    if isinstance(found, dict):
        if "verbs" in found:
            yield found
        for one in found.values():
            yield from rights(one)
    elif isinstance(found, list):
        for one in found:
            yield from rights(one)

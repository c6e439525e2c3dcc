"""What outlives a lane, in a real ConfigMap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from provisioner.cluster import Cluster
from provisioner.events import ForgeEvent, Kind
from provisioner.lane.ledger import Ledger

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def ledger(cluster: Cluster) -> Ledger:
    return Ledger(cluster, "laneway-system", f"chain-{uuid4().hex[:8]}")


def test_an_empty_ledger_knows_nothing(ledger: Ledger) -> None:
    assert ledger.read().tombstones == {}


def test_a_closing_is_remembered_with_its_time(ledger: Ledger) -> None:
    ledger.bury("acme/shop#7", NOON)
    ledger.bury("acme/other#7", NOON + HOUR)
    assert ledger.read().tombstones == {"acme/shop#7": NOON, "acme/other#7": NOON + HOUR}


def test_an_older_closing_that_arrives_late_hides_nothing(ledger: Ledger) -> None:
    ledger.bury("acme/shop#7", NOON)
    ledger.bury("acme/shop#7", NOON - HOUR)
    assert ledger.read().tombstones == {"acme/shop#7": NOON}


def test_a_waiting_fork_comes_back_as_the_event_it_was(ledger: Ledger) -> None:
    event = ForgeEvent("github", "id", Kind.OPENED, "acme/shop", "patch-1", "f" * 40, NOON, pull=9)
    ledger.wait("acme/shop#9", event)
    assert ledger.read().waiting == {"acme/shop#9": event}


def test_old_facts_are_forgotten_and_new_ones_kept(ledger: Ledger) -> None:
    ledger.bury("acme/shop#1", NOON - 2 * HOUR)
    ledger.bury("acme/shop#2", NOON)
    assert ledger.prune(before=NOON - HOUR) == 1
    assert ledger.read().tombstones == {"acme/shop#2": NOON}


@pytest.mark.parametrize("member", ["acme/shop#7", "ac me/sh\nop#7", "a" * 400 + "/b#1", "Ünï/cødé#1"])
def test_any_repository_name_is_a_key(ledger: Ledger, member: str) -> None:
    ledger.bury(member, NOON)
    assert ledger.read().tombstones == {member: NOON}

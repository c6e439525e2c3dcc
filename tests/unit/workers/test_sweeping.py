"""What a sweep adds to a worker's metrics."""

from __future__ import annotations

from prometheus_client import REGISTRY

from provisioner.sweep.retention import Action, Finding, Why
from provisioner.sweep.sweep import Report
from workers import sweeping


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def finding(action: Action, why: Why) -> Finding:
    return Finding(action, why, "shop", "fast", "", "")


def test_what_was_found_is_counted_by_action_and_reason() -> None:
    gone = finding(Action.REMOVE_LANE, Why.EXPIRED)
    lost = finding(Action.REMOVE_OBJECT, Why.ORPHAN)
    before = value("laneway_lanes_removed_total", reason="Expired"), value("laneway_orphans_found_total")
    sweeping.count(Report(False, 7, "", (gone, gone, lost), 0))
    assert value("laneway_lanes_removed_total", reason="Expired") == before[0] + 2
    assert value("laneway_orphans_found_total") == before[1] + 1
    assert value("laneway_sweep_findings_total", action="remove object", reason="Orphan") >= 1
    assert value("laneway_sweep_lanes") == 7


def test_the_brake_shows_until_a_sweep_goes_through() -> None:
    kept = finding(Action.KEEP, Why.BRANCH_GONE)
    sweeping.count(Report(False, 7, "6 of 7 lanes would go", (kept,), 0))
    assert value("laneway_sweep_brake") == 1
    sweeping.count(Report(False, 7, "", (), 0))
    assert value("laneway_sweep_brake") == 0


def test_what_the_brake_kept_does_not_count_as_removed() -> None:
    before = value("laneway_lanes_removed_total", reason="BranchGone")
    sweeping.count(Report(False, 7, "stopped", (finding(Action.KEEP, Why.BRANCH_GONE),), 0))
    assert value("laneway_lanes_removed_total", reason="BranchGone") == before

"""What Prometheus is told of releases."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from provisioner.lane.model import stamp
from provisioner.release.model import Phase, Reason
from tests.support.told import BEGUN, release
from workers import metrics


def told(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"laneway_{name}", labels)


def test_a_release_that_is_not_over_tells_its_share_its_step_and_when_it_got_on() -> None:
    status = {"phase": Phase.PROGRESSING.value, "weight": 25, "step": 1, "progressAt": stamp(BEGUN)}
    metrics.show_releases([release(**status)])
    of = {"chain": "shop", "release": "release-1"}
    assert told("release_weight", **of) == 25
    assert told("release_step", **of) == 2
    assert told("release_progress_timestamp_seconds", **of) == BEGUN.timestamp()
    assert told("releases", chain="shop", phase="Progressing") == 1


@pytest.mark.parametrize(
    "waits",
    [
        {"phase": Phase.PAUSED.value},
        {"phase": Phase.PENDING.value, "reason": Reason.QUEUED.value},
        {"phase": Phase.FINISHING.value, "reason": Reason.BASELINE_CHANGED.value},
    ],
)
def test_one_that_waits_for_somebody_is_not_late(waits: dict[str, str]) -> None:
    metrics.show_releases([release(progressAt=stamp(BEGUN), **waits)])
    of = {"chain": "shop", "release": "release-1"}
    assert told("release_weight", **of) == 0
    assert told("release_progress_timestamp_seconds", **of) is None


def test_one_that_is_over_is_counted_and_nothing_else_and_what_is_gone_is_not() -> None:
    metrics.show_releases([release(name="release-1", weight=50)])
    over = [release(name=f"release-{number}", phase=Phase.SUCCEEDED.value) for number in (2, 3)]
    metrics.show_releases(over)
    assert told("releases", chain="shop", phase="Succeeded") == 2
    assert told("releases", chain="shop", phase="Pending") is None
    for name in ("release-1", "release-2"):
        assert told("release_weight", chain="shop", release=name) is None

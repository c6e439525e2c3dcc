"""What `kubectl describe release` tells: Events on the Release, for each entry of its timeline."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from provisioner.cluster import Cluster
from provisioner.release.model import Phase, Reason, Release
from provisioner.status import announce
from tests.support.told import happened, release, written

Json = dict[str, Any]


@pytest.fixture
def begun(cluster: Cluster) -> Release:
    return written(cluster, release(f"shop-{uuid4().hex[:8]}", timeline=[happened(1, "Started", 0)]))


def told(cluster: Cluster, about: Release) -> dict[str, Json]:
    """The Events on a release by their reason."""
    found = cluster.list("Event", "default", fields=f"involvedObject.name={about.object_name}")
    return {one["reason"]: one for one in found}


def news(cluster: Cluster, about: Release, *entries: Json) -> dict[str, Json]:
    """The Events after a run that added these entries."""
    line = [*about.status["timeline"], *entries]
    announce.release_news(cluster, about, {**about.status, "timeline": line})
    return told(cluster, about)


def test_what_is_new_is_told_and_what_was_known_is_not(cluster: Cluster, begun: Release) -> None:
    found = news(cluster, begun, happened(2, "WeightRaised", message="10 % of the requests"))
    assert found.keys() == {"WeightRaised"}
    event = found["WeightRaised"]
    assert (event["type"], event["message"]) == ("Normal", "10 % of the requests")
    assert event["involvedObject"]["kind"] == "Release"
    assert event["involvedObject"]["uid"] == begun.uid


def test_the_first_run_tells_of_the_start(cluster: Cluster) -> None:
    new = written(cluster, release(f"shop-{uuid4().hex[:8]}"))
    announce.release_news(cluster, new, {"timeline": [happened(1, "Started", 0)]})
    assert told(cluster, new).keys() == {"Started"}


@pytest.mark.parametrize("phase", [Phase.RESTORING, Phase.ROLLING_BACK, Phase.ROLLED_BACK])
def test_going_back_is_a_warning(cluster: Cluster, begun: Release, phase: Phase) -> None:
    found = news(cluster, begun, happened(2, phase.value, 0, phase=phase.value))
    assert found[phase.value]["type"] == "Warning"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (Reason.MANUAL, "Normal"),
        (Reason.PAUSED, "Normal"),
        (Reason.BASELINE_CHANGED, "Warning"),
        (Reason.INCONCLUSIVE, "Warning"),
    ],
)
def test_what_nobody_planned_and_it_asks_about_is_a_warning(
    cluster: Cluster, begun: Release, reason: Reason, kind: str
) -> None:
    entry = happened(2, reason.value, phase=Phase.PAUSED.value, reason=reason.value)
    assert news(cluster, begun, entry)[reason.value]["type"] == kind


def test_an_event_that_cannot_be_written_fails_nothing(cluster: Cluster, begun: Release) -> None:
    class Away(Cluster):
        def create(self, obj: Json) -> Json:
            raise announce.LanewayError("it is away")

    announce.release_news(Away(cluster._client), begun, {"timeline": [happened(2)]})
    assert told(cluster, begun) == {}

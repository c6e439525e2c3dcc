"""Lanes of a whole system that fall asleep, are woken, pushed to, pinned and merged; each test has one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from provisioner.lane.model import stamp
from tests.support.load import asked, enough
from tests.support.slumber import Village, village
from tests.support.waiting import until


@pytest.fixture(scope="module", name="village")
def a_village(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Village]:
    with village(tmp_path_factory.mktemp("village")) as made:
        yield made


def test_an_idle_lane_sleeps_and_its_first_request_is_answered_by_the_lane(village: Village) -> None:
    village.open_lane("idle")
    village.put_to_sleep("idle")
    assert village.route("idle") == "waker"
    assert village.versions()["payment"] == ("1", "")

    answer = village.ask("idle")
    assert answer.headers["x-preview-lane-served"] == "frontend=baseline"
    woken = {one["service"]: (one["version"], one["lane"]) for one in answer.json()["hops"]}

    assert woken == {
        "frontend": ("1", ""),
        "orders": ("1", ""),
        "payment": ("2", "idle"),
        "logistics": ("1", ""),
    }
    until(lambda: village.route("idle") == "lane", "its routes are those of any other lane", seconds=30)
    assert village.status("idle")["phase"] == "Ready"
    assert village.events("idle")[-5:] == ["Asleep", "Applied", "Woken", "Applied", "Ready"]


def test_use_is_seen_and_keeps_a_lane_awake(village: Village) -> None:
    village.open_lane("used")
    before = stamp(datetime.now(UTC) - timedelta(minutes=10))
    village.cluster.merge("Lane", "shop.used", {"status": {"activeAt": before}}, subresource="status")
    assert village.versions()["payment"] == ("1", "")

    village.ask("used")

    until(lambda: village.status("used")["activeAt"] > before, "the use is noted", seconds=30)


def test_a_pinned_lane_does_not_sleep(village: Village) -> None:
    village.open_lane("pinned")
    village.open_lane("other")
    village.cluster.merge("Lane", "shop.pinned", {"spec": {"pin": True}})
    until(lambda: village.observed("pinned"), "the pin was seen", seconds=30)

    village.tire("pinned")
    village.put_to_sleep("other")

    assert village.status("pinned")["phase"] == "Ready"
    assert village.versions("pinned")["payment"] == ("2", "pinned")


def test_a_push_wakes_a_lane_and_updates_it(village: Village) -> None:
    village.open_lane("pushed")
    village.put_to_sleep("pushed")

    village.push("pushed", "payment", "3")

    until(lambda: village.status("pushed")["phase"] == "Ready", "the lane is awake", seconds=30)
    assert village.versions("pushed")["payment"] == ("3", "pushed")


def test_no_request_is_harmed_while_a_lane_sleeps_and_wakes_again_and_again(village: Village) -> None:
    village.open_lane("restless")
    with asked(lambda: village.payment(""), lambda: village.payment("restless")) as (plain, tagged):
        for _ in range(3):
            village.falls_asleep("restless")
            until(lambda: village.status("restless")["phase"] == "Ready", "it is awake", seconds=30)
            enough(tagged)

    assert set(plain) == {(200, ("1", ""))}
    assert set(tagged) == {(200, ("2", "restless"))}


def test_merging_removes_a_lane_that_sleeps(village: Village) -> None:
    village.open_lane("merged", "logistics")
    village.put_to_sleep("merged")

    village.git_push("merged:main")

    until(lambda: village.cluster.get("Lane", "shop.merged") is None, "the lane is gone", seconds=30)
    assert village.owned("merged") == []
    until(lambda: village.ask("merged").headers["x-preview-lane-served"] == "frontend=baseline", "an answer")
    assert village.versions("merged")["logistics"][1] == ""

"""Lanes of a whole system that fall asleep, are woken, pushed to, pinned and merged.

In order: each test takes the lanes as the one before it has left them.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from devcluster.dev import control
from devcluster.dev.state import State
from devcluster.dev.system import Asked
from provisioner.lane.model import stamp
from tests.support.slumber import Village
from tests.support.waiting import until


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Village]:
    folder = tmp_path_factory.mktemp("village")
    state = State(folder / "system")
    control.up(state, Asked(forge=True), lambda _: None)
    try:
        yield Village(state, folder / "clone")
    finally:
        control.down(state)


def test_an_idle_lane_sleeps_and_its_first_request_is_answered_by_the_lane(village: Village) -> None:
    village.open_lane("first")
    village.put_to_sleep("first")
    assert village.route("first") == "waker"
    assert village.versions()["payment"] == ("1", "")

    answer = village.ask("first")
    assert answer.headers["x-preview-lane-served"] == "frontend=baseline"
    woken = {one["service"]: (one["version"], one["lane"]) for one in answer.json()["hops"]}

    assert woken == {
        "frontend": ("1", ""),
        "orders": ("1", ""),
        "payment": ("2", "first"),
        "logistics": ("1", ""),
    }
    until(lambda: village.route("first") == "lane", "its routes are those of any other lane")
    assert village.status("first")["phase"] == "Ready"
    assert village.events("first")[-5:] == ["Asleep", "Applied", "Woken", "Applied", "Ready"]


def test_use_is_seen_and_keeps_a_lane_awake(village: Village) -> None:
    before = stamp(datetime.now(UTC) - timedelta(minutes=10))
    village.cluster.merge("Lane", "shop.first", {"status": {"activeAt": before}}, subresource="status")
    assert village.versions()["payment"] == ("1", "")
    assert village.status("first")["activeAt"] == before

    village.ask("first")

    until(lambda: village.status("first")["activeAt"] > before, "the use is noted", seconds=30)


def test_a_pinned_lane_does_not_sleep(village: Village) -> None:
    village.open_lane("pinned", "logistics")
    village.cluster.merge("Lane", "shop.pinned", {"spec": {"pin": True}})
    until(lambda: village.observed("pinned"), "the pin was seen")

    village.tire("pinned")
    village.put_to_sleep("first")

    assert village.status("pinned")["phase"] == "Ready"
    assert village.versions("pinned")["logistics"] == ("2", "pinned")
    assert village.is_asleep("first")


def test_a_push_wakes_a_lane_and_updates_it(village: Village) -> None:
    assert village.is_asleep("first")

    village.push("first", "payment", "3")

    until(lambda: village.status("first")["phase"] == "Ready", "the lane is awake", seconds=30)
    assert village.versions("first")["payment"] == ("3", "first")


def test_no_request_is_harmed_while_a_lane_sleeps_and_wakes_again_and_again(village: Village) -> None:
    with traffic(lambda: village.payment(""), lambda: village.payment("first")) as (plain, tagged):
        for _ in range(3):
            village.falls_asleep("first")
            until(lambda: village.status("first")["phase"] == "Ready", "it is awake", seconds=30)
            more(tagged)

    assert set(plain) == {(200, ("1", ""))}
    assert set(tagged) == {(200, ("3", "first"))}


def test_merging_removes_a_lane_that_sleeps(village: Village) -> None:
    village.put_to_sleep("first")

    village.git_push("first:main")

    until(lambda: village.cluster.get("Lane", "shop.first") is None, "the lane is gone", seconds=30)
    assert village.owned("first") == []
    until(lambda: village.ask("first").headers["x-preview-lane-served"] == "frontend=baseline", "an answer")
    assert village.versions("first")["payment"][1] == ""


@contextmanager
def traffic(*kinds: Callable[[], object]) -> Iterator[list[Counter[object]]]:
    """Requests of each kind all the while, in two threads each; what was answered how often, by kind."""
    seen: list[Counter[object]] = [Counter() for _ in kinds]
    stop = threading.Event()

    def ask(kind: Callable[[], object], counter: Counter[object]) -> None:
        while not stop.wait(0.01):
            counter[kind()] += 1

    threads = [
        threading.Thread(target=ask, args=pair) for pair in zip(kinds, seen, strict=True) for _ in "ab"
    ]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def more(counter: Counter[object], answers: int = 20) -> None:
    """Waits for so many more answers."""
    target = counter.total() + answers
    until(lambda: counter.total() >= target, "more answers", seconds=30)

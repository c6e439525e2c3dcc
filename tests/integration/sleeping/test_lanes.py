"""Lanes of a whole system that fall asleep, are woken, pushed to, pinned and merged."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from devcluster.dev import control
from devcluster.dev.state import State
from devcluster.dev.system import Asked
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

    started = time.monotonic()
    woken = village.versions("first")
    print(f"the first request took {time.monotonic() - started:.2f} s")

    assert woken == {
        "frontend": ("1", ""),
        "orders": ("1", ""),
        "payment": ("2", "first"),
        "logistics": ("1", ""),
    }
    until(lambda: village.route("first") == "lane", "its routes are those of any other lane")
    assert village.status("first")["phase"] == "Ready"
    assert village.events("first")[-5:] == ["Asleep", "Applied", "Woken", "Applied", "Ready"]

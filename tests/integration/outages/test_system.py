"""A whole system that loses what it needs for a while: people notice little, and nobody has to help it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx
import pytest

from devcluster.dev.state import read_json
from tests.support import deliveries
from tests.support.slumber import Village, village
from tests.support.waiting import until

pytestmark = pytest.mark.proof

API_SECONDS, VALKEY_SECONDS = 30.0, 60.0
AFTERWARDS = 90.0  # until everything works again, on a machine that has other things to do


@pytest.fixture(scope="module", name="village")
def a_village(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Village]:
    with village(tmp_path_factory.mktemp("village")) as made:
        yield made


@contextmanager
def frozen(village: Village, name: str) -> Iterator[None]:
    """A process that takes connections and answers none, until it goes on."""
    (pid,) = read_json(village.state.endpoints)["processes"][name]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def meanwhile(seconds: float, look: Callable[[], None]) -> None:
    """Looks again and again for so long."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        look()


def serves(village: Village, lane: str, version: str) -> bool:
    try:
        return village.payment(lane) == (200, (version, lane))
    except httpx.TransportError:
        return False


def delivered(village: Village, delivery: str) -> httpx.Response:
    """A signed push of the main branch."""
    known = village.known
    body = deliveries.body(deliveries.payload("push", repository__full_name=known["full_name"]))
    headers = deliveries.headers("push", body, delivery=delivery, secret=known["webhook_secret"])
    return httpx.post(f"{known['hooks']}/github", content=body, headers=headers, timeout=30)


def test_lanes_and_baseline_serve_while_the_api_is_down_and_what_was_pushed_follows(village: Village) -> None:
    village.open_lane("before")
    with frozen(village, "devcluster"):
        village.push("before", "payment", "3")
        answers: set[object] = set()
        meanwhile(API_SECONDS, lambda: answers.update((village.payment(""), village.payment("before"))))
    assert answers == {(200, ("1", "")), (200, ("2", "before"))}
    until(lambda: serves(village, "before", "3"), "the push took effect", seconds=AFTERWARDS)


def test_watches_that_are_cut_and_too_old_are_taken_up_by_beat_and_router(village: Village) -> None:
    village.open_lane("cut")
    (killed,) = read_json(village.state.endpoints)["processes"]["devcluster"]
    os.kill(killed, signal.SIGKILL)  # which forgets the past, too: what is older is 410
    until(
        lambda: read_json(village.state.endpoints)["processes"]["devcluster"] not in ([], [killed]),
        "it is back",
    )

    until(lambda: serves(village, "cut", "2"), "its pods, which died with it, run again", seconds=AFTERWARDS)

    more = {"spec": {"template": {"metadata": {"annotations": {"checksum/config": uuid4().hex}}}}}
    village.cluster.merge("Deployment", "payment", more, "shop")
    wanted = more["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    def followed() -> bool:
        copy = village.cluster.get("Deployment", "payment--cut", "shop") or {}
        found = copy["spec"]["template"]["metadata"].get("annotations") or {}
        return bool(found.get("checksum/config") == wanted)

    until(followed, "the copy follows its baseline", seconds=AFTERWARDS)
    village.open_lane("after-the-cut")
    until(lambda: serves(village, "cut", "2"), "the copy that followed serves", seconds=AFTERWARDS)


def test_nothing_is_acknowledged_while_valkey_is_gone_and_all_goes_on_afterwards(village: Village) -> None:
    village.open_lane("steady")
    delivery, statuses = str(uuid4()), set()
    with frozen(village, "valkey"):
        meanwhile(VALKEY_SECONDS, lambda: statuses.add(delivered(village, delivery).status_code))
        refused = delivered(village, delivery)
        assert village.payment("steady") == (200, ("2", "steady"))
    assert statuses == {503}
    assert int(refused.headers["retry-after"]) > 0

    until(lambda: delivered(village, delivery).status_code == 202, "the same delivery is taken", seconds=30)
    village.push("steady", "payment", "4")
    until(lambda: serves(village, "steady", "4"), "a push takes effect", seconds=AFTERWARDS)

"""A real beat and a real worker over a devcluster: lanes follow what changes and start when there is room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from provisioner.events import Kind
from provisioner.lane import store as lanes
from tests.support import web
from tests.support.commands import attended
from tests.support.devcluster import devcluster
from tests.support.shop import Shop, chain_file, open_shop
from tests.support.valkeys import valkey
from tests.support.waiting import until
from workers import queue
from workers.queue import JOBS, Queue

Json = dict[str, Any]

SECONDS = 10.0  # how long a lane may take to follow, on a machine that has other things to do
LIMITS = "lifecycle: {{max_lanes: {}}}\n"


@dataclass
class System:
    """What runs, and what it acts on."""

    shop: Shop
    client: redis.Redis
    folder: Path
    ports: dict[str, str] = field(default_factory=dict)

    def write_chain(self, most: int) -> None:
        """Writes the chain's file, with a limit."""
        text = chain_file(self.shop.origin, "shop", "shop") + LIMITS.format(most)
        (self.folder / "shop.yaml").write_text(text)

    def limit(self, most: int) -> None:
        """Writes the chain's file anew; the worker has read it when this returns."""
        before = self.loaded()
        self.write_chain(most)
        until(
            lambda: self.health("worker", "readyz").is_success and self.loaded() > before,
            "the worker has read the chain's file",
        )

    def loaded(self) -> int:
        """How often the worker has read the chain's file anew."""
        return (self.folder / "worker.log").read_text().count("chains.loaded")

    def deliver(self, kind: Kind, branch: str, **more: Any) -> None:
        event = self.shop.event(kind, branch, **more)
        assert Queue(self.client).put(queue.deliver(event.to_json(), f"github/{event.delivery}", "shop"))

    def open(self, branch: str, *changed: str) -> None:
        head = self.shop.origin.branch(branch, dict.fromkeys(changed, "2"))
        self.deliver(Kind.OPENED, branch, sha=head)

    def status(self, branch: str) -> Json:
        found = lanes.read(self.shop.cluster, "shop", branch)
        return found.status if found is not None else {}

    def has_copy(self, branch: str, service: str) -> bool:
        return f"Deployment/{service}--{branch}" in self.shop.owned(branch)

    def quiet(self) -> bool:
        """Whether no job waits or runs."""
        return not self.client.hlen(JOBS)

    def runs(self, branch: str) -> int:
        """How often the worker has looked at a lane."""
        lines = (self.folder / "worker.log").read_text().splitlines()
        return sum("lane.converged" in line and f"shop.{branch}" in line for line in lines)

    def lanes_gone(self) -> bool:
        return not lanes.every(self.shop.cluster)

    def health(self, process: str, path: str) -> httpx.Response:
        return web.get(f"http://127.0.0.1:{self.ports[process]}/{path}")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("following")
    (folder / "cluster").mkdir()
    with ExitStack() as stack:
        url = stack.enter_context(valkey(folder / "valkey"))
        dev = stack.enter_context(devcluster(folder / "cluster", "--no-node"))
        system = System(open_shop(folder, dev.cluster, "shop"), queue.connect(url), folder)
        stack.callback(system.client.close)
        system.write_chain(50)
        settings = {
            "LANEWAY_REDIS_URL": url,
            "LANEWAY_CHAINS": str(folder / "shop.yaml"),
            "LANEWAY_KUBECONFIG": str(dev.kubeconfig),
            "LANEWAY_MIRRORS": str(folder / "worker-mirrors"),
            "LANEWAY_DRAIN_SECONDS": "0.1",
        }
        system.ports.update(stack.enter_context(attended(settings, folder)))
        yield system


@pytest.fixture
def system(running: System) -> Iterator[System]:
    """The system without lanes, before and afterwards, and with room for many."""
    running.limit(50)
    yield running
    for lane in lanes.every(running.shop.cluster):
        running.deliver(Kind.CLOSED, lane.name)
    until(running.lanes_gone, "all lanes are gone")
    until(running.quiet, "nothing is left to do")


def test_a_change_of_the_baseline_reaches_its_copies_within_seconds_and_no_other_lane(system: System) -> None:
    system.open("pays", "payment/app.py")
    system.open("orders", "orders/app.py")
    until(lambda: system.has_copy("pays", "payment"), "the first lane has its copy")
    until(lambda: system.has_copy("orders", "orders"), "the second lane has its copy")
    until(lambda: system.status("orders").get("services") and system.quiet(), "both are settled")
    before = system.runs("orders")
    more = {"spec": {"template": {"metadata": {"annotations": {"checksum/config": "abc"}}}}}
    system.shop.cluster.merge("Deployment", "payment", more, "shop")

    def followed() -> bool:
        copy = system.shop.owned("pays")["Deployment/payment--pays"]
        return "checksum/config" in (copy["spec"]["template"]["metadata"].get("annotations") or {})

    until(followed, "the copy follows", SECONDS)
    until(system.quiet, "nothing is left to do")
    assert system.runs("orders") == before


def test_a_copy_edited_by_hand_is_put_back_within_seconds(system: System) -> None:
    system.open("edited", "payment/app.py")
    until(lambda: system.has_copy("edited", "payment"), "the lane has its copy")
    until(lambda: system.status("edited").get("services") and system.quiet(), "it is settled")
    system.shop.cluster.merge("Deployment", "payment--edited", {"spec": {"replicas": 4}}, "shop")

    def put_back() -> bool:
        return system.shop.owned("edited")["Deployment/payment--edited"]["spec"]["replicas"] == 1

    until(put_back, "the copy is as it was", SECONDS)
    until(lambda: "PutBack" in [one["event"] for one in system.status("edited")["timeline"]], "it is told")


def test_a_lane_starts_by_itself_when_another_one_closes(system: System) -> None:
    system.limit(1)
    system.open("holds", "payment/app.py")
    until(lambda: system.has_copy("holds", "payment"), "the first lane has its copy")
    opened_in_vain(system)
    system.deliver(Kind.CLOSED, "holds")
    until(lambda: system.has_copy("waits", "payment"), "the lane that waited has its copy", SECONDS)


def test_a_limit_that_is_raised_lets_a_waiting_lane_in(system: System) -> None:
    system.limit(1)
    system.open("holds", "payment/app.py")
    until(lambda: system.has_copy("holds", "payment"), "the first lane has its copy")
    opened_in_vain(system)
    system.write_chain(2)
    until(lambda: system.has_copy("waits", "payment"), "the lane that waited has its copy", 30)


def opened_in_vain(system: System) -> None:
    """Opens another lane, which has to wait."""

    def is_pending() -> bool:
        return system.status("waits").get("phase") == "Pending"

    system.open("waits", "payment/app.py")
    until(is_pending, "the second lane waits")
    assert not system.has_copy("waits", "payment")


def test_lanes_are_counted_by_phase(system: System) -> None:
    system.open("counted", "README.md")
    line = 'laneway_lanes{chain="shop",phase="Ready"} 1.0'
    until(lambda: line in system.health("beat", "metrics").text, "beat counts the lane", SECONDS)


def test_worker_and_beat_are_alive_and_lack_nothing(system: System) -> None:
    for name in ("worker", "beat"):
        assert system.health(name, "livez").json() == {"alive": True, "problems": {}}
        assert system.health(name, "readyz").json() == {"ready": True, "problems": {}}


def test_a_wrong_chain_file_is_named_by_the_worker(system: System) -> None:
    text = (system.folder / "shop.yaml").read_text()
    (system.folder / "shop.yaml").write_text("chain: [\n")
    until(lambda: system.health("worker", "readyz").status_code == 503, "the worker notices", SECONDS)
    assert "shop.yaml" in system.health("worker", "readyz").json()["problems"]["chains"]
    (system.folder / "shop.yaml").write_text(text)
    until(lambda: system.health("worker", "readyz").status_code == 200, "the worker is ready", SECONDS)

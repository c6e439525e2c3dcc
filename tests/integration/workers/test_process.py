"""A real `laneway worker` with the real provisioner on a devcluster: a delivery becomes a Lane."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.cluster import Cluster
from provisioner.events import ForgeEvent, Kind
from provisioner.lane.model import moment
from tests.support import web
from tests.support.commands import LANEWAY, process, refusal
from tests.support.devcluster import devcluster
from tests.support.valkeys import valkey
from tests.support.waiting import until
from workers import queue
from workers.queue import Queue

CHAIN = """\
chain: shop
namespace: shop
repositories:
  - {url: "file://%s", name: acme/shop}
services:
  payment: {paths: [services/payment/**], workload: Deployment/payment, image: "example/payment:{sha}"}
"""
OPENED = ForgeEvent(
    forge="github",
    delivery="d-1",
    kind=Kind.OPENED,
    repository="acme/shop",
    ref="euro",
    sha="a" * 40,
    updated_at=moment("2026-01-02T03:04:05Z"),
    pull=7,
    base="main",
    head_repository="acme/shop",
)


@dataclass(frozen=True)
class Worker:
    """A running worker with what it acts on."""

    cluster: Cluster
    jobs: Queue
    metrics: str

    def deliver(self, event: ForgeEvent) -> bool:
        return self.jobs.put(queue.deliver(event.to_json(), f"github/{event.delivery}", "shop"))

    def lane(self) -> dict[str, Any]:
        return self.cluster.get("Lane", "shop.euro") or {}

    def metric(self, line: str) -> float:
        text = web.get(self.metrics).text
        return sum(float(one.split()[-1]) for one in text.splitlines() if one.startswith(line + " "))


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    chains, port_file = tmp_path / "chains.yaml", tmp_path / "port"
    chains.write_text(CHAIN % (tmp_path / "no-repository"))
    state = tmp_path / "cluster"
    state.mkdir()
    with valkey(tmp_path / "valkey") as url, devcluster(state, "--no-node") as dev, ExitStack() as stack:
        settings = {
            "LANEWAY_REDIS_URL": url,
            "LANEWAY_CHAINS": str(chains),
            "LANEWAY_KUBECONFIG": str(dev.kubeconfig),
            "LANEWAY_MIRRORS": str(tmp_path / "mirrors"),
            "LANEWAY_METRICS_HOST": "127.0.0.1",
            "LANEWAY_METRICS_PORT": "0",
        }
        command = [*LANEWAY, "worker", "--metrics-port-file", str(port_file)]
        stack.enter_context(process(command, settings, tmp_path / "worker.log"))
        until(lambda: port_file.exists() and port_file.read_text().endswith("\n"), "the worker runs")
        client = queue.connect(url)
        yield Worker(dev.cluster, Queue(client), f"http://127.0.0.1:{port_file.read_text().strip()}/metrics")
        client.close()


def test_an_opened_pull_request_becomes_a_lane_that_says_what_is_wrong(worker: Worker) -> None:
    worker.deliver(OPENED)
    status = until(lambda: worker.lane().get("status"), "the lane has a status")
    assert [one["pull"] for one in worker.lane()["spec"]["members"]] == [7]
    resolved = next(one for one in status["conditions"] if one["type"] == "Resolved")
    assert resolved["status"] == "False"
    done = 'laneway_job_seconds_count{result="done",task="deliver"}'
    until(lambda: worker.metric(done) == 1, "the delivery is counted")


def test_a_closed_pull_request_s_lane_goes(worker: Worker) -> None:
    worker.deliver(OPENED)
    until(worker.lane, "the lane is there")
    later = moment("2026-01-02T03:05:05Z")
    worker.deliver(replace(OPENED, delivery="d-2", kind=Kind.CLOSED, updated_at=later))
    until(lambda: not worker.lane(), "the lane is gone")


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_nobody_begins_beside_an_older_definition_of_lanes(tmp_path: Path, name: str) -> None:
    chains = tmp_path / "chains.yaml"
    chains.write_text(CHAIN % tmp_path)
    with devcluster(tmp_path, "--no-node") as dev:
        definition = dev.cluster.get("CustomResourceDefinition", "lanes.laneway.dev")
        assert definition is not None
        [version] = definition["spec"]["versions"]
        del version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["ttl"]
        dev.cluster.replace(definition)
        settings = {"LANEWAY_CHAINS": str(chains), "LANEWAY_KUBECONFIG": str(dev.kubeconfig)}
        said = refusal([*LANEWAY, name], {**settings, "LANEWAY_METRICS_PORT": "0"})
    assert "lacks spec.ttl" in said
    assert "kubectl apply --server-side" in said


def test_a_worker_without_a_cluster_says_which_setting_is_missing(tmp_path: Path) -> None:
    chains = tmp_path / "chains.yaml"
    chains.write_text(CHAIN % tmp_path)
    settings = {"LANEWAY_CHAINS": str(chains), "LANEWAY_METRICS_PORT": "0"}
    assert "LANEWAY_KUBECONFIG" in refusal([*LANEWAY, "worker"], settings)

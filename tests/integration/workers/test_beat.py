"""A real `laneway beat` on a devcluster and a real Valkey: what happens in the cluster becomes jobs."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from provisioner import labels
from provisioner.cluster import Cluster
from provisioner.lane.model import Lane, Member, moment
from tests.support.commands import LANEWAY, process
from tests.support.devcluster import devcluster
from tests.support.valkeys import valkey
from tests.support.waiting import SECONDS, until
from workers import queue
from workers.message import QUEUE

CHAIN = """\
chain: shop
namespace: shop
repositories:
  - url: https://github.com/acme/shop.git
services:
  payment: {paths: [services/payment/**], workload: Deployment/payment, image: "example/payment:{sha}"}
"""


@dataclass(frozen=True)
class Beat:
    """A running beat with what it sees."""

    cluster: Cluster
    client: redis.Redis
    settings: dict[str, str]
    folder: Path
    stack: ExitStack

    def start(self, name: str) -> subprocess.Popen[bytes]:
        return self.stack.enter_context(process([*LANEWAY, "beat"], self.settings, self.log(name)))

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def leads(self, name: str) -> bool:
        return "beat.leading" in self.log(name).read_text()

    def jobs(self) -> list[tuple[Any, ...]]:
        """The jobs that were put since the last look, as (task, arguments ...)."""
        found = []
        while text := self.client.rpop(QUEUE):
            message = json.loads(text)
            (task,) = (message["headers"]["id"],)
            args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
            queue.Queue(self.client).finish(task, kwargs["key"])
            found.append((message["headers"]["task"], *args))
        return found

    def put(self, *wanted: str) -> bool:
        """Whether such a job was put since the last look."""
        return wanted in self.jobs()


@pytest.fixture
def beat(tmp_path: Path) -> Iterator[Beat]:
    chains = tmp_path / "chains.yaml"
    chains.write_text(CHAIN)
    state = tmp_path / "cluster"
    state.mkdir()
    with valkey(tmp_path / "valkey") as url, devcluster(state, "--no-node") as dev, ExitStack() as stack:
        dev.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        settings = {
            "LANEWAY_REDIS_URL": url,
            "LANEWAY_CHAINS": str(chains),
            "LANEWAY_KUBECONFIG": str(dev.kubeconfig),
            "LANEWAY_METRICS_PORT": "0",
        }
        client = queue.connect(url)
        yield Beat(dev.cluster, client, settings, tmp_path, stack)
        client.close()


@pytest.fixture
def leader(beat: Beat) -> Beat:
    beat.start("one")
    until(lambda: beat.put("laneway.sweep"), "a new leader begins with a sweep")
    return beat


def lane(name: str) -> Lane:
    opened = moment("2026-01-02T03:04:05Z")
    return Lane("shop", name, (Member("acme/shop", name, "a" * 40, 7, opened),))


def deployment(name: str, marks: dict[str, str]) -> dict[str, Any]:
    container = {"name": "main", "image": "example/payment:1"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "labels": marks},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    }


def settle(beat: Beat, name: str) -> None:
    """Writes the status that a convergence would."""
    found = beat.cluster.get("Lane", f"shop.{name}")
    assert found is not None
    status = {"status": {"phase": "Ready", "observedGeneration": found["metadata"]["generation"]}}
    beat.cluster.merge("Lane", f"shop.{name}", status, subresource="status")


def collect(beat: Beat, seen: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """What was put since the last look, added to what was seen before."""
    seen += beat.jobs()
    return seen


CONVERGE = ("laneway.converge", "shop", "euro")


def test_a_lane_that_is_made_or_whose_status_is_lost_converges(leader: Beat) -> None:
    leader.cluster.create(lane("euro").to_object())
    until(lambda: leader.put(*CONVERGE), "a new lane converges")
    settle(leader, "euro")
    leader.cluster.merge("Lane", "shop.euro", {"status": None}, subresource="status")
    until(lambda: leader.put(*CONVERGE), "a lane without a status converges")


def test_a_copy_that_is_edited_or_removed_by_hand_has_its_lane_converge(leader: Beat) -> None:
    leader.cluster.create(lane("euro").to_object())
    until(lambda: leader.put(*CONVERGE), "a new lane converges")
    settle(leader, "euro")
    copy = deployment("payment-euro", labels.of_copy("shop", "euro", "payment"))
    leader.cluster.create(copy)
    leader.cluster.merge("Deployment", "payment-euro", {"spec": {"replicas": 5}}, "shop")
    until(lambda: leader.put(*CONVERGE), "a copy was edited")
    for value, event in ((None, "a copy lost its label"), ("euro", "it has its label again")):
        marks = {"metadata": {"labels": {labels.LANE: value}}}
        leader.cluster.merge("Deployment", "payment-euro", marks, "shop")
        until(lambda: leader.put(*CONVERGE), event)
    leader.cluster.delete("Deployment", "payment-euro", "shop")
    until(lambda: leader.put(*CONVERGE), "a copy was removed")


def test_a_copy_that_appears_is_left_to_the_job_that_made_it(leader: Beat) -> None:
    for name in ("euro", "dollar"):
        leader.cluster.create(lane(name).to_object())
        until(partial(leader.put, "laneway.converge", "shop", name), "a new lane converges")
        settle(leader, name)
    for name in ("euro", "dollar"):
        leader.cluster.create(deployment(f"pay-{name}", labels.of_copy("shop", name, "payment")))
    leader.cluster.delete("Deployment", "pay-dollar", "shop")
    seen: list[tuple[Any, ...]] = []
    until(lambda: collect(leader, seen), "the removal of the one is told")
    assert set(seen) == {("laneway.converge", "shop", "dollar")}


def test_every_lane_follows_a_change_of_its_baseline(leader: Beat) -> None:
    for name in ("euro", "dollar"):
        made = ("laneway.converge", "shop", name)
        leader.cluster.create(lane(name).to_object())
        until(partial(leader.put, *made), "a new lane converges")
        settle(leader, name)
    leader.cluster.create(deployment("payment", {"app": "payment"}))
    seen: list[tuple[Any, ...]] = []
    both = {("laneway.converge", "shop", name) for name in ("euro", "dollar")}
    until(lambda: both <= set(collect(leader, seen)), "both lanes follow")


def test_the_children_of_a_lane_follow_its_opening_its_routes_its_commits_and_its_end(leader: Beat) -> None:
    child = ("laneway.converge", "shop", "child")
    leader.cluster.create(replace(lane("child"), parent="euro").to_object())
    until(partial(leader.put, *child), "a new lane converges")
    settle(leader, "child")
    leader.jobs()
    leader.cluster.create(lane("euro").to_object())
    until(partial(leader.put, *child), "its parent opened")
    routes = [{"name": "payment", "inLane": True, "reason": "Changed", "route": "lane"}]
    told = {"status": {"phase": "Ready", "services": routes}}
    leader.cluster.merge("Lane", "shop.euro", told, subresource="status")
    until(partial(leader.put, *child), "its parent answers at a service")
    members = [{**lane("euro").members[0].to_json(), "sha": "b" * 40}]
    leader.cluster.merge("Lane", "shop.euro", {"spec": {"members": members}})
    until(partial(leader.put, *child), "its parent was pushed to")
    leader.cluster.delete("Lane", "shop.euro")
    until(partial(leader.put, *child), "its parent is gone")


def test_a_lane_of_a_chain_that_nobody_describes_is_left_alone(leader: Beat) -> None:
    other = Lane("bakery", "euro", lane("euro").members)
    leader.cluster.create(other.to_object())
    leader.cluster.create(lane("euro").to_object())
    seen: list[tuple[Any, ...]] = []
    until(lambda: CONVERGE in collect(leader, seen), "the known chain's lane converges")
    assert not [job for job in seen if "bakery" in job]


def test_a_valkey_that_lost_everything_is_followed_by_a_sweep(leader: Beat) -> None:
    leader.client.flushall()
    until(lambda: leader.put("laneway.sweep"), "a sweep restores what was lost")


def test_of_two_one_leads_and_the_other_follows_when_it_ends(beat: Beat) -> None:
    one = beat.start("one")
    until(lambda: beat.leads("one"), "the first leads")
    beat.start("two")
    until(lambda: beat.log("two").exists(), "the second looks on")
    beat.cluster.create(lane("euro").to_object())
    until(lambda: beat.put(*CONVERGE), "the first puts jobs")
    assert not beat.leads("two")
    one.terminate()
    assert one.wait(SECONDS) == 0
    until(lambda: beat.leads("two"), "the second leads")


def test_a_leader_that_was_killed_is_followed_within_its_lease(beat: Beat) -> None:
    one = beat.start("one")
    until(lambda: beat.leads("one"), "the first leads")
    beat.start("two")
    os.kill(one.pid, signal.SIGKILL)
    until(lambda: beat.leads("two"), "the second leads", seconds=40)

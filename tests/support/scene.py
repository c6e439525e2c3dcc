"""A small shop whose forge and git are a model, and workers of which one works at a time, in this process.

Jobs, records, convergences and sweeps are the product's own; the queue keeps no time. What is due only after
SOON is left to the sweep: a lane that is looked at every few hours, to see whether it may sleep, never ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from provisioner import reconcile
from provisioner.chain.grammar import parse
from provisioner.chain.model import Chain
from provisioner.cluster import Cluster
from provisioner.forges import Forges
from provisioner.lane.record import record
from provisioner.settings import Settings
from provisioner.world import World
from tests.support.forge import Forge, ModelGit, ModelHub
from tests.support.shop import SERVICES, Clock, baseline
from workers import jobs, message
from workers.fence import Fence, FencedCluster
from workers.jobs import Context
from workers.queue import Job

NAMESPACE = "shop"
DRAIN = 2
SOON = 1800.0  # seconds


class Desk:
    """The queue and the locks of workers of which one works at a time."""

    seconds = 30.0

    def __init__(self) -> None:
        self.waiting: dict[str, Job] = {}

    def put(self, job: Job) -> None:
        self.waiting.setdefault(job.key, job)

    def later(self, job: Job, seconds: float) -> None:
        if seconds <= SOON:
            self.put(job)

    def cancel(self, key: str) -> None:
        self.waiting.pop(key, None)

    def mark(self, _: str) -> int:
        return 0

    marked = mark

    @contextmanager
    def hold(self, _: str) -> Iterator[Desk]:
        yield self

    def valid(self) -> bool:
        return True

    def release(self) -> None:
        """Nobody else asks for it."""


class Scene:
    """A chain, its forge, which can be asked with a `token`, and what waits to be done."""

    def __init__(self, cluster: Cluster, chain: Chain, *, token: bool = False) -> None:
        self.cluster, self.chain = cluster, chain
        self.clock = Clock()
        self.desk = Desk()
        self.forge = Forge(self.clock)
        self.skew = timedelta()  # by which the workers' clock is wrong
        self.hub = ModelHub(self.forge)
        known = {self.hub.name: self.hub} if token else {}
        forges = Forges(known, lambda: self.clock.now.timestamp())
        self.world = World(cluster, ModelGit(self.forge), Settings(drain_seconds=DRAIN), self._now, forges)
        book: Any = self
        desk: Any = self.desk
        self.context = Context(book, desk, desk, self._fenced, record, reconcile.converge, 45)

    def _now(self) -> datetime:
        return self.clock() + self.skew

    def get(self, _: str) -> Chain:
        """What the chain book says."""
        return self.chain

    def run(self, job: Job) -> None:
        """What a task does. Raises what the job raises."""
        do = jobs.deliver if job.name == message.DELIVER else jobs.converge
        do(*job.args, self.context)

    def work_off(self) -> None:
        """Does what waits, and what that leaves for later, until nothing is left."""
        for _ in range(50):
            if not self.desk.waiting:
                return
            self.run(self.desk.waiting.pop(min(self.desk.waiting)))
            self.clock.step(DRAIN + 1)
        raise AssertionError(f"there is no end of {sorted(self.desk.waiting)}")

    def _fenced(self, fence: Fence) -> World:
        return replace(self.world, cluster=FencedCluster(self.cluster, fence))


def furnish(cluster: Cluster) -> None:
    """The namespace and its baseline."""
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, force=True)
    for service in SERVICES:
        for one in baseline(service, NAMESPACE):
            cluster.apply(one, force=True)


def chain(name: str) -> Chain:
    """A chain over two repositories, with a ledger of its own."""
    services = "\n".join(
        f'  {one}: {{paths: ["{one}/**"], workload: Deployment/{one}, image: "{one}:{{sha}}"}}'
        for one in SERVICES
    )
    text = (
        f"chain: {name}\nnamespace: {NAMESPACE}\n"
        "repositories: [{url: 'https://x.example/acme/shop'}, {url: 'https://x.example/acme/billing'}]\n"
        f"services:\n{services}\nshared_paths: {{'libs/**': [orders, payment]}}\n"
    )
    return parse(text, "laneway.yaml")

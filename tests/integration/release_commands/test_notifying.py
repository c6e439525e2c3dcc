"""The job that tells a release's listeners, over a real queue and a real cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import redis

from provisioner.chain.model import Chain
from provisioner.chain.strategy import Strategy
from provisioner.cluster import Cluster
from provisioner.git import Repositories
from provisioner.lane.record import record
from provisioner.reconcile import converge
from provisioner.release.model import Release
from provisioner.settings import Settings
from provisioner.world import World
from tests.support.routing import chain
from tests.support.told import BEGUN, Listener, happened, listener, release, written
from tests.support.valkeys import valkey
from workers import notifying, queue
from workers.jobs import Context
from workers.locks import Locks
from workers.queue import DUE, MARK, Queue

# By so much, in seconds, a server's clock may be set while a test runs, its own time that passes included.
CLOCK_STEPS = 15


@dataclass
class Workers:
    """What the jobs of a worker share, and its queue."""

    client: redis.Redis
    context: Context
    told: Release

    def notify(self) -> None:
        notifying.notify(self.told.chain, self.told.name, self.context)

    def due(self) -> float | None:
        """In how many seconds it is told again; None where that is not intended."""
        task = self.client.get(MARK + queue.notify_again(self.told.chain, self.told.name).key)
        if task is None:
            return None
        seconds, microseconds = self.client.time()
        return float(self.client.zscore(DUE, task)) - seconds - microseconds / 1e6


@pytest.fixture
def taker() -> Iterator[Listener]:
    with listener() as found:
        yield found


@pytest.fixture
def workers(tmp_path: Path, cluster: Cluster, taker: Listener) -> Iterator[Workers]:
    key = tmp_path / "key"
    key.write_text("0123456789abcdef" * 2)
    settings = Settings(mirrors=tmp_path / "mirrors", notify_key_file=key)
    repositories = Repositories(settings.mirrors, max_bytes=settings.mirror_bytes, timeout=20)
    world = World(cluster, repositories, settings, lambda: BEGUN + timedelta(seconds=60))
    strategy, line = Strategy(notify=(taker.url,)), [happened(1), happened(2)]
    told = written(cluster, release(f"shop-{uuid4().hex[:8]}", strategy=strategy, timeline=line))
    with valkey(tmp_path / "valkey") as url:
        client = queue.connect(url)
        context = Context(
            book=_Book(replace(chain(), name=told.chain, release=strategy)),
            queue=Queue(client),
            locks=Locks(client, 20),
            world=lambda fence: world,
            record=record,
            converge=converge,
            seconds=45,
        )
        yield Workers(client, context, told)
        client.close()


@dataclass
class _Book:
    """The chain files: one."""

    chain: Chain

    def get(self, name: str) -> Chain:
        assert name == self.chain.name
        return self.chain


def test_what_is_taken_is_told_once(workers: Workers, taker: Listener) -> None:
    workers.notify()
    workers.notify()
    assert taker.sequences == [1, 2]
    assert workers.due() is None


def test_what_is_not_taken_is_told_again_by_a_later_job(workers: Workers, taker: Listener) -> None:
    taker.answers = lambda: 500
    workers.notify()
    assert workers.due() == pytest.approx(30, abs=CLOCK_STEPS)
    taker.answers = lambda: 200
    workers.notify()
    assert taker.sequences == [1, 1, 2]


def test_two_jobs_do_not_tell_at_a_time_and_the_second_comes_back(workers: Workers, taker: Listener) -> None:
    taker.answers = lambda: workers.notify() or 200
    workers.notify()
    assert taker.sequences == [1, 2]
    assert workers.due() == pytest.approx(notifying.BUSY_SECONDS, abs=CLOCK_STEPS)

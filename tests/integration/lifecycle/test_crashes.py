"""A worker ends with SIGKILL at every single call that it makes; another one takes over; the law holds.

The calls are found by recording one run, so that a new call is covered without anybody adding it here. A
point is a call and a moment: before it is sent, or after it took effect and before its answer is seen.
"""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from provisioner import chains
from provisioner.chain import Chain
from provisioner.cluster import connect
from provisioner.events import Kind
from provisioner.git import Repositories
from provisioner.settings import Settings
from provisioner.world import World
from tests.support import law, lives
from tests.support.crashes import Call, Moment, killed_at
from tests.support.devcluster import Devcluster
from tests.support.shop import REPOSITORY, Shop, chain_file, open_shop
from workers import queue
from workers.queue import Queue

NAMESPACE = "crashes"
OPENED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HANDS = 2  # workers that die and take over at the same time, each pair with a queue of its own


@dataclass(frozen=True)
class Point:
    """Where a worker dies. Each point has a branch, and with it a lane, of its own."""

    branch: str
    call: Call
    moment: Moment

    def __str__(self) -> str:
        return f"{self.branch}, dead {self.moment} ({self.call})"


@dataclass(frozen=True)
class Stage:
    """A shop and the settings of the workers that serve it."""

    shop: Shop
    chain: Chain
    settings: Settings
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "workers.log"

    @property
    def world(self) -> World:
        """The world as a worker with these settings sees it."""
        repositories = Repositories(self.settings.mirrors, max_bytes=10**9, timeout=20)
        return World(
            connect(self.settings.kubeconfig), repositories, self.settings, lambda: datetime.now(UTC)
        )

    def apart(self, name: str) -> Stage:
        """The same shop as a chain of that name, with mirrors and a ledger that nobody has used yet."""
        path = self.folder / f"{name}.yaml"
        text = chain_file(self.shop.origin, name, NAMESPACE)
        path.write_text(f"{text}lifecycle: {{max_lanes: 1000}}\n")
        changed = {"chains": path, "mirrors": self.folder / "mirrors" / name}
        return replace(self, chain=chains.load(path)[0], settings=self.settings.model_copy(update=changed))

    def hand(self, number: int) -> Stage:
        """The same with a queue and mirrors of its own."""
        url = f"{self.settings.redis_url.rpartition('/')[0]}/{number}"
        changed = {"redis_url": url, "mirrors": self.folder / f"mirrors-{number}"}
        return replace(self, settings=self.settings.model_copy(update=changed))

    def tell(self, kind: Kind, branch: str, minutes: int) -> None:
        """What the receiver does with a delivery."""
        event = self.shop.event(kind, branch, at=OPENED + timedelta(minutes=minutes))
        with self.redis() as client:
            assert Queue(client).put(queue.deliver(event.to_json(), event.delivery, self.chain.name))

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.settings.redis_url, decode_responses=True)

    def dies(self, point: Point) -> None:
        ended = lives.life(self.settings, self.log, killed_at(point.call.number, point.moment))
        assert ended == -signal.SIGKILL, f"{point}: it ended with {ended}; {self.log.read_text()[-2000:]}"

    def another_takes_over(self) -> None:
        with self.redis() as client:
            lives.survived(self.settings, client, self.log)


class Create:
    """A pull request is opened in a chain that Laneway has never seen, with mirrors that do not exist yet."""

    name = "create"

    def stage(self, stage: Stage, branch: str) -> Stage:
        return stage.apart(branch)

    def prepare(self, stage: Stage, branches: Sequence[str]) -> None:
        for branch in branches:
            stage.shop.origin.branch(branch, {"payment/app.py": "2"})

    def begin(self, stage: Stage, branch: str) -> None:
        stage.tell(Kind.OPENED, branch, 0)

    def is_open(self) -> bool:
        return True


class Update(Create):
    """A push that takes one service out of the lane and brings another in."""

    name = "update"

    def stage(self, stage: Stage, branch: str) -> Stage:
        return stage

    def prepare(self, stage: Stage, branches: Sequence[str]) -> None:
        super().prepare(stage, branches)
        for branch in branches:
            stage.tell(Kind.OPENED, branch, 0)
        assert lives.life(stage.settings, stage.log) == 0, stage.log.read_text()[-4000:]

    def begin(self, stage: Stage, branch: str) -> None:
        stage.shop.origin.commit(branch, {"payment/app.py": "1", "orders/app.py": "2"})
        stage.tell(Kind.PUSHED, branch, 1)


class Teardown(Update):
    """The pull request is merged."""

    name = "teardown"

    def begin(self, stage: Stage, branch: str) -> None:
        stage.tell(Kind.CLOSED, branch, 1)

    def is_open(self) -> bool:
        return False


@pytest.fixture(scope="module")
def stage(dev: Devcluster, redis_url: str, folder: Path) -> Stage:
    shop = open_shop(folder / "shop", dev.cluster, NAMESPACE)
    settings = Settings(kubeconfig=str(dev.kubeconfig), redis_url=redis_url, drain_seconds=0, git_seconds=20)
    return Stage(shop, shop.chain, settings, folder).apart(NAMESPACE)


@pytest.mark.parametrize("operation", [Create(), Update(), Teardown()], ids=lambda one: one.name)
def test_a_worker_may_die_at_every_call(
    operation: Create, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = rehearsed(operation, stage)
    points = [
        Point(f"{operation.name}-{call.number}-{moment.name.lower()}", call, moment)
        for call in calls
        for moment in Moment
    ]
    assert played(operation, stage, points) == []
    assert law.strays_in(NAMESPACE, stage.world.cluster) == []
    edges = Counter(call.edge for call in calls)
    assert edges.keys() == {"kubernetes", "redis", "git"} - (
        {"git"} if operation.name == "teardown" else set()
    )
    with capsys.disabled():
        print(f"\n{operation.name}: {len(points)} points; calls: {dict(edges)}")


def rehearsed(operation: Create, stage: Stage) -> list[Call]:
    """The calls of one undisturbed run; a run before it leaves the scripts in Redis, as any other does."""
    for branch in ("first", "second"):
        name = f"{operation.name}-{branch}"
        operation.prepare(stage, [name])
        here = operation.stage(stage, name)
        operation.begin(here, name)
        calls = lives.recorded(here.settings, here.log)
    return calls


def played(operation: Create, stage: Stage, points: Sequence[Point]) -> list[str]:
    """Goes through all points; what is wrong after them."""
    for point in points:
        stage.shop.pulls[point.branch] = len(stage.shop.pulls) + 1
    hands = [_Hand(operation, stage.hand(number), points[number::HANDS]) for number in range(HANDS)]
    ended = lives.together([hand.go_through for hand in hands], stage.log)
    assert ended == [0] * HANDS, stage.log.read_text()[-4000:]
    return [line for hand in hands for line in json.loads(hand.notes.read_text())]


@dataclass(frozen=True)
class _Hand:
    """One that goes through points, in a process of its own."""

    operation: Create
    stage: Stage
    points: Sequence[Point]

    @property
    def notes(self) -> Path:
        return self.stage.folder / f"{self.points[0].branch}.json"

    def go_through(self) -> None:
        self.operation.prepare(self.stage, [point.branch for point in self.points])
        self.notes.write_text(json.dumps([line for point in self.points for line in self.wrong_after(point)]))

    def wrong_after(self, point: Point) -> list[str]:
        """What is wrong after one worker has died at a point and another has taken over."""
        stage, branch = self.operation.stage(self.stage, point.branch), point.branch
        self.operation.begin(stage, branch)
        stage.dies(point)
        stage.another_takes_over()
        head = {f"{REPOSITORY}#{stage.shop.pulls[branch]}": stage.shop.origin.sha(branch)}
        heads = head if self.operation.is_open() else None
        return [f"{point}: {breach}" for breach in law.of_lane(stage.chain, stage.world, branch, heads)]

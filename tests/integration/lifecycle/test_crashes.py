"""A worker ends with SIGKILL at every single call that it makes; another one takes over; the law holds.

The calls are found by recording one run, so that a new call is covered without anybody adding it here. A
point is a call and a moment: before it is sent, or after it took effect and before its answer is seen.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner.events import Kind
from tests.support import law, lives
from tests.support.crashes import Call, Moment
from tests.support.stage import NAMESPACE, Stage

pytestmark = pytest.mark.proof

HANDS = 2  # workers that die and take over at the same time, each pair with a queue of its own


@dataclass(frozen=True)
class Point:
    """Where a worker dies. Each point has a branch, and with it a lane, of its own."""

    branch: str
    call: Call
    moment: Moment

    def __str__(self) -> str:
        return f"{self.branch}, dead {self.moment} ({self.call})"


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
        stage.dies(point.call, point.moment)
        stage.another_takes_over()
        breaches = stage.breaches(branch, open=self.operation.is_open())
        return [f"{point}: {breach}" for breach in breaches]

"""Whoever advances a release ends at every single call that it makes; another goes on; the law holds.

The calls are found by recording one release. A point is a call that changes something and a moment: before
it is sent, or after it took effect and before its answer is seen. (What was read is forgotten with whoever
dies: an end at a read is one before the next write.) What is true of a baseline after every turn, and so
between any two: all its services have one version, or all requests are in the lane.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from provisioner.chain.strategy import Step
from provisioner.cluster import Cluster
from provisioner.release.model import Phase
from tests.support.crashes import Call, Crash, Moment, watched
from tests.support.releaseshop import STRATEGY, ReleaseShop, open_releases

SERVICES = ("orders", "payment")
QUICK = replace(STRATEGY, steps=(Step(100, pause=timedelta(seconds=1)),))
SAMPLE = 29  # of so many points one is tried at each change of the code


@dataclass(frozen=True)
class Point:
    number: int
    moment: Moment


@dataclass
class Life:
    """Counts the calls of whoever advances, over all turns, and ends at a point; who comes after it lives."""

    end: Point | None = None
    calls: list[Call] = field(default_factory=list)
    dead: bool = False

    def __call__(self, call: Call, moment: Moment) -> None:
        if moment is Moment.BEFORE:
            self.calls.append(call)
        here = self.end is not None and len(self.calls) == self.end.number and moment is self.end.moment
        self.dead = self.dead or here
        if self.dead:
            raise Crash(str(call))

    @contextmanager
    def lived(self) -> Iterator[None]:
        try:
            with watched(self):
                yield
        except Crash:
            self.end, self.dead = None, False


@dataclass
class Story:
    """Releases of one shop, one after the other, each with images of its own. `ends`: somebody ends it while
    the baseline changes. `late`: who goes on after a death comes when every deadline is over."""

    shop: ReleaseShop
    ends: bool
    late: bool
    number: int = 0

    def rehearsed(self) -> list[Call]:
        life = Life()
        assert self.told(life) == []
        return life.calls

    def told(self, life: Life) -> list[str]:
        """What is wrong after one release, during which whoever advances it may have died."""
        self.number += 1
        name, before = f"r{self.number}", self.shop.images()
        images = {one: f"{one}:{self.number}" for one in SERVICES}
        self.shop.begin(name, images)
        for _ in range(120):
            release = self.shop.release(name)
            if release.phase.over and not release.held and self.shop.lane(name) is None:
                return self._wrong(name, before, before | images)
            if release.phase is Phase.FINISHING and self.ends and not release.aborted:
                self.shop.say(name, aborted="enough")
            self._turn(name, life)
            if wrong := self._mixed(name, images):
                return [wrong]
        return [f"{name} never ends: {release.phase} {release.status.get('message')}"]

    def _turn(self, name: str, life: Life) -> None:
        dying = life.end
        with life.lived():
            self.shop.work(name)
        if dying is not life.end and self.late:
            self.shop.shop.clock.step(2 * QUICK.deadline.total_seconds())
        self.shop.pods()
        self.shop.shop.clock.step(1)

    def _mixed(self, name: str, images: dict[str, str]) -> str:
        now, release = self.shop.images(), self.shop.release(name)
        new = [one for one in SERVICES if now[one] == images[one]]
        if len(new) in (0, len(SERVICES)) or release.weight == 100:
            return ""
        return f"{name} is {release.phase} with {release.weight}% while the baseline runs {now}"

    def _wrong(self, name: str, before: dict[str, str], after: dict[str, str]) -> list[str]:
        release, now = self.shop.release(name), self.shop.images()
        wanted = after if release.phase is Phase.SUCCEEDED else before
        wrong = [] if now == wanted else [f"{name} is {release.phase}, and the baseline runs {now}"]
        if not self.late and (release.phase is Phase.SUCCEEDED) is self.ends:
            wrong.append(f"{name} ended as {release.phase}: {release.status['message']}")
        if left := self.shop.shop.owned(name):
            wrong.append(f"{name} left {sorted(left)}")
        return wrong


@pytest.fixture(params=["to its end", "and back", "too late"])
def story(request: pytest.FixtureRequest, cluster: Cluster, tmp_path: Path) -> Story:
    number = ["to its end", "and back", "too late"].index(request.param)
    shop = open_releases(tmp_path, cluster, f"dying-{uuid4().hex[:8]}", QUICK)
    return Story(shop, ends=number == 1, late=number == 2)


def tried(story: Story, every: int) -> tuple[list[str], int]:
    """What was wrong, and at how many points it was looked for."""
    calls = story.rehearsed()
    points = [Point(one.number, moment) for one in calls if _writes(one) for moment in Moment][::every]
    return [wrong for point in points for wrong in story.told(Life(point))], len(points)


def _writes(call: Call) -> bool:
    return call.edge != "kubernetes" or not call.what.startswith("GET ")


def test_a_release_goes_on_or_back_wherever_it_is_cut_off(story: Story) -> None:
    wrong, points = tried(story, SAMPLE)
    assert (wrong, points > 0) == ([], True)


@pytest.mark.proof
def test_a_release_goes_on_or_back_at_every_call(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    wrong, points = tried(story, 1)
    assert wrong == []
    with capsys.disabled():
        print(f"\nrelease: {points} points")

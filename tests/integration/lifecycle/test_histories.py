"""Random histories of pull requests, against the model of their forge.

People open, push, close, reopen, delete and edit at will; deliveries arrive late, twice and in any order; the
API server fails, refuses and swallows answers; workers die in the middle. Once every delivery was handled and
the sweep has run, the lanes are exactly the open pull requests, at their heads, each with its own objects.

The same with a forge that can be asked, and is away at times: then deliveries may get lost for good.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from provisioner.chain.model import Lifecycle, Trigger
from provisioner.cluster import Cluster
from provisioner.errors import PermanentError, TemporaryError
from provisioner.events import ForgeEvent
from provisioner.sweep import sweep
from tests.support import law
from tests.support.crashes import Crash, Moment, Mortal, watched
from tests.support.forge import Branch, received
from tests.support.localapi import Local, connected
from tests.support.scene import Scene, chain, furnish
from workers import message, queue
from workers.queue import Job

pytestmark = pytest.mark.proof

HISTORIES = 200
LABEL = "preview"
BRANCHES = (
    Branch("acme/shop", "one"),
    Branch("acme/shop", "Two/x"),
    Branch("acme/billing", "one"),
    Branch("acme/shop", "one", fork=True),
)
FILES = ("frontend/app.py", "orders/app.py", "payment/app.py", "libs/money.py", "README.md")
FAULTS: tuple[dict[str, Any], ...] = (
    {"action": "fail", "status": 500, "probability": 0.2},
    {"action": "fail", "status": 409, "probability": 0.2},
    {"action": "fail", "status": 429, "retry_after": 1, "probability": 0.2},
    {"action": "cut", "probability": 0.2},
    {"action": "drop", "probability": 0.2},
)

NONE, LABELLED = frozenset[str](), frozenset({LABEL})
EDITS = ({"base": "next"}, {"draft": True}, {"draft": False}, {"labels": NONE}, {"labels": LABELLED})

Step = tuple[Any, ...]

branches = st.sampled_from(BRANCHES)
files = st.lists(st.sampled_from(FILES), min_size=1, max_size=3, unique=True)
# where the worker that does it dies; half of them live
deaths = st.builds(Mortal, st.one_of(st.just(0), st.integers(1, 14)), st.sampled_from(Moment))
numbers = st.integers(0, 50)

opening = st.tuples(st.just("open"), branches, st.sampled_from((NONE, LABELLED, LABELLED)))
pushing = st.tuples(st.just("push"), branches, files)
delivering = st.tuples(st.just("deliver"), numbers, st.booleans(), deaths)
working = st.tuples(st.just("work"), numbers, deaths)
steps = st.one_of(
    *(opening, opening, opening, pushing, pushing),
    st.tuples(st.just("close"), branches, st.booleans()),
    st.tuples(st.just("reopen"), branches),
    st.tuples(st.just("edit"), branches, st.sampled_from(EDITS)),
    st.tuples(st.just("delete"), branches),
    *(delivering, delivering, delivering, delivering, delivering),
    *(working, working, working, working),
    st.tuples(st.just("sweep"), deaths),
    st.tuples(st.just("fault"), st.integers(0, len(FAULTS) - 1)),
    st.tuples(st.just("heal")),
    st.tuples(st.just("wait"), st.sampled_from((3, 700, 86_400))),
    st.tuples(st.just("step_clock"), st.sampled_from((-3600, 0, 3600))),
    st.tuples(st.just("lose_redis")),
)
losing = st.tuples(st.just("lose_delivery"), numbers)
histories = st.lists(steps, min_size=15, max_size=45)
with_losses = st.lists(
    st.one_of(steps, steps, steps, steps, losing, st.tuples(st.just("forge_away"), st.booleans())),
    min_size=15,
    max_size=45,
)


class Play:
    """One history while it happens."""

    def __init__(self, local: Local, scene: Scene) -> None:
        self.local, self.scene = local, scene
        self.clock, self.forge, self.desk = scene.clock, scene.forge, scene.desk
        self.deliveries: list[ForgeEvent] = []

    # --- steps --------------------------------------------------------------------------------------------

    def do(self, step: Step) -> None:
        what, *how = step
        mine = {
            "deliver": self.deliver,
            "work": self.work,
            "sweep": self.sweep,
            "fault": self.fault,
            "heal": self.local.heal,
            "wait": self.clock.step,
            "step_clock": self.step_clock,
            "lose_redis": self.lose_redis,
            "lose_delivery": self.lose_delivery,
            "forge_away": self.forge_away,
        }
        mine.get(what, getattr(self.forge, what, None))(*how)  # type: ignore[misc]
        self.deliveries += self.forge.outbox
        self.forge.outbox.clear()

    def deliver(self, number: int, again: bool, mortal: Mortal) -> None:
        """One of the deliveries arrives; `again`: and will once more."""
        if self.deliveries:
            at = number % len(self.deliveries)
            said = self.deliveries[at] if again else self.deliveries.pop(at)
            told = received(said, self.clock.now)
            job = queue.deliver(told.to_json(), f"{told.delivery}-{self.clock.now}", self.scene.chain.name)
            self._run(job, mortal)

    def work(self, number: int, mortal: Mortal) -> None:
        """One of the jobs that wait is done."""
        if self.desk.waiting:
            key = sorted(self.desk.waiting)[number % len(self.desk.waiting)]
            self._run(self.desk.waiting.pop(key), mortal)

    def sweep(self, mortal: Mortal) -> None:
        self._attempt(self._sweep, mortal)

    def step_clock(self, seconds: int) -> None:
        """The workers' clock is wrong from now on."""
        self.scene.skew = timedelta(seconds=seconds)

    def lose_redis(self) -> None:
        """What was recorded is in the cluster; deliveries that were not are sent once more by somebody."""
        for job in self.desk.waiting.values():
            if job.name == message.DELIVER:
                self.deliveries.append(ForgeEvent.from_json(job.args[0]))
        self.desk.waiting.clear()

    def lose_delivery(self, number: int) -> None:
        if self.deliveries:
            self.deliveries.pop(number % len(self.deliveries))

    def forge_away(self, away: bool) -> None:
        self.scene.hub.down = away

    def fault(self, number: int) -> None:
        self.local.heal()
        self.local.add(**FAULTS[number])

    def _sweep(self) -> None:
        def enqueue(chain: str, lane: str) -> None:
            self.desk.put(queue.converge(chain, lane))

        sweep.sweep([self.scene.chain], self.scene.world, dry_run=False, confirm=True, enqueue=enqueue)

    def _run(self, job: Job, mortal: Mortal) -> None:
        """A job that did not end comes back, as the queue has it; one that cannot succeed does not."""
        if not self._attempt(lambda: self.scene.run(job), mortal):
            self.desk.put(job)

    def _attempt(self, action: Callable[[], None], mortal: Mortal) -> bool:
        try:
            with watched(mortal):
                action()
        except (Crash, TemporaryError) as error:
            event(f"ended by {type(error).__name__}")
            return False
        except PermanentError as error:
            event(f"given up: {error.reason}")
        return True

    # --- the end ------------------------------------------------------------------------------------------

    def end(self, chance: random.Random) -> None:
        """Everything arrives, whatever the order; everybody works and sweeps until nothing happens."""
        self.local.heal()
        self.scene.hub.down = False
        self.scene.skew = timedelta()
        self.clock.step(3600)  # for a Lease that was taken while the clock was ahead
        chance.shuffle(self.deliveries)
        while self.deliveries:
            self.deliver(0, False, Mortal(0))
        for _ in range(12):
            before = self._versions()
            self.clock.step(61)  # the sweep of somebody who died holds its Lease for a minute
            self.sweep(Mortal(0))
            while self.desk.waiting:
                self.work(0, Mortal(0))
                self.clock.step(3)
            if self._versions() == before:
                return
        raise AssertionError(f"the lanes never come to rest: {before}")

    def _versions(self) -> dict[str, str]:
        found = law.lanes_of(self.scene.chain, self.scene.cluster)
        return {name: lane.resource_version for name, lane in found.items()}

    def clear(self) -> None:
        self.local.heal()
        for found in self.scene.cluster.list("Lane"):
            self.scene.cluster.delete("Lane", found["metadata"]["name"])


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[Local, Cluster]]:
    local, cluster = connected()
    furnish(cluster)
    yield local, cluster
    local.close()


NUMBERS = count(1)


PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)


proved = settings(
    phases=PHASES,
    database=None,
    max_examples=HISTORIES,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
triggers = st.sampled_from((Trigger.OPENED, Trigger.OPENED, Trigger.LABELLED))


@proved
@given(history=histories, when=triggers, order=st.integers(0, 10**6))
def test_whatever_happened_the_lanes_are_the_open_pull_requests(
    place: tuple[Local, Cluster], history: list[Step], when: Trigger, order: int
) -> None:
    assert breaches_after(history, place, when, order, token=False) == []


@proved
@given(history=with_losses, when=triggers, order=st.integers(0, 10**6))
def test_where_the_forge_can_be_asked_deliveries_may_be_lost(
    place: tuple[Local, Cluster], history: list[Step], when: Trigger, order: int
) -> None:
    assert breaches_after(history, place, when, order, token=True) == []


def breaches_after(
    history: list[Step], place: tuple[Local, Cluster], when: Trigger, order: int, *, token: bool
) -> list[str]:
    """How the law is broken at the end of a history."""
    local, cluster = place
    lifecycle = Lifecycle(ttl=None, when=when, label=LABEL)
    told = replace(chain(f"histories-{next(NUMBERS)}"), lifecycle=lifecycle)
    play = Play(local, Scene(cluster, told, token=token))
    try:
        for branch in BRANCHES:
            play.do(("push", branch, ["payment/app.py"]))
            play.do(("open", branch, LABELLED))
        for step in history:
            play.do(step)
        play.end(random.Random(order))
        truth = play.forge.truth(play.scene.chain)
        event(f"{len(truth.open)} lanes at the end")
        return law.breaches(play.scene.chain, play.scene.world, truth)
    finally:
        play.clear()

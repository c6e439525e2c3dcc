"""How soon a bad release is over, and how many requests meet it: the whole embedded system, with a real
Envoy, and users who never stop.

Of the new version's answers 30 % are errors, from its first request on. The analysis is the usual one (the
counters of the Envoys at the entry, every 10 s, the new version beside the old one); what differs is how long
the steps are, and how often is measured. A time begins with the first request that the new version gets, and
ends with the last.
"""

from __future__ import annotations

import http.client
import json
import logging
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog

from bench.badrelease_shop import NEW, ill, make
from devcluster.dev import control
from devcluster.dev.state import State, read_json
from provisioner import cluster
from provisioner.chain import grammar
from provisioner.chain.model import Chain
from provisioner.chain.strategy import Analysis, Step, Strategy
from provisioner.git import Repositories
from provisioner.lane.model import moment
from provisioner.release import start, store
from provisioner.release.model import Phase, Reason, Release
from provisioner.settings import Settings
from provisioner.world import World

Row = dict[str, Any]

FAILING = 0.3
USERS, PER_SECOND = 4, 80.0
WEIGHTS = (10, 25, 50, 100)
TRIALS = ((5, 10), (10, 10), (30, 10), (60, 10), (30, 2))  # seconds: of a step, between two measurements
BACK_SECONDS = 2.0  # from the decision to the last request
PATIENCE = 300.0


@dataclass(frozen=True)
class Answer:
    at: float  # seconds since the epoch, when it was there
    status: int
    version: str


@dataclass(frozen=True)
class Trial:
    """One bad release, and every answer from its start to its end."""

    step: int
    interval: int
    release: Release
    answers: list[Answer]

    @property
    def met(self) -> list[Answer]:
        return [one for one in self.answers if one.version == NEW]

    @property
    def seconds(self) -> float:
        return self.met[-1].at - self.met[0].at

    @property
    def failed(self) -> int:
        return sum(one.status >= 500 for one in self.met)

    @property
    def others(self) -> int:
        """Failed requests of the old version."""
        return sum(one.status != 200 for one in self.answers if one.version != NEW)

    @property
    def share(self) -> int:
        """The greatest that it had."""
        return max(int(one["weight"]) for one in self.release.status["timeline"])

    @property
    def back(self) -> float:
        """Seconds from the decision to the last request that the new version answered; 0 where that came
        before it."""
        return max(0.0, self.met[-1].at - moment(self.release.status["weightAt"]).timestamp())


def run() -> list[Row]:
    """The figures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with (
        tempfile.TemporaryDirectory(prefix="laneway-bad-") as name,
        _system(Path(name)) as (state, chain, world),
    ):
        at = read_json(state.endpoints)
        image = ill(Path(at["repository"]), FAILING)
        found = [_trial(*one, at["entry"], image, chain, world) for one in TRIALS]
    return [row for one in found for row in _rows(one)]


def _rows(one: Trial) -> Iterator[Row]:
    about = f"steps of {one.step} s, measured every {one.interval} s: "
    yield _row(about + "from a bad copy's first request to its last", one.seconds, "s")
    yield _row(about + "requests that met it", len(one.met), "")
    yield _row(about + "  of all in that time", 100 * len(one.met) / _during(one), "%")
    yield _row(about + "  answered by an error", one.failed, "")
    yield _row(about + "greatest share", one.share, "%")
    yield _row(about + "from the decision to the last request", one.back, "s", BACK_SECONDS)
    yield {
        **_row(about + "failed requests of the old version", one.others, ""),
        "target": "0",
        "ok": not one.others,
    }


def _during(one: Trial) -> int:
    first, last = one.met[0].at, one.met[-1].at
    return sum(first <= answer.at <= last for answer in one.answers)


def _row(figure: str, value: float, unit: str, most: float | None = None) -> Row:
    found: Row = {"figure": figure, "value": value, "unit": unit, "target": "", "ok": None}
    return found | ({"target": f"at most {most:g}", "ok": value <= most} if most is not None else {})


@contextmanager
def _system(folder: Path) -> Iterator[tuple[State, Chain, World]]:
    """An embedded system with the chain, up and attached."""
    state = State(folder / "system")
    control.up(state, make(folder / "shop"), lambda _: None)
    try:
        file = state.chains / "trial.yaml"
        settings = Settings(kubeconfig=str(state.kubeconfig), mirrors=folder / "mirrors", chains=file)
        git = Repositories(settings.mirrors, max_bytes=1 << 30, timeout=30)
        world = World(cluster.connect(str(state.kubeconfig)), git, settings, lambda: datetime.now(UTC))
        yield state, grammar.parse(file.read_text(), str(file)), world
    finally:
        control.down(state)


def _trial(step: int, interval: int, entry: str, image: str, chain: Chain, world: World) -> Trial:
    """One release of the bad version, until it is over."""
    steps = tuple(Step(weight, pause=timedelta(seconds=step)) for weight in WEIGHTS)
    strategy = Strategy(steps=steps, analysis=Analysis(interval=timedelta(seconds=interval)))
    users = Users(entry)
    try:
        made = start.from_images(chain, {"payment": image}, f"bad-{step}-{interval}", world)
        store.create(world.cluster, replace(made, strategy=strategy))
        release = _ended(made, world)
    finally:
        answers = users.end()
    if (release.phase, release.reason) != (Phase.ROLLED_BACK, Reason.ANALYSIS_FAILED):
        raise RuntimeError(f"{release.object_name} is {release.phase}: {release.status.get('message')}")
    return Trial(step, interval, release, answers)


def _ended(made: Release, world: World) -> Release:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = store.read(world.cluster, made.chain, made.name)
        if found is not None and found.phase.over:
            return found
        time.sleep(0.2)
    raise RuntimeError(f"{made.object_name} is not over after {PATIENCE:g} s: {found and dict(found.status)}")


class Users:
    """Clients that ask without end, PER_SECOND in all, each time as somebody new."""

    def __init__(self, entry: str) -> None:
        self._place = urlsplit(entry).netloc
        self._ended = threading.Event()
        self._answers: list[Answer] = []
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(USERS)]
        for one in self._threads:
            one.start()

    def end(self) -> list[Answer]:
        """Every answer, in the order in which they came."""
        self._ended.set()
        for one in self._threads:
            one.join()
        return sorted(self._answers, key=lambda one: one.at)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(self._place, timeout=30)
        due = time.monotonic()
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            due += USERS / PER_SECOND
            self._answers.append(_answer(connection))
        connection.close()


def _answer(connection: http.client.HTTPConnection) -> Answer:
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        said = answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return Answer(time.time(), 0, type(error).__name__)
    try:
        version = str(json.loads(said)["version"])
    except (ValueError, KeyError):
        version = said.decode(errors="replace")[:100]
    return Answer(time.time(), answer.status, version)

"""What one lane's re-run costs beside ten lanes and beside a thousand: requests, and time.

Two devclusters stand side by side in one run, each with a repository of its own, and are asked in turn, so
that whatever else the machine does falls on both. A re-run is the worker's own function over the real client
and real git: once with nothing to do, and once after a push to the lane's branch.
"""

from __future__ import annotations

import json
import logging
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog

from bench import fleet
from bench.fleet import Place
from provisioner.git import Repositories
from provisioner.reconcile import converge
from provisioner.settings import Settings
from provisioner.world import World

Json = dict[str, Any]

FEW, MANY = 10, 1_000
TURNS = 100
WARM_UP = 10
LANE = 5  # the number of the lane that is looked at
MOST = 1.10


@dataclass
class Side:
    """One of the two, with what was measured there."""

    place: Place
    world: World
    api: str
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"unchanged": [], "pushed": []})
    git: dict[str, list[float]] = field(default_factory=lambda: {"unchanged": [], "pushed": []})
    calls: dict[str, list[int]] = field(default_factory=lambda: {"unchanged": [], "pushed": []})

    def turn(self, what: str) -> None:
        """One re-run, timed and counted."""
        if what == "pushed":
            self._push()
        httpx.delete(f"{self.api}/devcluster/requests").raise_for_status()
        began = time.perf_counter()
        outcome = converge(self.place.chain, fleet.name_of(LANE), self.world)
        self.seconds[what].append(time.perf_counter() - began)
        self.git[what].append(outcome.steps["changes"])
        found = httpx.get(f"{self.api}/devcluster/requests", params={"user_agent": "laneway"}).json()
        self.calls[what].append(found["calls"])

    def _push(self) -> None:
        """One more commit that changes the lane's service."""
        branch = f"refs/heads/{fleet.name_of(LANE)}"
        stream = (
            f"commit {branch}\ncommitter Bench <bench@example.invalid> {len(self.calls['pushed'])} +0000\n"
            f"data 0\n\nfrom {branch}^0\nM 100644 inline {fleet.CHANGED}/app.py\n"
            f"data <<END\n{len(self.calls['pushed'])}\nEND\n\n"
        )
        subprocess.run(
            ["git", "-C", str(self.place.repository), "fast-import", "--quiet"],
            input=stream.encode(),
            check=True,
        )


def run() -> list[Json]:
    """The figures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with ExitStack() as stack:
        few, many = (_side(stack, number) for number in (FEW, MANY))
        _measure(few, many)
    return [
        *_rows("an unchanged run", few, many, "unchanged"),
        *_rows("a run after a push", few, many, "pushed"),
    ]


def _measure(few: Side, many: Side) -> None:
    """Both in turn, each first as often as the other."""
    for number in range(WARM_UP + TURNS):
        for side in (few, many) if number % 2 else (many, few):
            side.turn("pushed")
            side.turn("unchanged")
    for side in (few, many):
        side.seconds = {what: found[WARM_UP:] for what, found in side.seconds.items()}
        side.git = {what: found[WARM_UP:] for what, found in side.git.items()}
        side.calls = {what: found[WARM_UP:] for what, found in side.calls.items()}


def _side(stack: ExitStack, number: int) -> Side:
    root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    place = stack.enter_context(fleet.system(root))
    fleet.branches(place, range(number))
    fleet.build(place, range(number))
    address = urlsplit(json.loads((root / "devcluster" / "apiserver.json").read_text())["url"])
    settings = Settings(kubeconfig=str(root / "devcluster" / "kubeconfig"), mirrors=root / "mirrors")
    git = Repositories(settings.mirrors, max_bytes=settings.mirror_bytes, timeout=settings.git_seconds)
    world = World(place.cluster, git, settings, lambda: datetime.now(UTC))
    return Side(place, world, f"{address.scheme}://{address.netloc}")


def _rows(what: str, few: Side, many: Side, key: str) -> list[Json]:
    seconds = _ratio(lambda side: statistics.median(side.seconds[key]), few, many)
    calls = _ratio(lambda side: statistics.mean(side.calls[key]), few, many)
    return [
        _milliseconds(f"{what}, {FEW} lanes", few.seconds[key]),
        _milliseconds(f"  of it git, {FEW} branches", few.git[key]),
        _milliseconds(f"  of it git, {MANY} branches", many.git[key]),
        {"figure": f"{what}, {FEW} lanes", "value": statistics.mean(few.calls[key]), "unit": "requests"},
        _row(f"{what}, time at {MANY} lanes to that at {FEW}", seconds),
        _row(f"{what}, requests at {MANY} lanes to those at {FEW}", calls),
    ]


def _milliseconds(figure: str, seconds: list[float]) -> Json:
    return {"figure": figure, "value": 1000 * statistics.median(seconds), "unit": "ms"}


def _ratio(measure: Callable[[Side], float], few: Side, many: Side) -> float:
    return measure(many) / measure(few)


def _row(figure: str, value: float) -> Json:
    return {"figure": figure, "value": value, "unit": "x", "target": f"<= {MOST}", "ok": value <= MOST}


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))

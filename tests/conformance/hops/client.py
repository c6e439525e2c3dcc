"""The process of all applications, as a test steers it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.conformance.hops.application import Instance
from tests.conformance.hops.calling import Target
from tests.conformance.hops.story import Hop, of_json

Json = dict[str, Any]
Story = tuple[Hop, ...]
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Walk:
    """A request to a port of a service."""

    service: str
    port: str = "http"
    protocol: str = "http"
    headers: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> Json:
        headers = [list(pair) for pair in self.headers]
        return {"service": self.service, "port": self.port, "protocol": self.protocol, "headers": headers}


@dataclass(frozen=True)
class Activity:
    """Of an application: how many HTTP requests it has begun with, and how many of them it was busy with at a
    moment of the monotonic clock."""

    begun: int
    busy: int
    moment: float


@dataclass(frozen=True)
class Last:
    """When the last walk of a kind began, and when it ended, by the monotonic clock."""

    began: float
    ended: float


class Hops:
    """Safe to share between threads: one order at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self._lock = process, threading.Lock()

    def start(self, one: Instance) -> None:
        """The instance listens when this returns."""
        self._do("start", **{**asdict(one), "ports": dict(one.ports)})

    def look(self, service: str, who: str, number: int = 0) -> Activity:
        return Activity(**self._do("look", service=service, who=who, number=number))

    def kill(self, service: str, who: str, number: int = 0) -> Activity:
        """Nobody listens any more, and open connections are reset. How it was when that happened."""
        return Activity(**self._do("kill", service=service, who=who, number=number))

    def lay(self, roads: Mapping[tuple[str, str], Target]) -> None:
        """Says where each port of each service is reached."""
        self._do(
            "roads_to",
            targets=[[*key, asdict(one)] for key, one in roads.items()],
        )

    def walk(self, walk: Walk) -> Story:
        """One request, and all whom it met."""
        return _story(self._do("walk", **walk.to_json())["hops"])

    @contextmanager
    def load(self, *walks: Walk) -> Iterator[Load]:
        """Requests of these kinds all the while."""
        name = f"load-{id(walks)}"
        self._do("load", name=name, walks=[walk.to_json() for walk in walks])
        load = Load(lambda: self._do("count", name=name), len(walks))
        try:
            yield load
        finally:
            load.settle(self._do("rest", name=name))

    def _do(self, what: str, **order: Any) -> Json:
        with self._lock:
            assert self._process.stdin and self._process.stdout
            self._process.stdin.write(json.dumps({"do": what, **order}).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        assert line, "the applications' process has ended"
        found: Json = json.loads(line)
        return found


class Load:
    """How the walks of a load went, once it has ended: for each walk, how often each story was told, and when
    last."""

    def __init__(self, ask: Callable[[], Json], walks: int) -> None:
        self._ask = ask
        self.counts: list[Counter[Story]] = [Counter() for _ in range(walks)]
        self.last: list[dict[Story, Last]] = [{} for _ in range(walks)]

    def settle(self, answer: Json) -> None:
        self.counts = _counted(answer)
        self.last = [
            {_story(hops): Last(began, ended) for hops, _, began, ended in one} for one in answer["counts"]
        ]

    def now(self) -> list[Counter[Story]]:
        return _counted(self._ask())


def _counted(answer: Json) -> list[Counter[Story]]:
    return [Counter({_story(hops): times for hops, times, _, _ in one}) for one in answer["counts"]]


def _story(hops: Iterable[Json]) -> Story:
    return tuple(of_json(one) for one in hops)


@contextmanager
def running(services: Sequence[str], log: Path) -> Iterator[Hops]:
    """The process, with nothing started in it yet."""
    command = [sys.executable, "-m", "tests.conformance.hops", *services]
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out, cwd=ROOT
        )
        try:
            yield Hops(process)
        finally:
            process.communicate(timeout=30)

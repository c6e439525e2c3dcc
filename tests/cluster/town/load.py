"""Requests without end around whatever a test does, and what came back of them.

They are asked within the cluster, where nothing but the chain and its router can fail them. A lane's request
is right when it passed through the lane's copies and no other, and when the header that says who answered at
the entry agrees; a plain one when it met no copy and has no such header. Where the baseline answered in the
place of a loose lane's copy, and the header agrees, the request fell back.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devcluster.dev import processes
from devcluster.dev.cluster import shop
from devcluster.dev.cluster.neighbours import OUTSIDE
from devcluster.dev.cluster.town import POD, Town
from devcluster.dev.demo.stage import CHAIN, SERVED
from tests.support.waiting import until

BEFORE = 20  # right answers that show that all is well before a test begins
MANY = 40  # so many in a row that each Envoy must have had some
PATIENCE = 120.0
LOST = "lost"  # how outcomes begin of requests that got no answer at all
FELL_BACK = "fell back"  # and of those that the baseline answered for a lane, as it may for a loose one
PYTHON = "/opt/laneway/bin/python"
ASKING = (Path(__file__).parent / "asking.py").read_text()
Lanes = Mapping[str, Collection[str]]


@dataclass
class Load:
    """What came back; `wrong` by outcome, those that fell back among them. `last`: when each wrong outcome
    was seen last, monotonic seconds."""

    right: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    last: dict[str, float] = field(default_factory=dict)

    @property
    def misled(self) -> dict[str, int]:
        """What was wrong and did not fall back: answered by nobody, or by whom it should not."""
        return {one: count for one, count in self.wrong.items() if not one.startswith(FELL_BACK)}

    @property
    def fell_back(self) -> int:
        return self.wrong.total() - sum(self.misled.values())

    def note(self, outcome: str) -> None:
        """Counts one request; a right one has nothing to say."""
        if outcome:
            self.wrong[outcome] += 1
            self.last[outcome] = time.monotonic()
        else:
            self.right += 1


@contextmanager
def load(town: Town, lanes: Lanes) -> Iterator[Load]:
    """Plain requests and those of each lane; `lanes` gives each one's services."""
    seen = Load()
    with in_pod(town, ASKING, *_entry(town), *lanes) as child:
        judge = threading.Thread(target=_judge, args=(child.stdout, lanes, seen))
        judge.start()
        try:
            until(lambda: seen.right > BEFORE, f"requests are answered: {seen.wrong}", PATIENCE)
            yield seen
            enough = seen.right + BEFORE
            until(lambda: seen.right > enough, f"requests are still answered: {seen.wrong}", PATIENCE)
        finally:
            end(child)
            judge.join()


def lasts(town: Town, lanes: Lanes) -> bool:
    """Whether many requests in a row are right."""
    with load(town, lanes) as seen:
        until(lambda: seen.right + seen.wrong.total() > MANY, "many requests have been answered", PATIENCE)
    return not seen.wrong


@contextmanager
def in_pod(town: Town, text: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Runs a program in the pod outside until the block ends."""
    command = ("exec", "--stdin", "--namespace", OUTSIDE, POD, "--", PYTHON, "-c", text, *arguments)
    child = subprocess.Popen(
        [str(processes.BIN / "kubectl"), *command],
        env=town.context.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        try:
            yield child
        finally:
            end(child)


def end(child: subprocess.Popen[str]) -> None:
    """Tells a program in the pod that it is over."""
    if child.stdin:
        child.stdin.close()


def _entry(town: Town) -> tuple[str, str]:
    """Its address and port: names are none of the chain's business."""
    found = town.context.get("service", CHAIN[0], "--namespace", shop.FRONT)
    return str(found["spec"]["clusterIP"]), str(shop.PORT)


def _judge(lines: Iterable[str], lanes: Lanes, seen: Load) -> None:
    for line in lines:
        if line.endswith("\n"):  # the last one may be cut off
            seen.note(outcome(lanes, *json.loads(line)))


def outcome(lanes: Lanes, lane: str, status: int, served: str, body: str) -> str:
    """What is wrong with one request's answer; empty when nothing is."""
    about, services = lane or "baseline", lanes.get(lane, ())
    if not status:
        return f"{LOST}: {about}: {body}"
    if status != 200:
        return f"{about}: {status} {body[:200]}"
    passed = {hop["service"]: hop["lane"] for hop in json.loads(body)["hops"]}
    wanted = {service: lane if service in services else "" for service in CHAIN}
    honest = served == (f"{CHAIN[0]}={passed[CHAIN[0]] or 'baseline'}" if lane else "")
    if honest and passed == wanted:
        return ""
    fell = honest and all(found in ("", wanted[service]) for service, found in passed.items())
    return f"{FELL_BACK if fell else 'misled'}: {about}: passed {passed}, {SERVED}: {served}"

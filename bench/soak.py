"""Hundreds of pull-request histories while everything goes wrong: does anything leak, get lost or astray?

`python -m bench.soak [--minutes N] [--seed S]` brings an embedded system up and for N minutes lets people
work on 40 branches (50 histories a minute); deliveries come late, repeatedly and in another order; one in
five of Laneway's API requests fails; processes are killed; and clients ask all the time and check every
answer. Then everybody stops, the sweep runs once, and the law must hold.

What nobody can keep up here is the embedded cluster itself: it is the one node, so with it go all pods, the
one Envoy among them, and the addresses of all Services. It is killed too, while the clients pause.

The same seed makes the same histories and picks the same harm; how they meet is up to the machine. Exit code
1 when anything leaked, was lost, answered from a wrong lane, or failed: on the baseline at all, in a lane
unless one of its pods was killed while the request was on its way. bench/results/soak.json has the figures.
"""

from __future__ import annotations

import argparse
import heapq
import http.client
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.__main__ import RESULTS, machine, show
from bench.soak_forge import Forge
from bench.soak_harm import Faults, Killer
from bench.soak_judge import Judge, judge, wait_for_none
from bench.soak_post import Post
from bench.soak_shop import make
from bench.soak_traffic import Traffic, ask, verdicts
from devcluster.dev import control
from devcluster.dev.state import State, read_json

Json = dict[str, Any]

BRANCHES = 40
HISTORIES = 50  # a minute
KILLS = 4.0  # seconds between two kills, on average
CALM = 8  # good answers in a row after which the chain counts as back
QUIET = 150.0  # seconds until every delivery has taken effect, after the last harm
SWEPT = 60.0  # seconds until the law holds, after the sweep


@dataclass
class Soak:
    """One soak while it runs."""

    forge: Forge
    post: Post
    traffic: Traffic
    killer: Killer
    faults: Faults
    lost: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    outages: list[float] = field(default_factory=list)
    quiet: float = 0.0  # seconds from the last harm until every delivery had taken effect

    def run(self, minutes: float, chance: random.Random) -> None:
        """Work and harm for so long; the cluster is killed in between, at least once."""
        began = time.monotonic()
        acts = self._acts(minutes * 60, chance)
        waiting = [(next(one), number, one) for number, one in enumerate(acts)]
        heapq.heapify(waiting)
        while waiting:
            at, number, act = heapq.heappop(waiting)
            time.sleep(max(0.0, began + at - time.monotonic()))
            following = next(act, None)
            if following is not None:
                now = time.monotonic() - began
                heapq.heappush(waiting, (now + following, number, act))

    def _acts(self, seconds: float, chance: random.Random) -> list[Iterator[float]]:
        """What happens: iterators that do something and give the seconds until they do more."""
        each, more = divmod(round(HISTORIES * seconds / 60), BRANCHES)
        works = [
            self._work(f"work-{number:02}", each + (number < more), seconds, chance)
            for number in range(BRANCHES)
        ]
        return [*works, self._kills(seconds), self._outages(seconds)]

    def _work(self, branch: str, histories: int, seconds: float, chance: random.Random) -> Iterator[float]:
        """The histories of one branch, spread over the time; none begins after it."""
        share = seconds / max(1, histories)
        began = time.monotonic()
        first = chance.uniform(0, share * 0.6)
        yield first
        for number in range(histories):
            yield max(0.0, first + number * share - (time.monotonic() - began))
            if time.monotonic() - began > seconds:
                return
            yield from self.forge.history(branch)

    def _kills(self, seconds: float) -> Iterator[float]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            yield self.killer.chance.uniform(0.5, 1.5) * KILLS
            self.killer.any()
            self.faults.count()

    def _outages(self, seconds: float) -> Iterator[float]:
        """The cluster's own death, once in five minutes."""
        times = max(1, round(seconds / 300))
        for _ in range(times):
            yield seconds / (times + 1)
            self._outage()

    def _outage(self) -> None:
        self.traffic.pause()
        self.faults.count()
        self.faults.gone()
        self.outages.append(self.killer.cluster(lambda: answers(self.traffic.entry)))
        self.faults.set()
        self.traffic.resume()

    def settle(self, judge: Judge) -> None:
        """Everybody stops; what was delivered takes effect; the sweep runs; the law holds."""
        began = time.monotonic()
        self.faults.clear()
        undelivered = self.post.finish(QUIET)
        self.lost = wait_for_none(judge.unheeded, QUIET)
        self.lost += [f"{undelivered} deliveries were never answered 202"] if undelivered else []
        self.quiet = time.monotonic() - began
        judge.sweep()
        self.leaked = wait_for_none(judge.breaches, SWEPT)
        self.traffic.end()


def answers(address: str) -> bool:
    """Whether the chain answers well several times in a row."""
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        return not any(verdicts(ask(connection, "", by_baggage=False)) for _ in range(CALM))
    finally:
        connection.close()


def rows(soak: Soak) -> list[Json]:
    """The figures."""
    traffic, post, forge = soak.traffic.done, soak.post.done, soak.forge.done
    killed = excused(soak)
    return [
        _row("pull-request histories", forge["histories"]),
        *(_row(f"  {name}", number) for name, number in sorted(forge.items()) if name != "histories"),
        _row("deliveries", post["deliveries"]),
        *(_row(f"  {name}", number) for name, number in sorted(post.items()) if name != "deliveries"),
        _row("API faults injected", soak.faults.hits),
        _row("  of Laneway's requests", soak.faults.percent, "%"),
        *(_row(f"kills of {name}", number) for name, number in sorted(soak.killer.kills.items())),
        _row("longest death of the cluster, until the chain answered", max(soak.outages, default=0.0), "s"),
        _row("until all deliveries had taken effect, after the last harm", soak.quiet, "s"),
        _row("answers checked", traffic["requests"]),
        *(_row(f"  {name}", traffic[name]) for name in ("untagged", "tagged", "through a copy")),
        _row("  failed with a pod of the lane that was killed", killed),
        _none("wrong-lane answers", traffic["wrong lane"]),
        _none("baseline errors", traffic["baseline error"]),
        _none("lane errors without a pod that was killed", traffic["lane error"] - killed),
        _none("lost events", len(soak.lost)),
        _none("leaked objects and other breaches of the law", len(soak.leaked)),
    ]


def held(soak: Soak) -> bool:
    """Whether every figure that must be 0 is."""
    return all(row.get("ok", True) for row in rows(soak))


def excused(soak: Soak) -> int:
    """How many requests failed in a lane of which a pod was killed while they were on their way."""
    return sum(
        verdict == "lane error" and soak.killer.hit(answer.lane, answer.began, answer.ended)
        for verdict, answer in soak.traffic.examples
    )


def _row(figure: str, value: float, unit: str = "") -> Json:
    return {"figure": figure, "value": value, "unit": unit}


def _none(figure: str, value: int) -> Json:
    return {**_row(figure, value), "target": "0", "ok": value == 0}


def perform(minutes: float, seed: int, folder: Path, console: Console) -> Soak:
    """Brings a system up, soaks it, and ends it."""
    state = State(folder / "system")
    control.up(
        state, make(folder / "shop"), lambda step: console.print(f"  {step.seconds:6.1f} s  {step.step}")
    )
    soak = None
    try:
        soak = _perform(minutes, seed, state, console)
    finally:
        control.down(state)
        if soak is None or not held(soak):
            kept = tempfile.mkdtemp(prefix="laneway-soak-logs-")
            shutil.copytree(state.logs, kept, dirs_exist_ok=True)
            console.print(f"It did not hold. The logs are kept in {kept}")
    return soak


def _perform(minutes: float, seed: int, state: State, console: Console) -> Soak:
    at = read_json(state.endpoints)
    post = Post(f"{at['hooks']}/github", at["webhook_secret"], random.Random(f"{seed}/post"))
    bare = Path(at["repository"])
    forge = Forge(
        bare, at["full_name"], at["base"], seed, post.take, lambda name, ended: judging.noticed(name, ended)
    )
    chain_file = state.chains / f"{at['chain']}.yaml"
    judging = judge(state, at["entry"], forge, chain_file, state.root / "judge")
    branches = [f"work-{number:02}" for number in range(BRANCHES)]
    traffic = Traffic(at["entry"], branches, forge.truth, seed)
    killer = Killer(state.endpoints, at["api"], random.Random(f"{seed}/kills"))
    soak = Soak(forge, post, traffic, killer, Faults(at["api"]))
    soak.faults.set()
    console.print(f"soaking for {minutes:g} min, seed {seed} ...")
    soak.run(minutes, random.Random(f"{seed}/starts"))
    console.print("everybody stops; waiting until all is quiet ...")
    soak.settle(judging)
    return soak


def tell(soak: Soak, console: Console) -> None:
    """What went wrong, in words."""
    for one in (*soak.lost, *soak.leaked):
        console.print(one, markup=False)
    for verdict, answer in soak.traffic.examples:
        ended = time.strftime("%H:%M:%S", time.localtime(answer.ended))
        console.print(f"{ended} {verdict}: {answer}", markup=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    asked = parser.parse_args()
    console = Console()
    here = machine()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="laneway-soak-") as folder:
        soak = perform(asked.minutes, asked.seed, Path(folder), console)
    found = rows(soak)
    show(
        f"soak, {asked.minutes:g} min, seed {asked.seed}, {time.monotonic() - began:.0f} s in all",
        found,
        console,
    )
    tell(soak, console)
    RESULTS.mkdir(exist_ok=True)
    told = {"machine": here, "minutes": asked.minutes, "seed": asked.seed, "figures": found}
    (RESULTS / "soak.json").write_text(json.dumps(told, indent=2) + "\n")
    return 0 if held(soak) else 1


if __name__ == "__main__":
    sys.exit(main())

"""From a delivery to a lane, on the embedded system: how long it takes and how many requests it costs.

Each sample pushes a branch of its own, POSTs a signed delivery, and watches from outside, as a user would:
the Lane's condition Deployed tells when every object is applied, an answer through the entry that its route
is live. The application's own start-up time is measured in the same run, by starting the same program alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from devcluster.dev import payloads
from workers.queue import Queue, connect, converge

Json = dict[str, Any]

SAMPLES = 20
SHOP = Path(__file__).parents[1] / "examples" / "shop"
SERVICES = ("payment", "orders", "logistics", "frontend")
HIDDEN = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
AUTHOR = ("-c", "user.name=Bench", "-c", "user.email=bench@example.invalid")
LEFT_OUT = ("events", "events.events.k8s.io", "leases.coordination.k8s.io")
USER_AGENT = "laneway"
DEADLINE = 60.0
QUIET = 1.5  # seconds without a request after which nothing more is to be expected


@dataclass(frozen=True)
class Costs:
    """Requests of one lane: up to its first status, until it was Ready and quiet, of a run that changes
    nothing, and of its teardown."""

    made: int
    ready: int
    again: int
    closed: int


@dataclass
class Embedded:
    """A running embedded system."""

    at: Json
    http: httpx.Client
    clone: Path

    def push(self, branch: str, services: tuple[str, ...]) -> str:
        """A branch ahead of main in these services; returns its head."""
        self._git("switch", "--quiet", "--force-create", branch, "origin/main")
        for service in services:
            with (self.clone / service / "app.py").open("a") as file:
                file.write(f"\n# {uuid4()}\n")
        self._git(*AUTHOR, "commit", "--quiet", "--all", "--message", "A change")
        self._git("push", "--quiet", "--force", "origin", branch)
        return self._git("rev-parse", "HEAD")

    def deliver(self, action: str, branch: str, sha: str, pull: int) -> None:
        """A signed delivery about a pull request, as GitHub sends it."""
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        about = payloads.Repository(self.at["full_name"], self.at["repository"], self.at["base"], now)
        said = payloads.pull_request(action, payloads.Pull(pull, branch, sha, action != "closed"), about)
        headers, body = payloads.signed(said, self.at["webhook_secret"], str(uuid4()))
        answer = self.http.post(f"{self.at['hooks']}/github", content=body, headers=headers)
        assert answer.status_code == 202, answer.text

    def hops(self, lane: str) -> list[Json]:
        answer = self.http.get(self.at["entry"], headers={"x-preview-lane": lane})
        found: list[Json] = answer.json().get("hops", []) if answer.status_code == 200 else []
        return found

    def lane(self, lane: str) -> Json:
        name = f"{self.at['chain']}.{lane}"
        answer = self.http.get(f"{self.at['api']}/apis/laneway.dev/v1alpha1/lanes/{name}")
        found: Json = answer.json() if answer.status_code == 200 else {}
        return found

    def is_true(self, lane: str, condition: str) -> bool:
        conditions = self.lane(lane).get("status", {}).get("conditions", [])
        return any(one["type"] == condition and one["status"] == "True" for one in conditions)

    def journal(self) -> list[Json]:
        """Requests of Laneway's own processes since the last `forget`, but for watches, Events and leases."""
        found = self.http.get(f"{self.at['api']}/devcluster/requests").json()["requests"]
        return [
            one
            for one in found
            if one["user_agent"] == USER_AGENT and one["verb"] != "watch" and one["resource"] not in LEFT_OUT
        ]

    def forget(self) -> None:
        self.http.delete(f"{self.at['api']}/devcluster/requests").raise_for_status()

    def converge(self, lane: str) -> None:
        """Has a worker look at the lane, though nothing has changed."""
        Queue(connect(self.at["redis"])).put(converge(self.at["chain"], lane))

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.clone, env={**os.environ, **HIDDEN}, capture_output=True, check=True
        )
        return done.stdout.decode().strip()


@contextlib.contextmanager
def embedded(folder: Path) -> Iterator[Embedded]:
    """An embedded system below `folder`, ended afterwards."""
    state = folder / "state"
    laneway = [sys.executable, "-c", "from provisioner.cli import main; main()", "dev"]
    subprocess.run([*laneway, "up", "--state", str(state)], check=True, stdout=subprocess.DEVNULL)
    try:
        at = json.loads((state / "endpoints.json").read_text())
        clone = folder / "clone"
        subprocess.run(["git", "clone", "--quiet", at["repository"], str(clone)], check=True)
        with httpx.Client(timeout=10.0) as http:
            yield Embedded(at, http, clone)
    finally:
        subprocess.run([*laneway, "down", "--state", str(state)], check=True, stdout=subprocess.DEVNULL)


def until(condition: Callable[[], object], pause: float = 0.005) -> float:
    """The moment at which the condition came true."""
    deadline = time.perf_counter() + DEADLINE
    while not condition():
        assert time.perf_counter() < deadline, "nothing happened for a minute"
        time.sleep(pause)
    return time.perf_counter()


def start_up() -> float:
    """How long the application takes from its start to its first healthy answer; the median of a few."""
    return statistics.median(_start_up(8100 + turn) for turn in range(5))


def _start_up(port: int) -> float:
    environment = {**os.environ, "PYTHONPATH": "../libs", "NEXT_URL": "http://127.0.0.1:9/"}
    command = [sys.executable, "-m", "uvicorn", "app:app", "--host", "127.9.9.9", "--port", str(port)]
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=SHOP / "payment", env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        return until(lambda: _healthy(f"http://127.9.9.9:{port}/healthz")) - began
    finally:
        process.terminate()
        process.wait()


def _healthy(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def latencies(system: Embedded, samples: int) -> tuple[list[float], list[float]]:
    """Per lane: seconds from its delivery until all is applied, and until the first answer through it."""
    applied, answered = [], []
    for number in range(1, samples + 1):
        branch = f"bench-{number}"
        sha = system.push(branch, ("payment",))
        began = time.perf_counter()
        system.deliver("opened", branch, sha, number)
        applied.append(until(lambda lane=branch: system.is_true(lane, "Deployed")) - began)
        answered.append(until(lambda lane=branch: _reached(system, lane)) - began)
        system.deliver("closed", branch, sha, number)
        until(lambda lane=branch: not system.lane(lane), 0.05)
    return applied, answered


def _reached(system: Embedded, lane: str) -> bool:
    return any(hop["service"] == "payment" and hop["lane"] == lane for hop in system.hops(lane))


def costs(system: Embedded, count: int) -> Costs:
    """What a lane of `count` services costs; the first one of a system makes the chain's ledger, too."""
    branch, pull = f"cost-{count}", 1000 + count
    sha = system.push(branch, SERVICES[:count])
    system.forget()
    system.deliver("opened", branch, sha, pull)
    until(lambda: system.is_true(branch, "Ready"), 0.05)
    opened = _quiet(system)
    first = next(index for index, one in enumerate(opened) if one["subresource"] == "status")

    system.forget()
    system.converge(branch)
    until(lambda: system.journal(), 0.05)
    again = _quiet(system)

    system.forget()
    system.deliver("closed", branch, sha, pull)
    until(lambda: not system.lane(branch), 0.05)
    return Costs(first + 1, len(opened), len(again), len(_quiet(system)))


def _quiet(system: Embedded) -> list[Json]:
    """The journal, once nothing has been added to it for a while."""
    found: list[Json] = []
    since = time.perf_counter()
    while time.perf_counter() - since < QUIET:
        time.sleep(0.1)
        now = system.journal()
        if len(now) != len(found):
            found, since = now, time.perf_counter()
    return found


def row(figure: str, value: float, unit: str, most: float | None = None) -> Json:
    if most is None:
        return {"figure": figure, "value": value, "unit": unit}
    return {"figure": figure, "value": value, "unit": unit, "target": f"<= {most:g}", "ok": value <= most}


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def run() -> list[Json]:
    """All figures: seconds and requests."""
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as system:
        applied, answered = latencies(system, SAMPLES)
        own = start_up()
        rows = [
            row("delivery to all objects applied, p50", statistics.median(applied), "s"),
            row("delivery to all objects applied, p95", p95(applied), "s", 1.0),
            row("the application's own start-up, p50", own, "s"),
            row("delivery to the first answer of the lane, p50", statistics.median(answered), "s"),
            row("delivery to the first answer less start-up, p95", p95(answered) - own, "s", 2.0),
        ]
        for count in (1, 2, 4):
            found = costs(system, count)
            rows += [
                row(f"requests for a new lane of {count}", found.made, "requests", 3 * count + 8),
                row(f"requests until it is Ready, lane of {count}", found.ready, "requests"),
                row(f"requests for an unchanged run, lane of {count}", found.again, "requests", 8),
                row(f"requests for its teardown, lane of {count}", found.closed, "requests", 6),
            ]
        return rows


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))

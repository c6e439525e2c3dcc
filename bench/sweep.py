"""A sweep over 10,000 lanes of which 500 are stale: how long it takes, and how much memory.

The lanes are as converging would have left them: one copy each, ready, with a branch in a real repository;
every twentieth has lost its branch. `laneway sweep` then runs as a process of its own, over a real Valkey and
devcluster's API. A dry run over the first thousand lanes says how memory grows.
"""

from __future__ import annotations

import bisect
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from bench.fleet import Place, branches, build, lose, system
from workers.queue import DUE

Json = dict[str, Any]

LANES, FIRST, STALE = 10_000, 1_000, 500


@dataclass(frozen=True)
class Run:
    """What one run of `laneway sweep` took and said."""

    seconds: float
    megabytes: float
    report: Json


def run() -> list[Json]:
    """The figures."""
    with tempfile.TemporaryDirectory() as folder, system(Path(folder)) as place:
        branches(place, range(LANES))
        build(place, range(FIRST))
        small = _sweep(place, "--dry-run")
        build(place, range(FIRST, LANES))
        lose(place, range(0, LANES, LANES // STALE))
        dry = _sweep(place, "--dry-run")
        real = _sweep(place)
        crowd = _crowd(place)
    _check(dry, real)
    return _rows(small, real, crowd)


def _rows(small: Run, real: Run, crowd: int) -> list[Json]:
    grown = (real.megabytes - small.megabytes) * 1024 / (LANES - FIRST)
    return [
        _row(f"sweep of {LANES} lanes, {STALE} stale", real.seconds, "s", 60),
        _row(f"peak memory at {LANES} lanes", real.megabytes, "MB", 256),
        _row("memory per further lane", grown, "kB", 8),
        _row("most jobs due within a second", crowd, "jobs", 50),
    ]


def _row(figure: str, value: float, unit: str, most: float) -> Json:
    return {"figure": figure, "value": value, "unit": unit, "target": f"<= {most}", "ok": value <= most}


def _check(dry: Run, real: Run) -> None:
    removed = [one for one in real.report["findings"] if one["action"] == "remove lane"]
    assert len(removed) == STALE, f"{len(removed)} lanes went, not {STALE}"
    assert dry.report["findings"] == real.report["findings"], "the dry run said something else"


# --- running it --------------------------------------------------------------------------------------------


def _sweep(place: Place, *options: str) -> Run:
    """`laneway sweep` as a process; its peak memory is that of its resident set."""
    settings = {
        "LANEWAY_KUBECONFIG": str(place.root / "devcluster" / "kubeconfig"),
        "LANEWAY_CHAINS": str(place.root / "laneway.yaml"),
        "LANEWAY_REDIS_URL": place.redis_url,
        "LANEWAY_MIRRORS": str(place.root / "mirrors"),
    }
    command = [str(Path(sys.executable).parent / "laneway"), "sweep", "--json", *options]
    output = place.root / "report.json"
    began = time.monotonic()
    with output.open("wb") as out, (place.root / "sweep.log").open("wb") as log:
        running = subprocess.Popen(command, env={**os.environ, **settings}, stdout=out, stderr=log)
        _, ended, used = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(ended)
    assert running.returncode == 0, (place.root / "sweep.log").read_text()[-2000:]
    return Run(time.monotonic() - began, used.ru_maxrss / 1024, json.loads(output.read_text()))


def _crowd(place: Place) -> int:
    """The most jobs that get due within one second, and may stand before a delivery then."""
    with redis.Redis.from_url(place.redis_url) as client:
        due = [at for _, at in client.zrange(DUE, 0, -1, withscores=True)]
    return max(bisect.bisect_right(due, at + 1) - place for place, at in enumerate(due))

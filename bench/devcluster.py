"""devcluster's figures: how soon it serves, and how many writes a second it takes with 5,000 objects stored.

`python -m bench.devcluster` prints them; `run()` returns them for the table of all figures.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

STORED = 5_000
WRITES = 2_000
CLIENTS = 4
STARTS = 5


def run() -> list[dict[str, Any]]:
    """One dict for each figure: figure, value, unit, target, ok."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        empty = min(_start_and_end(state / f"empty-{number}") for number in range(STARTS))
        server, url, _ = _start(state / "full")
        try:
            _write(url, "stored", STORED)
            rate = WRITES / _write(url, "measured", WRITES)
        finally:
            _end(server)
        full = min(_start_and_end(state / "full") for _ in range(STARTS))
    return [
        _figure("devcluster: start, empty", empty, "s", "< 1", ok=empty < 1),
        _figure(f"devcluster: start, {STORED + WRITES} objects", full, "s", "< 1", ok=full < 1),
        _figure(f"devcluster: writes with {STORED} objects stored", rate, "1/s", ">= 300", ok=rate >= 300),
    ]


def _figure(figure: str, value: float, unit: str, target: str, *, ok: bool) -> dict[str, Any]:
    return {"figure": figure, "value": round(value, 3), "unit": unit, "target": target, "ok": ok}


def _start(state: Path) -> tuple[subprocess.Popen[bytes], str, float]:
    """A running devcluster, its address, and the seconds until it answered."""
    about = state / "apiserver.json"
    about.unlink(missing_ok=True)
    begin = time.perf_counter()
    server = subprocess.Popen([sys.executable, "-m", "devcluster", "--state", str(state), "--no-node"])
    while not about.exists():
        if server.poll() is not None or time.perf_counter() - begin > 30:
            raise RuntimeError("devcluster did not start: run `python -m devcluster --state DIR` to see why")
        time.sleep(0.002)
    url: str = json.loads(about.read_bytes())["url"]
    with httpx.Client(base_url=url) as client:
        client.get("/readyz").raise_for_status()
    return server, url, time.perf_counter() - begin


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    server.wait(timeout=30)


def _start_and_end(state: Path) -> float:
    server, _, seconds = _start(state)
    _end(server)
    return seconds


def _write(url: str, prefix: str, count: int) -> float:
    """Apply `count` Deployments over a few connections; the seconds that it took."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda part: _apply(url, prefix, range(part, count, CLIENTS)), range(CLIENTS)))
    return time.perf_counter() - begin


def _apply(url: str, prefix: str, numbers: range) -> None:
    headers = {"content-type": "application/apply-patch+yaml"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        for number in numbers:
            name = f"{prefix}-{number}"
            path = f"/apis/apps/v1/namespaces/default/deployments/{name}?fieldManager=bench"
            client.patch(path, content=json.dumps(_deployment(name))).raise_for_status()


def _deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    env = [{"name": f"VARIABLE_{number}", "value": "x" * 20} for number in range(10)]
    probe = {"httpGet": {"path": "/healthz", "port": 8080}}
    container = {"name": "app", "image": "example.invalid/web:1", "env": env, "readinessProbe": probe}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
    }


if __name__ == "__main__":
    for found in run():
        print("{figure:50} {value:>10} {unit:4} target {target:8} {ok}".format(**found))

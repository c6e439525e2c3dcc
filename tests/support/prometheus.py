"""A real Prometheus server, and a small shop for it to scrape.

The binary is LANEWAY_PROMETHEUS_BIN, or on PATH, or out of Debian's own package, which is got once, without
installing it, into the user's cache. Where none of that is to be had, tests that need it are skipped and say
so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.ports import free_port
from tests.support.waiting import until

GETTING_SECONDS = 180.0  # for each of two commands
SCRAPE_SECONDS = 0.25
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5)


def binary() -> str:
    """The path of a Prometheus binary; skips the test where there is none."""
    found = _binary()
    if not found:
        pytest.skip(
            "NOT PROVED, no Prometheus: set LANEWAY_PROMETHEUS_BIN, or run `apt-get update` on Debian"
        )
    return found


@cache
def _binary() -> str:
    if named := os.environ.get("LANEWAY_PROMETHEUS_BIN") or shutil.which("prometheus"):
        return named
    kept = Path.home() / ".cache" / "laneway-tests" / "prometheus"
    if not kept.is_file():
        _get(kept)
    return str(kept) if kept.is_file() else ""


def _get(place: Path) -> None:
    """Takes the binary out of Debian's package; does nothing where that is not to be had."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as name:
        folder = Path(name)
        if not _run("apt-get", "download", "prometheus", cwd=folder):
            if os.geteuid() or not _run("apt-get", "update", cwd=folder):
                return
            if not _run("apt-get", "download", "prometheus", cwd=folder):
                return
        package = next(folder.glob("prometheus_*.deb"))
        if _run("dpkg-deb", "-x", str(package), "out", cwd=folder):
            (folder / "out/usr/bin/prometheus").replace(place)  # at once: others may be looking


def _run(*command: str, cwd: Path) -> bool:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, timeout=GETTING_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


@dataclass(frozen=True)
class Running:
    """A Prometheus server that scrapes one target."""

    url: str
    process: subprocess.Popen[bytes]

    def value(self, query: str) -> float | None:
        """What it says to a query now, asked by other means than the product's."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=10, trust_env=False)
        result = answer.json()["data"]["result"]
        return float(result[0]["value"][1]) if result else None


@contextmanager
def server(folder: Path, target: str) -> Iterator[Running]:
    """A Prometheus that has scraped `target`, HOST:PORT, and goes on to."""
    config = {
        "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms"},
        "scrape_configs": [{"job_name": "shop", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        binary(),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    running = Running(f"http://127.0.0.1:{port}", process)
    try:
        until(lambda: _ready(running), "Prometheus has scraped", 60)
        yield running
    finally:
        process.kill()
        process.wait()


def _ready(running: Running) -> bool:
    assert running.process.poll() is None, "Prometheus ended at its start; see prometheus.log"
    try:
        return running.value("up") == 1
    except (httpx.HTTPError, KeyError, ValueError):
        return False


@dataclass
class Traffic:
    """Requests that some version gets: how many a second, which part fails, and how long each takes."""

    per_second: float
    failing: float = 0.0
    seconds: float = 0.05
    total: float = 0.0
    failed: float = 0.0
    calls: float = 0.0  # the part that is a gRPC call which ends as unavailable, in an answer of status 200
    unavailable: float = 0.0
    buckets: dict[float, float] = field(default_factory=lambda: dict.fromkeys((*BOUNDS, float("inf")), 0.0))

    def passes(self, seconds: float) -> None:
        new = self.per_second * seconds
        self.total, self.failed = self.total + new, self.failed + new * self.failing
        self.unavailable += new * self.calls
        for bound in self.buckets:
            self.buckets[bound] += new if self.seconds <= bound else 0.0


class Shop:
    """Serves the metrics of several versions, each with labels of its own, as if they had their traffic."""

    def __init__(self, **versions: Traffic) -> None:
        self.versions = versions
        self._then = time.monotonic()
        self._lock = threading.Lock()

    def page(self) -> str:
        with self._lock:
            now = time.monotonic()
            for traffic in self.versions.values():
                traffic.passes(now - self._then)
            self._then = now
            return "".join(line + "\n" for lane, one in self.versions.items() for line in _lines(lane, one))


def _lines(lane: str, one: Traffic) -> Iterator[str]:
    own = f'chain="shop",namespace="shop-ns",lane="{lane}"'
    good = one.total - one.failed - one.unavailable
    yield f'shop_requests_total{{{own},code="200"}} {good}'
    yield f'shop_requests_total{{{own},code="500"}} {one.failed}'
    for bound, count in one.buckets.items():
        yield f'shop_seconds_bucket{{{own},le="{"+Inf" if bound == float("inf") else bound}"}} {count}'
    # as a mesh's sidecars would tell it
    workload = "payment" if lane == "baseline" else f"payment--{lane}"
    mesh = (
        f'reporter="destination",destination_workload="{workload}",destination_workload_namespace="shop-ns"'
    )
    yield f'istio_requests_total{{{mesh},response_code="200"}} {good}'
    yield f'istio_requests_total{{{mesh},response_code="503"}} {one.failed}'
    yield f'istio_requests_total{{{mesh},response_code="200",grpc_response_status="14"}} {one.unavailable}'
    for bound, count in one.buckets.items():
        le = "+Inf" if bound == float("inf") else f"{bound * 1000:g}"
        yield f'istio_request_duration_milliseconds_bucket{{{mesh},le="{le}"}} {count}'


@contextmanager
def scraped(shop: Shop) -> Iterator[str]:
    """HOST:PORT where the shop's metrics are."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = shop.page().encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"127.0.0.1:{http.server_address[1]}"
        finally:
            http.shutdown()

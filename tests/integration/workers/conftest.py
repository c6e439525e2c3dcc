from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis

from tests.support.commands import process
from tests.support.valkeys import valkey
from tests.support.waiting import until
from workers import queue
from workers.queue import Queue

StartWorker = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    with valkey(tmp_path / "valkey") as url:
        yield url


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    found = queue.connect(redis_url)
    yield found
    found.close()


@pytest.fixture
def jobs(client: redis.Redis) -> Queue:
    return Queue(client, lease=2)


@pytest.fixture
def start_worker(redis_url: str, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts a worker over a provisioner that only notes; it has begun to work when this returns."""
    with ExitStack() as stack:

        def start(name: str = "one", **settings: str) -> subprocess.Popen[bytes]:
            return stack.enter_context(noting_worker(redis_url, tmp_path / f"worker-{name}.log", settings))

        yield start


@contextmanager
def noting_worker(
    redis_url: str, log: Path, settings: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A running worker over a provisioner that only notes."""
    command = [sys.executable, "-m", "tests.support.fakeworker"]
    chosen = {"LANEWAY_REDIS_URL": redis_url, "LANEWAY_LOCK_SECONDS": "2", **settings}
    with process(command, chosen, log) as running:
        until(lambda: "worker.started" in log.read_text() or running.poll() is not None, "the worker runs")
        assert running.poll() is None, log.read_text()
        yield running

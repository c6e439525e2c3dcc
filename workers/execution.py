"""Running one job: leased, logged, measured, and put back or given up as `retries` says."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import structlog
from structlog.contextvars import bound_contextvars

from provisioner.errors import LanewayError
from workers import message, metrics, retries
from workers.queue import Job, Queue

log = structlog.get_logger()


class Runner:
    """Runs jobs of one process and knows which are running. Safe to share between threads."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._lock = threading.Lock()
        self._running: set[str] = set()

    def running(self) -> frozenset[str]:
        """The ids of the jobs that run now."""
        with self._lock:
            return frozenset(self._running)

    def run(
        self, task: str, job: Job, call: Callable[[], None], *, reopen: bool = False, keep: int = 0
    ) -> None:
        """Runs `call` for a job unless it is done or runs elsewhere.

        `reopen`: jobs with the same key may be put while it runs; `keep`: for how many seconds after its
        success its key is a duplicate. An unknown exception that is not tried again is raised.
        """
        with bound_contextvars(task=task, job=job.name.removeprefix("laneway.")):
            if not self._queue.begin(task, job.key, reopen=reopen):
                log.info("job.skipped", why="done, or running elsewhere")
                return
            self._note(task, running=True)
            try:
                self._attempt(task, job, call, keep)
            finally:
                self._note(task, running=False)

    def _attempt(self, task: str, job: Job, call: Callable[[], None], keep: int) -> None:
        started = time.monotonic()
        try:
            call()
        except Exception as error:  # noqa: BLE001 - each kind is retried, recorded or raised below
            _observe(job, "failed", started)
            self._failed(task, job, error)
            return
        _observe(job, "done", started)
        self._queue.finish(task, job.key, keep)

    def _failed(self, task: str, job: Job, error: Exception) -> None:
        reason = error.reason if isinstance(error, LanewayError) else type(error).__name__
        tries = retries.QUICK_DELIVERY_TRIES if job.name == message.DELIVER else retries.QUICK_TRIES
        seconds = retries.delay(error, job.attempt, random.random, tries)
        if seconds is not None:
            metrics.RETRIES.labels(_kind(job), reason).inc()
            log.warning("job.retried", reason=reason, error=str(error), attempt=job.attempt, seconds=seconds)
            self._queue.retry(task, job.next(), seconds)
            return
        metrics.FAILURES.labels(_kind(job), reason).inc()
        self._queue.finish(task, job.key)
        if not isinstance(error, LanewayError):
            raise error
        log.error("job.given_up", reason=reason, error=str(error), attempts=job.attempt + 1)

    def _note(self, task: str, *, running: bool) -> None:
        with self._lock:
            (self._running.add if running else self._running.discard)(task)
            metrics.RUNNING.set(len(self._running))


def _kind(job: Job) -> str:
    return job.name.removeprefix("laneway.")


def _observe(job: Job, result: str, started: float) -> None:
    metrics.JOB_SECONDS.labels(_kind(job), result).observe(time.monotonic() - started)

"""A real worker over a provisioner that only notes what it was asked: run as a process by the tests.

What happens is written to Redis lists: `calls` gets "record REF", "begin LANE TIME", "end LANE TIME". A
convergence takes as long as the Redis key `pause` says (seconds), and fails as the key `fail` says.
"""

from __future__ import annotations

import os
import sys
import time

import redis

from provisioner import logs, settings
from provisioner.chain.model import Chain, Repository
from provisioner.errors import ClusterError, PermanentError
from provisioner.events import ForgeEvent
from provisioner.lane.record import Recorded
from provisioner.reconcile import Outcome
from workers import celery, queue, tasks, worker
from workers.execution import Runner
from workers.exposition import Pulse
from workers.jobs import Context
from workers.locks import Locks
from workers.queue import Queue

SHOP = Chain("shop", (Repository("https://github.com/acme/shop.git", "acme/shop"),), ())
FAILURES = {
    "temporary": ClusterError("the API server is away"),
    "permanent": PermanentError("nothing helps"),
    "unknown": RuntimeError("a defect"),
}


class Book:
    """One chain, always."""

    def get(self, _: str) -> Chain:
        return SHOP


class Provisioner:
    """Notes and waits."""

    def __init__(self, notes: redis.Redis) -> None:
        self._notes = notes

    def record(self, event: ForgeEvent, chain: Chain, _: object) -> tuple[Recorded, ...]:
        self._notes.rpush("calls", f"record {event.ref}")
        self._fail("record")
        return (Recorded(event.ref),)

    def converge(self, _: Chain, name: str, __: object, ___: object = None) -> Outcome:
        self._notes.rpush("calls", f"begin {name} {time.monotonic()} {os.getpid()}")
        self._fail("converge")
        time.sleep(float(self._notes.get("pause") or 0))
        self._notes.rpush("calls", f"end {name} {time.monotonic()} {os.getpid()}")
        again = self._notes.lpop("again")
        return Outcome(name, "Ready", float(again) if again else None)

    def _fail(self, step: str) -> None:
        kind = self._notes.lpop(f"fail-{step}")
        if kind:
            raise FAILURES[kind]


def main() -> None:
    logs.configure("worker")
    found = settings.load()
    client = queue.connect(found.redis_url)
    provisioner = Provisioner(redis.Redis.from_url(found.redis_url, decode_responses=True))
    jobs = Queue(client, lease=found.lock_seconds)
    context = Context(
        book=Book(),  # type: ignore[arg-type]
        queue=jobs,
        locks=Locks(client, found.lock_seconds),
        world=lambda fence: None,  # type: ignore[arg-type,return-value]
        record=provisioner.record,
        converge=provisioner.converge,
        seconds=found.job_seconds,
    )
    runner = Runner(jobs)
    app = celery.make_app(found)
    tasks.register(app, context, runner, found.dedupe_seconds)
    ticker = worker.Ticker(jobs, runner.running, Pulse(60))
    worker.run(app, runner, found.worker_threads, found.job_seconds, ticker)


if __name__ == "__main__":
    sys.exit(main())

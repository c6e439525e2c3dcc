"""The tasks: thin shells that run `jobs` under `execution`."""

from __future__ import annotations

from typing import Any

from celery import Celery
from structlog.contextvars import bound_contextvars

from workers import jobs, message, notifying, releasing
from workers.execution import Runner
from workers.jobs import Context
from workers.queue import Job


def register(app: Celery, context: Context, runner: Runner, keep: int) -> None:
    """Adds the tasks. A delivery stays a duplicate for `keep` seconds after its success."""

    @app.task(name=message.DELIVER, bind=True)
    def deliver(self: Any, event: dict[str, Any], chain: str, *, key: str, attempt: int) -> None:
        with bound_contextvars(delivery=event["delivery"]):
            job = Job(message.DELIVER, (event, chain), key, attempt)
            runner.run(self.request.id, job, lambda: jobs.deliver(event, chain, context), keep=keep)

    @app.task(name=message.CONVERGE, bind=True)
    def converge(self: Any, chain: str, lane: str, *, key: str, attempt: int) -> None:
        with bound_contextvars(lane=f"{chain}.{lane}"):
            job = Job(message.CONVERGE, (chain, lane), key, attempt)
            runner.run(self.request.id, job, lambda: jobs.converge(chain, lane, context), reopen=True)

    @app.task(name=message.NOTIFY, bind=True)
    def notify(self: Any, chain: str, name: str, *, key: str, attempt: int) -> None:
        with bound_contextvars(release=f"{chain}.{name}"):
            job = Job(message.NOTIFY, (chain, name), key, attempt)
            runner.run(self.request.id, job, lambda: notifying.notify(chain, name, context), reopen=True)

    @app.task(name=message.RELEASE, bind=True)
    def release(self: Any, chain: str, name: str, *, key: str, attempt: int) -> None:
        with bound_contextvars(release=f"{chain}.{name}"):
            job = Job(message.RELEASE, (chain, name), key, attempt)
            runner.run(self.request.id, job, lambda: releasing.release(chain, name, context), reopen=True)

    @app.task(name=message.SWEEP, bind=True)
    def sweep(self: Any, *, key: str, attempt: int) -> None:
        job = Job(message.SWEEP, (), key, attempt)
        runner.run(self.request.id, job, lambda: jobs.sweep(context))

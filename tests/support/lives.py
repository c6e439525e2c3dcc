"""Workers as processes that live as long as a test lets them: forked, killed at a call, or run to their end.

A life does what `laneway worker` does, without Celery's transport: it takes what is due from the queue and
runs the tasks. Everything else is the product's own, put together from settings as in production.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import redis
import structlog

from provisioner.settings import Settings
from tests.support.crashes import Call, Hook, Recorder, watched
from workers import assembly, celery, message, tasks
from workers.execution import Runner
from workers.locks import LOCK
from workers.queue import DUE, LEASES

SOON = 300.0  # seconds; what is due later than that waits for something else than another worker


def work(settings: Settings) -> None:
    """Does what is due until nothing is."""
    context = assembly.context(settings)
    app = celery.make_app(settings)
    tasks.register(app, context, Runner(context.queue), settings.dedupe_seconds)
    client = redis.Redis.from_url(settings.redis_url, decode_responses=True)
    while True:
        promoted = context.queue.promote()
        taken = client.rpop(message.QUEUE)
        if taken is not None:
            _run(app.tasks, str(taken))
        elif not promoted:
            return


def _run(known: object, taken: str) -> None:
    found = json.loads(taken)
    arguments, options, _ = json.loads(base64.b64decode(found["body"]))
    task = known[found["headers"]["task"]]  # type: ignore[index]
    task.apply(args=arguments, kwargs=options, task_id=found["headers"]["id"], throw=True)


def let_time_pass(client: redis.Redis) -> bool:
    """Ends every lease and lock, and makes due what is due soon, as if the worker's last minute had passed.
    False when nothing was left to wait for."""
    now = float(client.time()[0])
    for key in client.scan_iter(f"{LOCK}*"):
        client.delete(key)
    waiting = client.zrangebyscore(DUE, "-inf", now + SOON)
    for job in waiting:
        client.zadd(DUE, {job: now - 1})
        client.zadd(LEASES, {job: now - 1}, xx=True)
    return bool(waiting)


def life(settings: Settings, log: Path, hook: Hook | None = None) -> int:
    """A worker's whole life in a process of its own; its exit status, negative for a signal."""
    return together([lambda: _live(settings, hook)], log)[0]


def recorded(settings: Settings, log: Path) -> list[Call]:
    """The calls of one life."""
    notes = log.with_suffix(".calls")

    def live() -> None:
        recorder = Recorder([])
        _live(settings, recorder)
        notes.write_text(json.dumps([(call.number, call.edge, call.what) for call in recorder.calls]))

    assert together([live], log) == [0], log.read_text()
    return [Call(*parts) for parts in json.loads(notes.read_text())]


def survived(settings: Settings, client: redis.Redis, log: Path) -> None:
    """Another worker does what a dead one left, however often something has to be tried again."""
    for _ in range(10):
        if not let_time_pass(client):
            return
        assert life(settings, log) == 0, log.read_text()
    raise AssertionError(f"ten lives were not enough; {log.read_text()}")


def _live(settings: Settings, hook: Hook | None) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if hook is None:
        work(settings)
        return
    with watched(hook):
        work(settings)


def together(actions: Sequence[Callable[[], None]], log: Path) -> list[int]:
    """Runs each action in a forked process, whose output goes to `log`, all at the same time; their exit
    statuses, negative for the signal that ended one."""
    children = [_forked(action, log) for action in actions]
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def _forked(action: Callable[[], None], log: Path) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        action()
        status = 0
    except BaseException:
        os.write(2, traceback.format_exc().encode())
        raise
    finally:
        os._exit(status)

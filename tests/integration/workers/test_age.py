"""How long the oldest job has waited, on a real Valkey."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.valkeys import valkey
from tests.support.waiting import until
from workers import queue
from workers.queue import JOBS, LISTED, Job, Queue

LONG_AGO = 100.0


@pytest.fixture
def client(tmp_path: Path) -> Iterator[redis.Redis]:
    with valkey(tmp_path) as url, queue.connect(url) as found:
        yield found


@pytest.fixture
def jobs(client: redis.Redis) -> Queue:
    return Queue(client)


def put(client: redis.Redis, jobs: Queue, lane: str, *, ago: float = 0) -> tuple[str, Job]:
    """A job that was put so many seconds ago, with its id."""
    before = set(client.hkeys(JOBS))
    job = queue.converge("shop", lane)
    assert jobs.put(job)
    (task,) = set(client.hkeys(JOBS)) - before
    client.zincrby(LISTED, -ago, task)
    return task, job


def test_an_empty_queue_has_no_age(jobs: Queue) -> None:
    assert jobs.oldest() == 0


def test_the_oldest_job_counts(client: redis.Redis, jobs: Queue) -> None:
    put(client, jobs, "old", ago=LONG_AGO)
    put(client, jobs, "new")
    assert LONG_AGO <= jobs.oldest() < LONG_AGO + 60


def test_a_job_that_was_begun_does_not_wait_any_more(client: redis.Redis, jobs: Queue) -> None:
    task, job = put(client, jobs, "old", ago=LONG_AGO)
    assert jobs.begin(task, job.key, reopen=True)
    assert jobs.oldest() == 0


def test_a_job_that_was_cancelled_does_not_wait_any_more(client: redis.Redis, jobs: Queue) -> None:
    _, job = put(client, jobs, "old", ago=LONG_AGO)
    assert jobs.cancel(job.key)
    assert jobs.oldest() == 0


def test_a_job_for_later_waits_only_once_it_is_due(jobs: Queue) -> None:
    jobs.later(queue.converge_again("shop", "later"), 1000)
    jobs.later(queue.converge_again("shop", "soon"), 0)
    assert jobs.oldest() == 0
    until(lambda: jobs.promote() == 1, "the job is due")
    until(lambda: jobs.oldest() > 0, "it has waited for a moment")


def test_what_nobody_begins_keeps_its_age_when_it_is_listed_anew(client: redis.Redis, jobs: Queue) -> None:
    task, _ = put(client, jobs, "old", ago=LONG_AGO)
    client.zadd(queue.DUE, {task: 0})
    assert jobs.promote() == 1
    assert jobs.oldest() >= LONG_AGO


def test_a_job_that_a_redis_forgot_has_no_age(client: redis.Redis, jobs: Queue) -> None:
    task, _ = put(client, jobs, "old", ago=LONG_AGO)
    client.hdel(JOBS, task)
    assert jobs.oldest() == 0

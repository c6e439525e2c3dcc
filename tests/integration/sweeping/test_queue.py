"""The sweep's convergences in a real queue: they never stand before a delivery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.valkeys import valkey
from workers import message, queue, sweeping
from workers.queue import DUE, Queue

RATE = 20.0


@pytest.fixture
def client(tmp_path: Path) -> Iterator[redis.Redis]:
    with valkey(tmp_path / "valkey") as url:
        found = queue.connect(url)
        yield found
        found.close()


def test_a_delivery_goes_before_a_thousand_convergences_of_a_sweep(client: redis.Redis) -> None:
    jobs = Queue(client)
    enqueue = sweeping.paced(jobs, 1.0)
    for number in range(1000):
        enqueue("shop", f"lane-{number}")
    assert jobs.put(queue.deliver({}, "delivery", "shop"))
    jobs.promote()
    assert client.llen(message.QUEUE) < 60  # so many of the thousand got due while they were put


def test_convergences_get_due_at_the_rate_that_was_asked_for(client: redis.Redis) -> None:
    enqueue = sweeping.paced(Queue(client), RATE)
    for number in range(100):
        enqueue("shop", f"lane-{number}")
    due = [at for _, at in client.zrange(DUE, 0, -1, withscores=True)]
    assert len(due) == 100
    assert due[-1] - due[0] == pytest.approx(99 / RATE, abs=1.1)


def test_a_lane_that_converges_meanwhile_takes_the_sweeps_turn(client: redis.Redis) -> None:
    jobs = Queue(client)
    sweeping.paced(jobs, RATE)("shop", "fast")
    assert jobs.cancel(queue.converge_again("shop", "fast").key)
    assert client.zcard(DUE) == 0

"""Two real workers on a real Valkey: one job at a time for a lane, none lost, few wasted."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import redis

from provisioner.events import ForgeEvent, Kind
from provisioner.lane.model import moment
from tests.integration.workers.conftest import StartWorker
from tests.support.waiting import SECONDS, until
from workers import message, queue
from workers.queue import DUE, JOBS, LEASES, MARK, Queue


@dataclass(frozen=True)
class Run:
    lane: str
    begin: float
    end: float
    process: int


def event(ref: str, delivery: str) -> dict[str, object]:
    made = ForgeEvent(
        "github", delivery, Kind.PUSHED, "acme/shop", ref, "a" * 40, moment("2026-01-02T03:04:05Z")
    )
    return made.to_json()


def deliver(jobs: Queue, ref: str, delivery: str) -> bool:
    return jobs.put(queue.deliver(event(ref, delivery), f"github/{delivery}", "shop"))


def calls(client: redis.Redis, kind: str) -> list[list[str]]:
    found = (line.split() for line in client.lrange("calls", 0, -1))
    return [words[1:] for words in found if words[0] == kind]


def runs(client: redis.Redis) -> list[Run]:
    """The convergences that ended, by lane and begin."""
    begun = {}
    found = []
    for line in client.lrange("calls", 0, -1):
        kind, lane, *rest = line.split()
        if kind == "begin":
            begun[lane, rest[1]] = float(rest[0])
        if kind == "end":
            found.append(Run(lane, begun[lane, rest[1]], float(rest[0]), int(rest[1])))
    return sorted(found, key=lambda run: (run.lane, run.begin))


def idle(client: redis.Redis) -> bool:
    """Nothing waits, runs, or is due."""
    return is_done(client) and not client.hlen("laneway:unacked")


def is_done(client: redis.Redis) -> bool:
    """As `idle`, but for a message that a killed worker took and did not acknowledge: nobody heeds it."""
    return not client.exists(JOBS, DUE, LEASES, message.QUEUE)


def test_a_delivery_is_recorded_and_its_lane_converges(
    client: redis.Redis, jobs: Queue, start_worker: StartWorker
) -> None:
    start_worker()
    assert deliver(jobs, "euro", "d-1")
    until(lambda: idle(client), "all jobs are done")
    assert calls(client, "record") == [["euro"]]
    assert [run.lane for run in runs(client)] == ["euro"]


def test_twenty_quick_events_cost_few_runs_and_two_never_overlap(
    client: redis.Redis, jobs: Queue, start_worker: StartWorker
) -> None:
    client.set("pause", "0.3")
    start_worker("one")
    start_worker("two")
    for number in range(20):
        deliver(jobs, "euro", f"d-{number}")
    until(lambda: idle(client), "all jobs are done")
    found = runs(client)
    assert len(calls(client, "record")) == 20
    assert 1 <= len(found) <= 4
    assert all(one.end <= two.begin for one, two in pairwise(found))


def test_an_event_during_a_run_is_seen_by_one_more(
    client: redis.Redis, jobs: Queue, start_worker: StartWorker
) -> None:
    client.set("pause", "1")
    start_worker()
    deliver(jobs, "euro", "d-1")
    until(lambda: calls(client, "begin"), "the first run has begun")
    for number in range(2, 6):
        deliver(jobs, "euro", f"d-{number}")
    until(lambda: idle(client), "all jobs are done")
    last_record = max(index for index, line in enumerate(client.lrange("calls", 0, -1)) if "record" in line)
    last_begin = max(index for index, line in enumerate(client.lrange("calls", 0, -1)) if "begin" in line)
    assert last_begin > last_record
    assert len(runs(client)) == 2


def test_different_lanes_run_side_by_side(
    client: redis.Redis, jobs: Queue, start_worker: StartWorker
) -> None:
    client.set("pause", "1")
    start_worker()
    deliver(jobs, "euro", "d-1")
    deliver(jobs, "dollar", "d-2")
    until(lambda: idle(client), "all jobs are done")
    dollar, euro = runs(client)
    assert dollar.begin < euro.end
    assert euro.begin < dollar.end


def test_a_killed_worker_s_job_is_done_by_another(
    client: redis.Redis, jobs: Queue, start_worker: StartWorker
) -> None:
    client.set("pause", "3600")
    killed = start_worker("one")
    deliver(jobs, "euro", "d-1")
    until(lambda: calls(client, "begin"), "the first worker has begun")
    os.kill(killed.pid, signal.SIGKILL)
    client.set("pause", "0")
    start_worker("two")
    until(lambda: is_done(client), "the other worker has done it", seconds=60)
    # once, or twice where the delivery's job had not ended either
    assert {run.process != killed.pid for run in runs(client)} == {True}


def test_a_job_that_was_lost_on_its_way_to_a_worker_comes_back(
    client: redis.Redis, jobs: Queue, start_worker: StartWorker
) -> None:
    deliver(jobs, "euro", "d-1")
    assert client.rpop(message.QUEUE)
    (task,) = client.hkeys(JOBS)
    client.zadd(DUE, {task: 0})
    start_worker()
    until(lambda: idle(client), "it was done all the same")
    assert len(runs(client)) == 1


@pytest.mark.parametrize("kind", ["temporary", "unknown"])
def test_what_failed_is_tried_again(
    client: redis.Redis, jobs: Queue, start_worker: StartWorker, kind: str
) -> None:
    client.rpush("fail-record", kind)
    client.rpush("fail-converge", kind)
    start_worker()
    deliver(jobs, "euro", "d-1")
    until(lambda: idle(client), "all jobs are done")
    assert len(calls(client, "record")) == 2
    assert len(runs(client)) == 1


def test_a_delivery_that_failed_for_good_may_be_sent_again(
    client: redis.Redis, jobs: Queue, start_worker: StartWorker
) -> None:
    client.rpush("fail-record", "permanent")
    start_worker()
    deliver(jobs, "euro", "d-1")
    until(lambda: idle(client), "it was given up")
    assert not runs(client)
    assert deliver(jobs, "euro", "d-1")
    until(lambda: runs(client) and idle(client), "the second time did it")


def test_a_delivery_is_a_duplicate_for_ten_minutes_after_its_success(
    client: redis.Redis, jobs: Queue, start_worker: StartWorker
) -> None:
    start_worker()
    deliver(jobs, "euro", "d-1")
    assert not deliver(jobs, "euro", "d-1")
    until(lambda: idle(client), "it was done")
    assert not deliver(jobs, "euro", "d-1")
    assert 590 < client.ttl(f"{MARK}deliver/github/d-1/shop") <= 600


def test_a_run_that_wants_to_look_again_is_run_again(
    client: redis.Redis, jobs: Queue, start_worker: StartWorker
) -> None:
    client.rpush("again", "0.2")
    start_worker()
    deliver(jobs, "euro", "d-1")
    until(lambda: len(runs(client)) == 2 and idle(client), "it ran twice and no more")


def test_a_worker_that_is_told_to_end_finishes_what_runs(
    client: redis.Redis, jobs: Queue, start_worker: StartWorker
) -> None:
    client.set("pause", "1")
    running = start_worker()
    deliver(jobs, "euro", "d-1")
    until(lambda: calls(client, "begin"), "a run has begun")
    running.terminate()
    assert running.wait(SECONDS) == 0
    assert len(runs(client)) == 1
    assert idle(client)


def test_a_second_signal_ends_a_worker_at_once(
    client: redis.Redis, jobs: Queue, start_worker: StartWorker, tmp_path: Path
) -> None:
    client.set("pause", "3600")
    running = start_worker()
    deliver(jobs, "euro", "d-1")
    until(lambda: calls(client, "begin"), "a run has begun")
    running.terminate()
    until(
        lambda: "worker.stopping" in (tmp_path / "worker-one.log").read_text(), "the first signal was heard"
    )
    running.terminate()
    assert running.wait(SECONDS) == 1

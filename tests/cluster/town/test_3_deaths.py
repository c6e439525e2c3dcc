"""The death of any one pod of Laneway, with no time to end its work: nothing is lost, what runs is late by
less than 30 s, and neither the baseline's requests nor a lane's notice."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devcluster.dev.cluster import shop
from devcluster.dev.cluster.installation import RELEASE, SYSTEM
from devcluster.dev.cluster.neighbours import OUTSIDE
from devcluster.dev.cluster.outside import GIT_PORT
from devcluster.dev.cluster.stage import ClusterStage
from devcluster.dev.cluster.town import POD, Town
from tests.cluster.town.acting import (
    all_ready,
    answers,
    commit,
    envoys,
    image_of,
    kill,
    leader,
    names,
    of_process,
    pods,
    push,
)
from tests.cluster.town.load import LOST, PATIENCE, Lanes, in_pod, load
from tests.support.waiting import until

Json = dict[str, Any]
LATE = 30.0  # seconds by which work may be late
UNREACHED = 10.0  # seconds for which connections may still be led to an Envoy that is gone
WORKED = "worked"  # the lane that there is work for
DEAF_PORT = 9419
DEAF = (Path(__file__).parent / "deaf.py").read_text()


@pytest.fixture(scope="module", autouse=True)
def worked(stage: ClusterStage, steady: Lanes) -> None:
    push(stage, WORKED, "first", "payment")
    until(lambda: answers(stage, WORKED, "first"), "the lane answers", PATIENCE)


def left(killed: float) -> float:
    """The seconds that are left of those by which work may be late."""
    return LATE - (time.monotonic() - killed)


def is_worked_on(town: Town, sha: str) -> bool:
    return image_of(town, f"payment--{WORKED}").endswith(sha)


@pytest.mark.parametrize("process", ["serve", "worker", "router", "valkey"])
def test_what_is_pushed_after_a_death_is_worked_on_in_time(
    town: Town, ways: Json, stage: ClusterStage, steady: Lanes, process: str
) -> None:
    sha = commit(stage, WORKED, f"after-{process}", "payment")
    [pod, *_] = names(pods(town.context, of_process(process)))
    with load(town, steady) as seen:
        kill(town.context, pod)
        stage.push(WORKED)
        pushed = time.monotonic()
        until(lambda: is_worked_on(town, sha), f"work without {pod}", left(pushed))
        until(lambda: answers(stage, WORKED, f"after-{process}"), "the lane answers", PATIENCE)
    assert seen.wrong == {}


def test_what_dead_workers_were_at_is_done_by_others_in_time(
    town: Town, ways: Json, stage: ClusterStage, steady: Lanes
) -> None:
    sha = commit(stage, WORKED, "taken-over", "payment")
    with load(town, steady) as seen:
        with deaf_repository(town) as heard:
            stage.push(WORKED)
            busy = heard.readline().strip()  # the address of a worker that now waits for an answer
            workers = pods(town.context, of_process("worker"))
            assert busy in {one["status"].get("podIP") for one in workers}
            for pod in names(workers):  # a push is several deliveries, and each may be at another
                kill(town.context, pod)
            killed = time.monotonic()
        until(lambda: is_worked_on(town, sha), "another worker does its job", left(killed))
        print(f"the job went on {time.monotonic() - killed:.1f} s after its workers' death")
        until(lambda: answers(stage, WORKED, "taken-over"), "the lane answers", PATIENCE)
    assert seen.wrong == {}


def test_what_was_taken_in_outlives_the_pod_of_the_queue(
    town: Town, ways: Json, stage: ClusterStage, steady: Lanes
) -> None:
    worker, where = f"deployment/{RELEASE}-worker", ("--namespace", SYSTEM)
    [queue] = names(pods(town.context, of_process("valkey")))
    with load(town, steady) as seen:
        town.context.kubectl("scale", worker, "--replicas=0", *where)
        until(lambda: not pods(town.context, of_process("worker")), "nobody takes jobs", PATIENCE)
        push(stage, "queued", "queued", "payment")  # opened: only the queue knows of this pull request
        kill(town.context, queue)
        town.context.kubectl("scale", worker, "--replicas=2", *where)
        until(lambda: answers(stage, "queued", "queued"), "the lane answers", PATIENCE)
    assert seen.wrong == {}


@contextmanager
def deaf_repository(town: Town) -> Iterator[Any]:
    """The repository's Service leads to who takes connections and never answers; yields the lines that tell
    from which addresses."""
    with in_pod(town, DEAF, f"{POD}.{OUTSIDE}", str(GIT_PORT), str(DEAF_PORT)) as child:
        assert child.stdout
        lead_to(town, DEAF_PORT)
        try:
            assert child.stdout.readline() == "deaf\n"
            yield child.stdout
        finally:
            lead_to(town, "git")


def lead_to(town: Town, target: str | int) -> None:
    """Where the repository's Service leads."""
    patch = [{"op": "replace", "path": "/spec/ports/0/targetPort", "value": target}]
    where = ("--namespace", OUTSIDE, "--type=json")
    town.context.kubectl("patch", "service", POD, *where, "--patch", json.dumps(patch))


def test_a_dead_leader_is_followed_and_drift_is_mended_in_time(town: Town, ways: Json, steady: Lanes) -> None:
    before = leader(town.context)
    copy = ("deployment", f"payment--{WORKED}", "--namespace", shop.BACK)
    assert before in names(pods(town.context, of_process("beat")))
    with load(town, steady) as seen:
        kill(town.context, before)
        killed = time.monotonic()
        town.context.kubectl("delete", *copy)
        until(lambda: image_of(town, copy[1]), "somebody makes the copy again", left(killed))
        print(f"mended {time.monotonic() - killed:.1f} s after the leader's death")
    assert leader(town.context) not in ("", before)
    assert seen.wrong == {}


@pytest.mark.parametrize("place", [shop.FRONT, shop.BACK])
def test_a_dead_envoy_takes_its_own_connections_along_and_no_others(
    town: Town, ways: Json, steady: Lanes, place: str
) -> None:
    [pod, *_] = envoys(town.context, place)
    with load(town, steady) as seen:
        kill(town.context, pod, place)
        killed = time.monotonic()
        until(lambda: pod not in envoys(town.context, place), "it is gone", PATIENCE)
        until(lambda: all_ready(town.context, place, 2), "another takes its place", PATIENCE)
    print(seen.wrong)
    assert {one for one in seen.wrong if not is_broken_off(one)} == set()
    assert all(at < killed + UNREACHED for at in seen.last.values())


def is_broken_off(outcome: str) -> bool:
    """Whether the request got no answer of anybody's, rather than another one's. Behind the entry it is the
    caller who says that."""
    return LOST in outcome or " 502 " in outcome or " 503 " in outcome

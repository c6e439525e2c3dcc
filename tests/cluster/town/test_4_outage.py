"""Without any process of Laneway the chain goes on: also where an Envoy dies meanwhile, since its successor
starts from what the last router left. Afterwards Laneway takes up again where it was."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from devcluster.dev.cluster import shop
from devcluster.dev.cluster.installation import PROCESSES, RELEASE, SYSTEM
from devcluster.dev.cluster.stage import ClusterStage
from devcluster.dev.cluster.town import Town
from tests.cluster.town.acting import (
    all_ready,
    answers,
    envoys,
    names,
    of_process,
    pods,
    push,
)
from tests.cluster.town.load import PATIENCE, Lanes, lasts, load
from tests.support.waiting import until

Json = dict[str, Any]
ENVOYS = 2  # in each namespace


@pytest.fixture
def nobody(town: Town) -> Iterator[None]:
    """No process of Laneway runs, and no queue, until the case is over. What Envoys start from was left: a
    router does that within half a minute after a chain was attached."""
    until(lambda: all(is_left(town, place) for place in (shop.FRONT, shop.BACK)), "it is left", PATIENCE)
    scale(town, 0)
    every = ",".join((*PROCESSES, "valkey"))
    selector = f"app.kubernetes.io/component in ({every})"
    until(
        lambda: not town.context.get("pods", "-l", selector, "-n", SYSTEM)["items"], "nobody runs", PATIENCE
    )
    yield
    scale(town, 2)
    for process in PROCESSES:
        where = ("--namespace", SYSTEM, "--timeout=180s")
        town.context.kubectl("rollout", "status", f"deployment/{RELEASE}-{process}", *where)


def is_left(town: Town, place: str) -> bool:
    """Whether a router has left there what an Envoy starts from."""
    found = town.context.get("configmap", f"laneway-router-{shop.CHAIN}", "--namespace", place)
    return bool(found.get("binaryData"))


def scale(town: Town, count: int) -> None:
    """So many pods of each process, and Valkey or none."""
    where = ("--namespace", SYSTEM)
    for process in PROCESSES:
        town.context.kubectl("scale", f"deployment/{RELEASE}-{process}", f"--replicas={count}", *where)
    town.context.kubectl("scale", f"statefulset/{RELEASE}-valkey", f"--replicas={min(count, 1)}", *where)


@pytest.mark.usefixtures("nobody")
def test_envoys_that_nobody_tells_anything_start_from_what_was_left(
    town: Town, ways: Json, steady: Lanes
) -> None:
    with load(town, steady) as seen:
        for place in (shop.FRONT, shop.BACK):
            before = envoys(town.context, place)
            for old in before:
                # with its grace, so that whatever fails is the successor's doing
                town.context.kubectl("delete", "pod", old, "--namespace", place)
                until(partial(all_ready, town.context, place, ENVOYS), "another takes its place", PATIENCE)
            assert set(envoys(town.context, place)).isdisjoint(before)
    assert seen.misled == {}  # what was left knows no lanes: there the baseline answers, and says so


def test_laneway_takes_up_its_work_again(town: Town, ways: Json, stage: ClusterStage, steady: Lanes) -> None:
    assert len(names(pods(town.context, of_process("worker")))) == 2
    until(lambda: lasts(town, steady), "each Envoy knows the lanes again", PATIENCE)
    with load(town, steady) as seen:
        push(stage, "again", "again", "payment")
        until(lambda: answers(stage, "again", "again"), "a new lane answers", PATIENCE)
    assert seen.wrong == {}

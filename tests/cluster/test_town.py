"""Laneway by its chart, on a real cluster, around a chain in two namespaces: the whole story, then each of
its processes restarted and killed under load, then the way out.

The cases share one installation and run in this order.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from devcluster.dev.cluster import play, shop
from devcluster.dev.cluster.context import Context
from devcluster.dev.cluster.installation import PROCESSES, RELEASE, SYSTEM
from devcluster.dev.cluster.stage import ClusterStage
from devcluster.dev.cluster.town import NAMESPACES, Town
from devcluster.dev.demo.play import enact
from devcluster.dev.demo.tell import Tell
from tests.support.waiting import until

Json = dict[str, Any]
RESUMED = 30.0  # seconds within which work goes on after any one pod was killed
PATIENCE = 120.0
THREADS = 2
BEFORE: dict[str, Json] = {}  # the chain's Services before they were attached


@pytest.fixture(scope="module")
def town(real: Context, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The example, installed; removed afterwards, unless a case has done so."""
    made = Town(real, tmp_path_factory.mktemp("town"))
    for text, seconds in made.up():
        print(f"{seconds:6.1f} s  {text}")
        if "four services" in text:
            BEFORE.update(services(real))
    yield made
    made.down()


@pytest.fixture(scope="module")
def ways(town: Town) -> Iterator[Json]:
    with town.reached() as found:
        play.identify(town)
        yield found


@pytest.fixture(scope="module")
def stage(town: Town, ways: Json) -> Iterator[ClusterStage]:
    made = ClusterStage(ways, town.clone, silent(), pipeline=town.pipeline)
    yield made
    made.close()


def silent() -> Tell:
    return Tell(Console(file=StringIO(), soft_wrap=True))


def services(real: Context) -> dict[str, Json]:
    """What detaching must restore of each of the chain's Services."""
    return {
        name: {
            "spec": found["spec"],
            "labels": found["metadata"].get("labels"),
            "annotations": found["metadata"].get("annotations"),
        }
        for name, place in shop.PLACES.items()
        for found in [real.get("service", name, "--namespace", place)]
    }


@contextmanager
def load(entry: str, *lanes: str) -> Iterator[Counter[str]]:
    """Requests without end, each on a connection of its own: plain ones, and with each lane's header. Yields
    what came back, by outcome; `ok` is the only good one."""
    seen: Counter[str] = Counter()
    over = threading.Event()

    def ask(number: int) -> None:
        carried = [None, *lanes]
        with httpx.Client(timeout=30, limits=httpx.Limits(max_keepalive_connections=0)) as client:
            while not over.is_set():
                number += 1
                seen[_outcome(client, entry, carried[number % len(carried)])] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: seen["ok"] > 20, "requests are answered", PATIENCE)
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _outcome(client: httpx.Client, entry: str, lane: str | None) -> str:
    try:
        answer = client.get(entry, headers={"x-preview-lane": lane} if lane else {})
    except httpx.HTTPError as error:
        return f"{lane}: {type(error).__name__}"
    if answer.status_code != httpx.codes.OK:
        return f"{lane}: {answer.status_code} {answer.text[:200]}"
    passed = [hop["lane"] for hop in answer.json()["hops"] if hop["lane"]]
    wanted = [lane] if lane else []
    return "ok" if passed == wanted else f"{lane}: passed through {passed}"


def failures(seen: Counter[str]) -> dict[str, int]:
    return {outcome: count for outcome, count in seen.items() if outcome != "ok"}


def push(stage: ClusterStage, branch: str, version: str) -> None:
    """A commit that changes payment, on the branch, pushed."""
    known = stage.git("branch", "--list", branch)
    stage.git("switch", "--quiet", *([] if known else ["--create"]), branch)
    stage.change("payment", version)
    stage.git("commit", "--quiet", "--all", "--message", f"Payment {version}")
    stage.push(branch)


def answers(stage: ClusterStage, branch: str, version: str) -> bool:
    reply = stage.ask({"x-preview-lane": branch})
    return any(hop.lane == branch and hop.version == version for hop in reply.hops)


def test_the_whole_story_holds(town: Town, ways: Json) -> None:
    told = StringIO()
    try:
        enact(
            ClusterStage(ways, town.clone, Tell(Console(file=told, soft_wrap=True)), pipeline=town.pipeline)
        )
    finally:
        print(told.getvalue())


@pytest.mark.parametrize("process", PROCESSES)
def test_a_rolling_restart_fails_no_request(
    town: Town, ways: Json, stage: ClusterStage, process: str
) -> None:
    if process == PROCESSES[0]:
        push(stage, "steady", "steady")
        until(lambda: answers(stage, "steady", "steady"), "the lane answers", PATIENCE)
    with load(ways["entry"], "steady") as seen:
        town.installation.restart(f"deployment/{RELEASE}-{process}")
    assert failures(seen) == {}


@pytest.mark.parametrize("place", [shop.FRONT, shop.BACK])
def test_a_rolling_restart_of_the_envoys_fails_no_request(
    town: Town, ways: Json, stage: ClusterStage, place: str
) -> None:
    name, where = "deployment/laneway-router-shop", ("--namespace", place)
    with load(ways["entry"], "steady") as seen:
        town.context.kubectl("rollout", "restart", name, *where)
        town.context.kubectl("rollout", "status", name, *where, "--timeout=180s")
    assert failures(seen) == {}


@pytest.mark.parametrize("process", [*PROCESSES, "valkey"])
def test_a_killed_pod_loses_nothing_and_delays_work_by_less_than_30_s(
    town: Town, ways: Json, stage: ClusterStage, process: str
) -> None:
    selector = f"app.kubernetes.io/component={process}"
    where = ("--namespace", SYSTEM)
    pods = [
        one["metadata"]["name"] for one in town.context.get("pods", "--selector", selector, *where)["items"]
    ]
    with load(ways["entry"], "steady") as seen:
        town.context.kubectl("delete", "pod", pods[0], "--grace-period=0", "--force", *where)
        push(stage, "steady", f"after-{process}")
        until(
            lambda: answers(stage, "steady", f"after-{process}"),
            f"work without a {process} pod",
            RESUMED + 15,
        )
    # while a loose lane changes its only pod, the baseline may answer in its place, and the answer says so
    fallback = {"steady: passed through []"}
    assert {one: count for one, count in failures(seen).items() if one not in fallback} == {}


def test_detaching_and_uninstalling_leave_the_chain_as_it_was(town: Town, ways: Json, real: Context) -> None:
    with load(ways["entry"]) as seen:
        town.installation.job("detach", "detach")
        assert services(real) == BEFORE
        town.installation.uninstall()
    assert failures(seen) == {}
    left = real.get("deployments,pods,roles,rolebindings,configmaps", "--namespace", shop.FRONT)["items"]
    assert [one["metadata"]["name"] for one in left if "laneway" in one["metadata"]["name"]] == []


def test_removing_the_example_leaves_no_namespace(town: Town, real: Context, tmp_path: Path) -> None:
    town.down()
    there = {one["metadata"]["name"] for one in real.get("namespaces")["items"]}
    assert there.isdisjoint(NAMESPACES)

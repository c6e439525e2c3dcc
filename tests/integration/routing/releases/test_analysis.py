"""A release judged by what real Envoys at its entry have counted, beside the baseline."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.chain.strategy import Analysis, Metric
from provisioner.cluster import Cluster
from provisioner.release.analysis import sampling
from provisioner.release.observed import Measured, Opinion
from provisioner.routing.router.deployment import marks
from provisioner.routing.share import BUCKETS
from tests.support import analysed, localapi
from tests.support.analysed import BEGUN, Watched
from tests.support.ill import Ill
from tests.support.many import ask
from tests.support.releasing import ENTRY, NAME, OWN, Releasing
from tests.support.routing import Envoy, chain, lane
from tests.support.waiting import until

AGES_AGO = BEGUN - timedelta(days=7)
SUCCESS = Metric("success-rate", minimum=0.9, worse=0.05)
LATENCY = Metric("latency", worse=0.2, quantile=0.9)


class Trial:
    """A release of half the requests, whose copy may be ill, and the cluster that lists the router's pods."""

    def __init__(self, world: Any, cluster: Cluster, copy: Ill, folder: Path) -> None:
        self.releasing, self.cluster, self._world = Releasing(world), cluster, world
        self.copy = copy
        world.store.put(lane(NAME, OWN, mode="members", release=NAME))
        self.releasing.show([self.copy])
        self.releasing.step(50)
        self._folder = folder
        self.runs(self.releasing.envoy)

    def runs(self, envoy: Envoy, started: datetime = AGES_AGO) -> None:
        """The cluster has this router's pod, whose container began then."""
        name = f"router-{envoy.address}"
        container = {"name": "envoy", "image": "e:1", "ports": [{"name": "ready", "containerPort": 10000}]}
        metadata = {"name": name, "namespace": "shop", "labels": marks("shop")}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
        if self.cluster.get("Pod", name, "shop") is None:
            self.cluster.create(pod)
        one = {"name": "envoy", "image": "e:1", "imageID": "e", "ready": True, "restartCount": 0}
        one |= {"state": {"running": {"startedAt": started.strftime("%Y-%m-%dT%H:%M:%SZ")}}}
        told = {"podIP": envoy.address, "containerStatuses": [one]}
        self.cluster.merge("Pod", name, {"status": told}, "shop", "status")

    def watched(self, *metrics: Metric, weight: int = 50, **more: Any) -> Watched:
        """The release under analysis; its first reading is taken."""
        analysis = Analysis(metrics=metrics, **more) if metrics else None
        wanted = Watched(
            replace(chain(), entry=ENTRY),
            analysed.world(self._folder, self.cluster),
            analysis,
            weight=weight,
            name=NAME,
        )
        wanted.look()
        return wanted

    def send(self, lane: int, baseline: int, envoy: Envoy | None = None) -> None:
        """So many requests of users in the release and of others, each answered."""
        start = self.releasing.start
        for count, bucket in ((lane, start), (baseline, (start - 1) % BUCKETS)):
            wanted = ({"cookie": f"laneway-bucket={bucket}"} for _ in range(count))
            answers = list(ask((envoy or self.releasing.envoy).address, wanted))
            assert len(answers) == count


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine's Envoy answers late, and well."""
    monkeypatch.setattr(sampling, "SECONDS", 20.0)


@pytest.fixture
def trial(world: Any, tmp_path: Path) -> Iterator[Trial]:
    local, cluster = localapi.connected()
    copy = Ill(world.thread, NAME)
    try:
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        yield Trial(world, cluster, copy, tmp_path)
    finally:
        copy.kill()
        local.close()


def rows(found: Measured) -> dict[str, tuple[Any, Any]]:
    return {one["metric"]: (one["lane"], one["baseline"]) for one in found.rows}


def test_a_good_copy_is_good_and_people_see_both_versions(trial: Trial) -> None:
    watched = trial.watched(SUCCESS)
    trial.send(100, 200)

    found = watched.look()

    assert found.opinion is Opinion.GOOD, found.message
    assert found.message == "success-rate 100 %, the baseline's 100 %"
    assert rows(found)["requests"] == (10, 20), "a second, over ten"
    assert rows(found)["success-rate"] == (1, 1)


def test_a_copy_of_which_a_third_fails_is_bad_at_the_first_look(trial: Trial) -> None:
    trial.copy.failing = 0.3
    watched = trial.watched(SUCCESS)
    trial.send(100, 100)

    found = watched.look()

    assert found.opinion is Opinion.BAD
    assert found.message == "success-rate 70 % is below its minimum of 90 %"


def test_a_copy_that_fails_more_than_the_baseline_is_bad_without_any_bound(trial: Trial) -> None:
    trial.copy.failing = 0.3
    watched = trial.watched(Metric("success-rate", worse=0.05))
    trial.send(100, 100)

    told = "success-rate 70 %, the baseline's 100 %: worse by 30 %, 5 % is allowed"
    assert watched.look().message == told


def test_a_copy_that_refuses_connections_fails_as_well(trial: Trial) -> None:
    watched = trial.watched(SUCCESS)
    trial.copy.kill()
    trial.send(30, 30)

    assert watched.look().message == "success-rate 0 % is below its minimum of 90 %"


def test_a_slow_copy_is_bad_by_its_latency(trial: Trial) -> None:
    trial.copy.seconds = 0.3
    watched = trial.watched(LATENCY, inconclusive=1000, requests=5)

    def looked() -> Measured | None:
        trial.send(3, 10)
        found = watched.look(1)
        return found if found.opinion is Opinion.BAD else None

    found = until(looked, "the histogram shows it", 60)
    assert found.message.startswith("latency 0.4")
    assert 0.25 < rows(found)["latency"][0] <= 0.5 and rows(found)["latency"][1] < 0.1


def test_requests_that_name_a_lane_themselves_are_on_neither_side(trial: Trial) -> None:
    watched = trial.watched(SUCCESS)
    address = trial.releasing.envoy.address
    assert {one.name for one in ask(address, [{"x-preview-lane": NAME}] * 50)} == {NAME}
    assert {one.name for one in ask(address, [{"x-preview-lane": "pr-4"}] * 50)} == {"pr-4"}
    trial.send(20, 30)

    assert rows(watched.look())["requests"] == (2, 3)


def test_too_few_requests_say_nothing_yet_and_later_that_there_are_too_few(trial: Trial) -> None:
    watched = trial.watched(SUCCESS, inconclusive=0)
    trial.send(5, 100)

    early, later = watched.look(), watched.look(60)

    assert (early.opinion, later.opinion) == (Opinion.NONE, Opinion.INCONCLUSIVE)
    assert early.message == "success-rate: the lane had 5 of the 20 requests that it takes to tell"


def test_at_the_whole_share_the_baseline_is_as_it_was_when_it_last_had_requests(trial: Trial) -> None:
    watched = trial.watched(Metric("success-rate", worse=0.05))
    trial.send(100, 100)
    watched.look()
    trial.copy.failing = 0.5
    watched.weigh(100)
    watched.look(120)
    trial.send(100, 0)

    told = "success-rate 50 %, the baseline's last 100 %: worse by 50 %, 5 % is allowed"
    assert watched.look().message == told


def test_all_at_once_the_baseline_is_as_it_was_before(trial: Trial) -> None:
    trial.send(0, 100)
    trial.copy.failing = 0.5
    watched = trial.watched(Metric("success-rate", worse=0.05), weight=100)
    trial.send(100, 0)

    assert "the baseline's last 100 %: worse by 50 %" in watched.look().message


def test_a_release_without_an_analysis_shows_both_versions_and_has_no_opinion(trial: Trial) -> None:
    watched = trial.watched()
    trial.send(40, 20)

    found = watched.look()

    assert found.opinion is Opinion.NONE and found.message == ""
    assert rows(found)["requests"] == (4, 2)
    assert [one["unit"] for one in found.rows] == ["per second", "ratio", "seconds"]


# --- Envoys that come, go and hang ------------------------------------------------------------------------


def test_what_several_envoys_count_is_one_sum_also_when_one_is_new(trial: Trial) -> None:
    watched = trial.watched(SUCCESS)
    other = trial.releasing.world.another_envoy()
    trial.runs(other, started=watched.now + timedelta(seconds=2))
    trial.send(60, 60)
    trial.send(40, 40, other)

    assert rows(watched.look())["requests"] == (10, 10)


def test_an_envoy_that_hangs_costs_a_few_seconds_and_what_it_counted_comes_later(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "SECONDS", 5.0)
    other = trial.releasing.world.another_envoy()
    trial.runs(other)
    watched = trial.watched(SUCCESS)
    trial.send(30, 30)
    trial.send(70, 70, other)
    os.kill(other.process.pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        during = watched.look()
        took = time.monotonic() - start
    finally:
        os.kill(other.process.pid, signal.SIGCONT)

    assert rows(during)["requests"] == (3, 3)
    assert took < 15
    until(lambda: rows(watched.look())["requests"][0] > 3, "it counts again", 60)


def test_when_no_envoy_answers_it_is_inconclusive_and_says_which(trial: Trial) -> None:
    watched = trial.watched(SUCCESS, inconclusive=0)
    trial.releasing.envoy.process.kill()
    trial.releasing.envoy.process.wait()

    found = watched.look()

    assert found.opinion is Opinion.INCONCLUSIVE
    assert f"router-{trial.releasing.envoy.address} does not tell its counters" in found.message


def test_without_a_router_it_is_inconclusive(trial: Trial) -> None:
    watched = trial.watched(SUCCESS, inconclusive=0)
    trial.cluster.delete("Pod", f"router-{trial.releasing.envoy.address}", "shop")

    found = watched.look()

    assert found.opinion is Opinion.INCONCLUSIVE
    assert "no Envoy of Laneway's runs at the entry" in found.message


def test_a_cluster_that_does_not_answer_is_inconclusive(tmp_path: Path) -> None:
    watched = Watched(chain(), analysed.world(tmp_path), Analysis(metrics=(SUCCESS,), inconclusive=0))
    watched.look()

    found = watched.look()

    assert found.opinion is Opinion.INCONCLUSIVE
    assert "the Envoys at the entry cannot be listed" in found.message

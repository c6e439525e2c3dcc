"""What is told of one copy, from what the cluster says about its workload and its pods."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.status import readiness
from provisioner.status.readiness import Clock, Reading, State
from tests.support import baseline as b

Json = dict[str, Any]


def workload(status: Json, kind: str = "Deployment", **metadata: Any) -> Json:
    born = {"name": "payment--pr-42", "generation": 1, "creationTimestamp": b.CREATED}
    return {"kind": kind, "metadata": {**born, **metadata}, "spec": {"replicas": 1}, "status": status}


def read(thing: Json | None, pods: Sequence[Json] = (), seconds: float = 0) -> Reading:
    return readiness.read(thing, pods, Clock(b.later(seconds), timedelta(minutes=20)))


STARTING = workload(b.starting())


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (None, "waiting for its workload to be made"),
        (workload(b.rolled_out(), deletionTimestamp=b.CREATED), "its earlier workload is being deleted"),
        (workload({}), "applied; the cluster has not acted on it yet"),
        (workload(b.rolled_out(), generation=2), "applied; the cluster has not acted on it yet"),
        (workload({"observedGeneration": 1}), "waiting for its pod to start"),
        (STARTING, "waiting for its pod to become ready"),
        (workload(b.rolled_out(replicas=2)), "waiting for its earlier pods to end"),
        (workload(b.rolled_out(updatedReplicas=0)), "waiting for its pod to start"),
    ],
)
def test_a_copy_that_is_under_way_says_what_it_waits_for(thing: Json | None, message: str) -> None:
    found = read(thing)
    assert (found.state, found.message, found.stuck) == (State.PROGRESSING, message, False)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_copy_is_ready_when_its_newest_revision_runs_alone(kind: str) -> None:
    found = read(workload(b.rolled_out(), kind))
    assert (found.state, found.serving, found.stuck) == (State.READY, True, False)


def test_a_service_is_ready_as_soon_as_it_is_there() -> None:
    assert readiness.is_ready({"kind": "Service", "metadata": {"name": "payment--pr-42"}, "spec": {}})


def unschedulable(message: str) -> Json:
    return {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}


ENDED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}


@pytest.mark.parametrize(
    ("pod", "state", "message"),
    [
        (
            b.pod(conditions=[unschedulable("0/3 nodes are available")]),
            "Unschedulable",
            "0/3 nodes are available",
        ),
        (
            b.pod(b.waiting("InvalidImageName", "bad tag")),
            "InvalidImage",
            "container app has image registry/payment:new: bad tag",
        ),
        (b.pod(b.waiting("CrashLoopBackOff")), "CrashLooping", "container app keeps ending"),
        (
            b.pod({"restartCount": 2, "lastState": ENDED, "state": {"running": {}}}),
            "CrashLooping",
            "container app keeps ending with exit code 137 (OOMKilled)",
        ),
        (
            b.pod(
                initContainerStatuses=[{"name": "migrate", "ready": False, "restartCount": 4, "state": ENDED}]
            ),
            "CrashLooping",
            "container migrate keeps ending with exit code 137 (OOMKilled)",
        ),
        (
            b.pod(b.waiting("CreateContainerConfigError", 'configmap "payment" not found')),
            "CannotStart",
            'container app cannot be started: configmap "payment" not found',
        ),
        (
            b.pod(b.waiting("RunContainerError")),
            "CannotStart",
            "container app cannot be started: RunContainerError",
        ),
    ],
)
def test_a_pod_that_cannot_get_ready_says_why(pod: Json, state: str, message: str) -> None:
    found = read(STARTING, [pod])
    assert (found.state, found.message, found.stuck) == (state, message, True)


@pytest.mark.parametrize(
    "pod",
    [
        b.pod(b.waiting("ContainerCreating")),
        b.pod({"restartCount": 1, "lastState": ENDED, "state": {"running": {}}}),
        b.pod({"restartCount": 5, "ready": True, "state": {"running": {}}}),
        b.pod(conditions=[{"type": "PodScheduled", "status": "True"}]),
    ],
)
def test_a_pod_that_may_still_get_ready_is_waited_for(pod: Json) -> None:
    assert read(STARTING, [pod]) == read(STARTING)


def test_a_pod_that_is_stuck_goes_before_one_that_waits_for_its_image() -> None:
    pods = [b.pod(b.waiting("ErrImagePull")), b.pod(b.waiting("CrashLoopBackOff"))]
    assert read(STARTING, pods).state is State.CRASH_LOOPING


def test_pods_of_an_older_revision_and_pods_that_are_going_say_nothing() -> None:
    old = b.pod(b.waiting("CrashLoopBackOff"), revision="old")
    new = b.pod(revision="new", created="2026-01-02T03:04:01Z")
    going = b.pod(b.waiting("CrashLoopBackOff"), revision="new", created="2026-01-02T03:04:02Z")
    going["metadata"]["deletionTimestamp"] = b.CREATED
    assert read(STARTING, [old, new, going]).state is State.PROGRESSING


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ({"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: pods"}, State.PODS_REFUSED),
        (
            {
                "type": "Progressing",
                "status": "False",
                "reason": "ProgressDeadlineExceeded",
                "message": "late",
            },
            State.PROGRESS_DEADLINE,
        ),
    ],
)
def test_a_deployment_without_progress_says_why_in_the_clusters_words(condition: Json, state: State) -> None:
    found = read(workload({"observedGeneration": 1, "conditions": [condition]}))
    assert (found.state, found.message, found.stuck) == (state, condition["message"], True)


def test_a_statefulset_without_a_pod_is_given_a_minute() -> None:
    bare = workload({"observedGeneration": 1}, "StatefulSet")
    young = read(bare)
    assert (young.state, young.until) == (State.PROGRESSING, b.later(55))
    old = read(bare, seconds=55)
    assert (old.state, old.stuck, old.until) == (State.NO_PODS, True, None)
    assert "kubectl describe statefulset payment--pr-42" in old.message


def test_a_copy_serves_while_any_pod_is_ready_whatever_its_state() -> None:
    found = read(workload(b.starting(replicas=2, readyReplicas=1)), [b.pod(b.waiting("CrashLoopBackOff"))])
    assert (found.state, found.serving) == (State.CRASH_LOOPING, True)


def test_every_state_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "copies.md").read_text()
    assert [state for state in State if f"| `{state}` |" not in text] == []

"""A pod's phase and conditions."""

from __future__ import annotations

from typing import Any

import pytest

from devcluster.kubelet.backoff import Backoff
from devcluster.kubelet.status import ContainerRecord, Kind, Placement, phase, pod_status

Object = dict[str, Any]

RUNNING: Object = {"running": {}}
CREATING: Object = {"waiting": {"reason": "ContainerCreating"}}


def ended(code: int) -> Object:
    return {"terminated": {"exitCode": code}}


def record(state: Object | None = None, kind: Kind = "main", **fields: Any) -> ContainerRecord:
    found = ContainerRecord({"name": kind, "image": "host"}, kind, **fields)
    if state is not None:
        found.state = state
    return found


@pytest.mark.parametrize(
    ("states", "policy", "expected"),
    [
        ([CREATING], "Always", "Pending"),
        ([RUNNING], "Always", "Running"),
        ([RUNNING, CREATING], "Always", "Running"),
        ([ended(0)], "Never", "Succeeded"),
        ([ended(0), ended(1)], "Never", "Failed"),
        ([ended(0), RUNNING], "Never", "Running"),
        ([ended(1)], "Always", "Running"),
    ],
)
def test_the_phase_follows_the_containers(states: list[Object], policy: str, expected: str) -> None:
    assert phase([record(state) for state in states], policy) == expected


def test_a_crash_loop_is_running() -> None:
    looping = record({"waiting": {"reason": "CrashLoopBackOff"}}, last_state=ended(1))
    assert phase([looping], "Always") == "Running"


def test_a_pod_is_pending_until_its_init_containers_are_done() -> None:
    assert phase([record(RUNNING, "init"), record()], "Always") == "Pending"
    assert phase([record(ended(0), "init"), record(RUNNING)], "Always") == "Running"
    assert phase([record(ended(1), "init"), record()], "Never") == "Failed"


POD: Object = {
    "metadata": {"name": "p", "generation": 1},
    "spec": {"containers": [{"name": "main"}], "readinessGates": [{"conditionType": "x/gate"}]},
}
PLACE = Placement("127.128.0.1", "127.0.0.1", "2026-01-01T00:00:00Z")


def conditions(pod: Object, records: list[ContainerRecord], now: str = "later") -> dict[str, Object]:
    return {c["type"]: c for c in pod_status(pod, records, PLACE, now)["conditions"]}


def test_readiness_gates_hold_a_pod_back_and_are_kept() -> None:
    ready = [record(RUNNING, ready=True)]
    assert conditions(POD, ready)["Ready"]["reason"] == "ReadinessGatesNotReady"
    opened = {**POD, "status": {"conditions": [{"type": "x/gate", "status": "True"}]}}
    found = conditions(opened, ready)
    assert found["Ready"]["status"] == "True"
    assert found["x/gate"] == {"type": "x/gate", "status": "True"}


def test_a_condition_is_dated_when_it_changes_and_only_then() -> None:
    plain = {**POD, "spec": {"containers": [{"name": "main"}]}}
    first = pod_status(plain, [record(RUNNING)], PLACE, "first")
    second = pod_status({**plain, "status": first}, [record(RUNNING, ready=True)], PLACE, "second")
    third = conditions({**plain, "status": second}, [record(RUNNING, ready=True)], "third")
    assert third["Ready"]["lastTransitionTime"] == "second"
    assert third["Initialized"]["lastTransitionTime"] == "first"


def test_back_off_doubles_to_its_limit_and_is_forgotten() -> None:
    backoff = Backoff()
    assert [backoff.next() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert backoff.next(ran_for=61) == 1

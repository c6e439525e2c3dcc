"""What is said while the router is not ready: the reasons that its Deployment and pods give."""

from __future__ import annotations

from typing import Any

import pytest

from provisioner.routing.router import awaiting, deployment
from tests.integration.attaching.conftest import NAMESPACE, Prompt

Json = dict[str, Any]
CONTAINER: Json = {"name": "envoy", "image": "e:1", "imageID": "", "ready": False, "restartCount": 0}
WAITING = {"reason": "ErrImageNeverPull", "message": "image is not present"}
REASONS: dict[str, tuple[Json, Json, str]] = {
    "an image that is not there": (
        {},
        {"containerStatuses": [{**CONTAINER, "state": {"waiting": WAITING}}]},
        "ErrImageNeverPull: image is not present",
    ),
    "a discovery server that does not answer": (
        {},
        {"containerStatuses": [{**CONTAINER, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]},
        "does `laneway router` run",
    ),
    "no room on any node": (
        {},
        {
            "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
            ]
        },
        "Unschedulable: 0/1 nodes",
    ),
    "a namespace that refuses its pods": (
        {
            "conditions": [
                {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"}
            ]
        },
        {},
        "FailedCreate: quota",
    ),
    "nothing that anybody says": ({}, {}, "kubectl describe says why"),
}


@pytest.mark.parametrize("case", REASONS)
def test_why_the_router_is_not_ready_is_said(prompt: Prompt, case: str) -> None:
    of_deployment, of_pod, words = REASONS[case]
    made = prompt.cluster.create(deployment.deployment("shop", NAMESPACE, {10001: "a"}, prompt.work.settings))
    prompt.settle()
    name = made["metadata"]["name"]
    found = prompt.cluster.get("Deployment", name, NAMESPACE)
    pod = prompt.cluster.get("Pod", f"{name}-1", NAMESPACE)
    assert found and pod
    prompt.cluster.replace(
        {**found, "status": {**found["status"], "readyReplicas": 0, **of_deployment}}, "status"
    )
    prompt.cluster.replace({**pod, "status": {**pod["status"], **of_pod}}, "status")
    said = awaiting.rolled_out(prompt.cluster, "shop", NAMESPACE)
    assert said.startswith(f"Deployment {NAMESPACE}/{name} has 0 of 1 pods ready")
    assert words in said

"""Copies of realistic baselines on a real API server: it takes them as they are, and keeps lane and baseline
apart: claims, budgets and NetworkPolicies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from devcluster.dev.cluster.context import Context
from provisioner.cluster import Cluster
from provisioner.copies import plan
from provisioner.lane.model import Lane
from tests.support import baseline as b
from tests.support import clones
from tests.support.waiting import until

Json = dict[str, Any]

PATIENCE = 60.0
OF_SERVERS = ("clusterIP", "clusterIPs")
KINDS = (
    "Deployment",
    "StatefulSet",
    "Service",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "PersistentVolumeClaim",
)
# those of Rollouts are about what their controller writes, which is in test_rollouts
PLAIN = [path for path in clones.COPIED if "rollout" not in path.name]
HARDENED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
RESTRICTED = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}


@pytest.fixture
def lane(cluster: Cluster) -> Iterator[Lane]:
    wanted = replace(b.lane(uid=""), name=f"pr-{uuid4().hex[:8]}")
    made = Lane.from_object(cluster.create(wanted.to_object()))
    yield made
    cluster.delete("Lane", made.object_name)


def as_applied(thing: Json, namespace: str) -> Json:
    """An object of a case as its owner would apply it, without what another server added."""
    metadata = {
        key: thing["metadata"][key] for key in ("name", "labels", "annotations") if key in thing["metadata"]
    }
    spec = dict(thing["spec"])
    if thing["kind"] == "PersistentVolumeClaim":
        spec = {"resources": {"requests": {"storage": "1Mi"}}, **spec}
    if thing["kind"] == "Service":
        spec = {key: value for key, value in spec.items() if key not in OF_SERVERS or value == "None"}
        ports = [
            {key: value for key, value in one.items() if key != "nodePort"} for one in spec.get("ports", ())
        ]
        spec |= {"ports": ports} if ports else {}
    return {
        **{key: thing[key] for key in ("apiVersion", "kind")},
        "metadata": metadata | {"namespace": namespace},
        "spec": spec,
    }


def furnished(case: Json, cluster: Cluster, namespace: str) -> Json:
    """The case with its objects as this cluster keeps them."""
    for one in case["objects"]:
        if one["kind"] in KINDS:
            cluster.apply(as_applied(one, namespace), force=True)
    kept = [one for kind in KINDS for one in cluster.list(kind, namespace, "!laneway.dev/lane")]
    return {**case, "objects": kept, "service": {**case["service"], "namespace": namespace}}


def written(made: plan.Plan, cluster: Cluster) -> tuple[Json, ...]:
    assert made.problems == {} and made.writes
    return tuple(cluster.apply(write.body, force=False) for write in made.writes)


@pytest.mark.parametrize("path", PLAIN, ids=clones.name)
def test_a_copy_that_was_written_leaves_nothing_to_write(
    path: Path, cluster: Cluster, namespace: str, lane: Lane
) -> None:
    case = furnished(clones.read(path), cluster, namespace)
    first = clones.planned(case, lane)
    owned = written(first, cluster)
    assert clones.planned(case, lane, owned).writes == ()
    assert clones.planned(case, lane, owned).removals == ()


def stateful(namespace: str) -> Json:
    """A baseline that keeps data, and a budget for it, as the `restricted` level lets them run."""
    about = {"namespace": namespace, "name": "payment"}
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    container = {"name": "app", "image": "example/none:1", "securityContext": HARDENED}
    workload = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": about,
        "spec": {
            "serviceName": "payment",
            "selector": {"matchLabels": {"app": "payment"}},
            "template": {
                "metadata": {"labels": {"app": "payment"}},
                "spec": {"containers": [container], "securityContext": RESTRICTED},
            },
            "volumeClaimTemplates": [claim],
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": about,
        "spec": {"selector": {"app": "payment"}, "ports": [{"port": 80}]},
    }
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": about,
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "payment"}}},
    }
    return {
        "service": {"name": "payment", "workload": "StatefulSet/payment"},
        "image": "example/none:2",
        "objects": [service, workload, budget],
    }


def claims(cluster: Cluster, namespace: str) -> list[str]:
    return sorted(one["metadata"]["name"] for one in cluster.list("PersistentVolumeClaim", namespace))


def test_a_copys_claims_go_with_its_lane_and_no_budget_counts_its_pods(
    cluster: Cluster, namespace: str, lane: Lane
) -> None:
    case = furnished(stateful(namespace), cluster, namespace)
    of_baseline = ["data-payment-0"]
    written(clones.planned(case, lane), cluster)
    until(lambda: len(claims(cluster, namespace)) == 2, "the copy has a claim of its own", PATIENCE)
    until(lambda: len(cluster.list("Pod", namespace)) == 2, "both have their pod", PATIENCE)
    until(lambda: _expected(cluster, namespace) == 1, "the budget counts the baseline's pod alone", PATIENCE)
    until(lambda: _kept_by_set(cluster, namespace), "the claim belongs to the copy", PATIENCE)
    cluster.delete("Lane", lane.object_name)
    until(lambda: claims(cluster, namespace) == of_baseline, "the copy's claim went with the lane", PATIENCE)
    assert _expected(cluster, namespace) == 1


def _expected(cluster: Cluster, namespace: str) -> int:
    [budget] = cluster.list("PodDisruptionBudget", namespace)
    return int(budget.get("status", {}).get("expectedPods", 0))


def _kept_by_set(cluster: Cluster, namespace: str) -> bool:
    found = cluster.list("PersistentVolumeClaim", namespace)
    return any(one["metadata"].get("ownerReferences") for one in found)


def autoscaler(namespace: str) -> Json:
    """An autoscaler of the baseline, as its team would write it."""
    resource = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "payment", "namespace": namespace},
        "spec": {
            "minReplicas": 1,
            "maxReplicas": 5,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "payment"},
            "metrics": [{"type": "Resource", "resource": resource}],
        },
    }


def test_an_autoscaler_of_the_baseline_counts_no_pod_of_a_lane_and_is_not_copied(
    real: Context, cluster: Cluster, namespace: str, lane: Lane
) -> None:
    case = furnished(stateful(namespace), cluster, namespace)
    real.apply(autoscaler(namespace))
    written(clones.planned(case, lane), cluster)
    until(lambda: len(cluster.list("Pod", namespace)) == 2, "both have their pod", PATIENCE)
    until(lambda: _measured(real, namespace) == 1, "the autoscaler has looked at the baseline", PATIENCE)
    path = f"/apis/apps/v1/namespaces/{namespace}/statefulsets/payment/scale"
    selector = json.loads(real.kubectl("get", "--raw", path))["status"]["selector"]  # what it counts by
    assert [one["metadata"]["name"] for one in cluster.list("Pod", namespace, selector)] == ["payment-0"]
    [only] = real.get("horizontalpodautoscalers", "--namespace", namespace)["items"]
    assert only["spec"]["scaleTargetRef"]["name"] == "payment"


def _measured(real: Context, namespace: str) -> int:
    found = real.get("horizontalpodautoscaler", "payment", "--namespace", namespace)
    return int(found.get("status", {}).get("currentReplicas", 0))


def test_twins_are_taken_as_they_are_and_go_with_their_lane(
    cluster: Cluster, namespace: str, lane: Lane
) -> None:
    case = furnished(clones.read(clones.FOLDER / "network-policies.in.yaml"), cluster, namespace)
    written(clones.planned(case, lane), cluster)
    selector = f"laneway.dev/lane={lane.name}"
    assert len(cluster.list("NetworkPolicy", namespace, selector)) == 3
    cluster.delete("Lane", lane.object_name)
    until(lambda: not cluster.list("NetworkPolicy", namespace, selector), "the twins are gone", PATIENCE)
    assert len(cluster.list("NetworkPolicy", namespace)) == 4

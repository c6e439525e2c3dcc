"""What a real cluster does to a lane's objects on their way: refuses, changes, cannot place, or is asked by
somebody else too. Each is said in the lane's status, and none keeps the rest from working."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from devcluster.dev.cluster.context import Context
from provisioner.cluster import Cluster
from provisioner.events import Kind
from provisioner.lane import store as lanes
from provisioner.lane.record import record
from provisioner.reconcile import converge
from provisioner.settings import Settings
from tests.support.shop import Shop, baseline, open_shop
from tests.support.waiting import until

Json = dict[str, Any]
Change = Callable[[Json], None]
PATIENCE = 90.0


@pytest.fixture
def shop(tmp_path: Path, real: Context, cluster: Cluster) -> Iterator[Shop]:
    """A chain in a namespace of its own. Its images exist nowhere, since only what is said counts here."""
    for name in (Settings().namespace,):
        real.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    opened = open_shop(tmp_path, cluster, f"laneway-test-{uuid.uuid4().hex[:8]}")
    opened.clock.now = datetime.now(UTC)
    yield opened
    lane = f"{opened.chain.name}.fast"
    real.kubectl("delete", "lane", lane, "--ignore-not-found", "--wait=false")
    real.kubectl("delete", "namespace", opened.chain.name, "--wait=false")


def open_lane(shop: Shop) -> None:
    """A pull request that changes payment."""
    head = shop.origin.branch("fast", {"payment/app.py": "2"})
    for found in record(shop.event(Kind.OPENED, "fast", sha=head), shop.chain, shop.world):
        converge(shop.chain, found.lane, shop.world, found.written)


def again(shop: Shop) -> Json:
    """Payment in the lane's status, after the lane was looked at once more."""
    converge(shop.chain, "fast", shop.world)
    lane = lanes.read(shop.cluster, shop.chain.name, "fast")
    assert lane is not None
    return next(one for one in lane.status["services"] if one["name"] == "payment")


def is_said(shop: Shop, state: str, *words: str) -> Json:
    """Payment's status once it says so."""

    def look() -> Json | None:
        found = again(shop)
        said = found.get("state") == state and all(one in found.get("detail", "") for one in words)
        return found if said else None

    return until(look, f"payment is {state}, with the words {words}: {again(shop)}", PATIENCE)  # type: ignore[return-value]


def change_baseline(shop: Shop, change: Change) -> None:
    """Another baseline for payment, as its team would write it."""
    _, deployment = baseline("payment", shop.chain.name)
    change(deployment["spec"]["template"]["spec"])
    shop.cluster.apply(deployment, force=True)


def the_copy(shop: Shop) -> Json:
    found = shop.cluster.get("Deployment", "payment--fast", shop.chain.name)
    assert found is not None
    return found


def test_a_quota_that_is_used_up_is_said_in_the_clusters_words(shop: Shop, real: Context) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"pods": "0"}}}
    real.apply({**quota, "metadata": {"name": "none", "namespace": shop.chain.name}})
    where = ("resourcequota", "none", "--namespace", shop.chain.name)
    until(lambda: real.get(*where).get("status"), "the quota counts", PATIENCE)
    open_lane(shop)
    is_said(shop, "PodsRefused", "exceeded quota: none")
    real.kubectl("delete", "resourcequota", "none", "--namespace", shop.chain.name)


def test_a_limit_range_that_refuses_is_said_in_the_clusters_words(shop: Shop, real: Context) -> None:
    limits = [{"type": "Container", "max": {"memory": "16Mi"}}]
    real.apply(limit_range(shop, limits))
    change_baseline(shop, lambda pod: requests(pod, {"memory": "32Mi"}))
    open_lane(shop)
    is_said(shop, "PodsRefused", "less than or equal to memory limit of 16Mi")


def test_the_defaults_of_a_limit_range_are_no_drift(shop: Shop, real: Context) -> None:
    real.apply(limit_range(shop, [{"type": "Container", "defaultRequest": {"cpu": "10m"}}]))
    open_lane(shop)
    again(shop)
    before = the_copy(shop)["metadata"]["generation"]
    again(shop)
    assert the_copy(shop)["metadata"]["generation"] == before


def test_a_pod_that_pod_security_refuses_is_said_in_the_clusters_words(shop: Shop, real: Context) -> None:
    level = "pod-security.kubernetes.io/enforce=restricted"
    real.kubectl("label", "namespace", shop.chain.name, level)
    open_lane(shop)
    is_said(shop, "PodsRefused", 'violates PodSecurity "restricted')


def test_a_pod_that_finds_no_node_is_unschedulable_in_the_schedulers_words(shop: Shop) -> None:
    change_baseline(shop, lambda pod: requests(pod, {"memory": "10Ti"}))
    open_lane(shop)
    is_said(shop, "Unschedulable", "Insufficient memory")


def test_an_image_that_cannot_be_pulled_is_pending_and_the_baseline_keeps_the_route(shop: Shop) -> None:
    open_lane(shop)
    found = is_said(shop, "ImagePending", shop.origin.sha("fast"))
    assert (found["ready"], found["route"]) == (False, "baseline")


def test_what_another_field_manager_owns_beside_us_stays_and_what_it_takes_from_us_is_put_back(
    shop: Shop, real: Context
) -> None:
    open_lane(shop)
    image = the_copy(shop)["spec"]["template"]["spec"]["containers"][0]["image"]
    claim: Json = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "payment--fast",
            "namespace": shop.chain.name,
            "annotations": {"somebody.example/note": "kept"},
        },
        "spec": {
            "selector": the_copy(shop)["spec"]["selector"],
            "template": {"spec": {"containers": [{"name": "payment", "image": "somebody:else"}]}},
        },
    }
    real.apply(claim)
    assert the_copy(shop)["spec"]["template"]["spec"]["containers"][0]["image"] == "somebody:else"
    again(shop)
    now = the_copy(shop)
    assert now["spec"]["template"]["spec"]["containers"][0]["image"] == image
    assert now["metadata"]["annotations"]["somebody.example/note"] == "kept"


def test_an_object_of_the_wanted_name_that_is_not_ours_is_named_and_untouched(
    shop: Shop, real: Context
) -> None:
    theirs = {"apiVersion": "v1", "kind": "Service", "spec": {"clusterIP": "None", "selector": {"a": "b"}}}
    real.apply({**theirs, "metadata": {"name": "payment--fast", "namespace": shop.chain.name}})
    open_lane(shop)
    found = again(shop)
    assert "payment--fast" in found["detail"]
    service = shop.cluster.get("Service", "payment--fast", shop.chain.name)
    assert service is not None and service["spec"]["selector"] == {"a": "b"}


def test_what_admission_adds_to_a_copy_is_no_drift(shop: Shop, real: Context) -> None:
    name = shop.chain.name
    real.apply(*mutation(name))
    try:
        _, payment = baseline("payment", name)

        def is_mutated() -> bool:
            shop.cluster.apply({**payment, "metadata": {**payment["metadata"], "name": "probe"}}, force=True)
            probe = shop.cluster.get("Deployment", "probe", name)
            return probe is not None and "added.example" in probe["metadata"].get("annotations", {})

        until(is_mutated, "admission changes Deployments", PATIENCE)
        open_lane(shop)
        again(shop)
        before = the_copy(shop)["metadata"]
        assert before["annotations"]["added.example"] == "yes"
        again(shop)
        assert the_copy(shop)["metadata"]["generation"] == before["generation"]
        assert the_copy(shop)["metadata"]["annotations"]["added.example"] == "yes"
    finally:
        real.kubectl("delete", "mutatingadmissionpolicybinding,mutatingadmissionpolicy", name)


def limit_range(shop: Shop, limits: list[Json]) -> Json:
    metadata = {"name": "limits", "namespace": shop.chain.name}
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": limits}}


def requests(pod: Json, amounts: Json) -> None:
    pod["containers"][0]["resources"] = {"requests": amounts}


def mutation(namespace: str) -> tuple[Json, Json]:
    """A policy that writes an annotation onto each Deployment of a namespace, as many a platform's do."""
    group = "admissionregistration.k8s.io"
    rule = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["deployments"],
    }
    expression = 'Object{metadata: Object.metadata{annotations: {"added.example": "yes"}}}'
    where = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    policy = {
        "apiVersion": f"{group}/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": namespace},
        "spec": {
            "matchConstraints": {**where, "resourceRules": [rule]},
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "mutations": [
                {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}
            ],
        },
    }
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": namespace},
        "spec": {"policyName": namespace},
    }
    return policy, binding

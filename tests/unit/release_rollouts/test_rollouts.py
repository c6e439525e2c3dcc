"""Rollouts as released baselines; the statuses are those that the controller (1.10) was seen to write."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from provisioner.chain.model import Service, WorkloadRef
from provisioner.copies import rollouts, template
from provisioner.release import workloads
from provisioner.release.found import Found
from provisioner.release.observed import Workload
from provisioner.status.readiness import Clock

Json = dict[str, Any]

SERVICE = Service("payment", WorkloadRef("Rollout", "payment"), "", "shop", ())
CLOCK = Clock(datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=20))
HEALTHY = {
    **{"phase": "Healthy", "observedGeneration": "4", "currentPodHash": "new", "stableRS": "new"},
    **{"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "readyReplicas": 3},
}
AT_A_STEP = {
    **HEALTHY,
    **{"phase": "Paused", "message": "CanaryPauseStep", "stableRS": "old", "controllerPause": True},
    **{"replicas": 4, "updatedReplicas": 1, "availableReplicas": 4, "readyReplicas": 4},
}
ENDING = {**AT_A_STEP, "phase": "Progressing", "promoteFull": True}
ABORTED = {**HEALTHY, "phase": "Degraded", "stableRS": "old", "abort": True, "updatedReplicas": 0}
DEGRADED = {**AT_A_STEP, "phase": "Degraded", "message": "ProgressDeadlineExceeded: ReplicaSet has timed out"}
TEMPLATE = {
    "metadata": {"labels": {"app": "payment"}},
    "spec": {"containers": [{"name": "proxy", "image": "mesh"}, {"name": "app", "image": "payment:1"}]},
}


def rollout(status: Json, **spec: Any) -> Json:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "payment", "namespace": "shop", "generation": 4, "resourceVersion": "17"},
        "spec": {"replicas": 3, "template": deepcopy(TEMPLATE), **spec},
        "status": status,
    }


def referring(status: Json, generation: int = 9) -> Found:
    metadata = {"name": "pods", "namespace": "shop", "generation": generation, "resourceVersion": "23"}
    holder = {"kind": "Deployment", "metadata": metadata, "spec": {"replicas": 0, "template": TEMPLATE}}
    found = rollout({**status, "workloadObservedGeneration": "9"})
    del found["spec"]["template"]
    found["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "pods"}
    return Found(found, template=holder)


def service(container: str = "app") -> Service:
    return Service("payment", SERVICE.workload, "", "shop", (), container=container)


def read(found: Json | Found) -> Workload:
    return workloads.read(service(), found if isinstance(found, Found) else Found(found), CLOCK)


def test_it_has_rolled_out_when_it_is_healthy_and_its_newest_template_is_the_stable_one() -> None:
    found = read(rollout(HEALTHY))
    assert (found.settled, found.image, found.replicas) == (True, "payment:1", 3)
    assert (found.trouble, found.held) == ("", "")


@pytest.mark.parametrize(
    "status",
    [
        {},
        {**HEALTHY, "observedGeneration": "3"},
        {**HEALTHY, "stableRS": "old"},
        {**HEALTHY, "availableReplicas": 2},
        {**HEALTHY, "updatedReplicas": None},
        AT_A_STEP,
        ENDING,
        ABORTED,
        DEGRADED,
    ],
    ids=str,
)
def test_else_it_has_not(status: Json) -> None:
    assert not read(rollout(status)).settled


def weighed(weight: int, to: str) -> Json:
    told = {"canary": {"podTemplateHash": "new", "weight": 100 - weight}}
    return {**HEALTHY, "canary": {"weights": {**told, "stable": {"podTemplateHash": to, "weight": weight}}}}


def test_routes_that_it_weighs_have_to_lead_to_the_stable_version() -> None:
    assert read(rollout(weighed(100, "new"))).settled
    assert not read(rollout(weighed(100, "old"))).settled, "the subset has the old hash for some seconds"
    assert not read(rollout(weighed(90, "new"))).settled


def test_a_new_version_of_the_template_that_it_refers_to_has_to_be_seen_as_well() -> None:
    assert read(referring(HEALTHY)).settled
    assert not read(referring(HEALTHY, generation=10)).settled


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (rollout(HEALTHY, paused=True), "paused"),
        (rollout(ABORTED), "aborted"),
        (
            {**rollout(HEALTHY), "metadata": {**rollout({})["metadata"], "deletionTimestamp": "now"}},
            "being deleted",
        ),
    ],
    ids=["paused", "aborted", "deleted"],
)
def test_what_a_person_did_to_it_holds_it(found: Json, said: str) -> None:
    one = read(found)
    assert said in one.held
    assert (one.settled, one.trouble) == (False, "")
    assert workloads.urge(service(), Found(found)) is None


def test_its_autoscaler_bounds_it() -> None:
    scaler = {"spec": {"maxReplicas": 9}}
    found = read(Found(rollout(HEALTHY), autoscaler=scaler))
    assert (found.least, found.most) == (1, 9)
    assert (read(rollout(HEALTHY)).least, read(rollout(HEALTHY)).most) == (0, 0)


def test_that_it_is_degraded_is_trouble_in_its_own_words() -> None:
    assert read(rollout(DEGRADED)).trouble == "Degraded: ProgressDeadlineExceeded: ReplicaSet has timed out"


def test_its_revision_is_that_of_its_template_without_the_image_and_without_empty_values() -> None:
    first = rollout(HEALTHY)
    same, other = deepcopy(first), deepcopy(first)
    containers = same["spec"]["template"]["spec"]["containers"]
    containers[1] |= {"image": "payment:2", "resources": {}}
    same["status"]["stableRS"] = "another"
    other["spec"]["template"]["spec"]["containers"][1]["env"] = [{"name": "NEW", "value": "1"}]
    assert read(first).revision == read(same).revision != read(other).revision
    assert read(first).revision == read(referring(HEALTHY)).revision


def test_its_copys_note_has_the_same_revision() -> None:
    (resolved,) = rollouts.resolved([rollout(HEALTHY)])
    assert template.revision(service(), rollouts.as_deployment(resolved)) == read(rollout(HEALTHY)).revision


def test_it_gets_an_image_where_its_template_is_and_only_as_it_was_read() -> None:
    own = workloads.patch(service(), Found(rollout(HEALTHY)), "payment:2")
    assert (own.kind, own.name, own.subresource) == ("Rollout", "payment", "")
    assert own.body["metadata"] == {"resourceVersion": "17"}
    images = [one["image"] for one in own.body["spec"]["template"]["spec"]["containers"]]
    assert images == ["mesh", "payment:2"]
    other = workloads.patch(service(), referring(HEALTHY), "payment:2")
    assert (other.kind, other.name) == ("Deployment", "pods")
    assert other.body["metadata"] == {"resourceVersion": "23"}


def test_it_is_told_to_skip_its_steps_once_its_controller_has_seen_the_template() -> None:
    found = workloads.urge(service(), Found(rollout(AT_A_STEP)))
    assert found is not None
    assert (found.kind, found.name, found.subresource) == ("Rollout", "payment", "status")
    assert found.body == {"metadata": {"resourceVersion": "17"}, "status": {"promoteFull": True}}


@pytest.mark.parametrize(
    "found",
    [
        Found(rollout(HEALTHY)),
        Found(rollout(ENDING)),
        Found(rollout({**AT_A_STEP, "observedGeneration": "3"})),
        referring(AT_A_STEP, generation=10),
    ],
    ids=["it has it", "it was told", "its template is not seen", "what it refers to is not seen"],
)
def test_else_it_is_not_told(found: Found) -> None:
    assert workloads.urge(service(), found) is None


def istio(**more: Any) -> Json:
    routing = {"istio": {**more, "destinationRule": {"name": "payment"}}}
    return rollout(HEALTHY, strategy={"canary": {"trafficRouting": routing, "steps": [{"setWeight": 10}]}})


@pytest.mark.parametrize(
    "found",
    [
        rollout(HEALTHY),
        istio(virtualService={"name": "payment", "routes": ["primary"]}),
        istio(virtualServices=[{"name": "payment", "routes": ["primary"]}, {"name": "b", "routes": ["x"]}]),
        rollout(HEALTHY, strategy={"canary": {"trafficRouting": {"nginx": {"stableIngress": "payment"}}}}),
    ],
    ids=["no routing", "its route", "its routes", "another router"],
)
def test_it_can_be_released(found: Json) -> None:
    assert workloads.refusal(service(), Found(found)) == ""


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (istio(virtualService={"name": "payment"}), "set virtualService.routes: [NAME]"),
        (
            istio(virtualServices=[{"name": "a", "routes": ["x"]}, {"name": "b"}]),
            "set routes of b in virtualServices: [NAME]",
        ),
    ],
)
def test_one_that_takes_every_route_of_a_virtualservice_for_its_own_cannot(found: Json, said: str) -> None:
    text = workloads.refusal(service(), Found(found))
    assert text.startswith("Rollout shop/payment weighs VirtualService") and said in text


def test_one_without_a_template_or_the_container_cannot() -> None:
    bare = rollout(HEALTHY, template={})
    assert "neither a template" in workloads.refusal(service(), Found(bare))
    assert "no container web" in workloads.refusal(service("web"), Found(rollout(HEALTHY)))
    lost = Found(referring(HEALTHY).workload)
    assert "Deployment/pods, which the namespace does not have" in workloads.refusal(service(), lost)

"""What a plan writes, leaves alone, removes and refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provisioner import labels
from provisioner.copies import plan
from provisioner.errors import ForeignObjectError, RefusedError
from tests.support import baseline as b

Json = dict[str, Any]


def make(snapshot: plan.Snapshot, *wanted: plan.Wanted, uid: str = "lane-uid") -> plan.Plan:
    services = [one.service for one in wanted]
    return plan.make(b.chain(*services), b.lane(uid=uid), wanted, snapshot)


def names(things: Any) -> list[str]:
    return [f"{one.kind}/{one.name}" for one in things]


def running(*wanted: plan.Wanted) -> tuple[Json, ...]:
    """What the lane owns after its first plan."""
    return b.applied(make(b.snapshot(*(one.service.name for one in wanted)), *wanted), **b.rolled_out())


ONE = b.wanted()
TWO = (ONE, b.wanted(b.service("orders"), "registry/orders:new"))


def test_a_new_lane_gets_its_services_before_its_workloads() -> None:
    made = make(b.snapshot("payment", "orders"), *TWO)
    assert names(made.writes) == [
        "Service/orders--pr-42",
        "Service/payment--pr-42",
        "Deployment/orders--pr-42",
        "Deployment/payment--pr-42",
    ]
    assert [write.live for write in made.writes] == [None] * 4
    assert list(made.desired) == [write.body for write in made.writes]
    assert (made.removals, made.problems) == ((), {})


def test_a_second_run_writes_nothing() -> None:
    made = make(b.snapshot("payment", "orders", owned=running(*TWO)), *TWO)
    assert (made.writes, made.removals, made.problems) == ((), (), {})
    assert len(made.desired) == 4


def test_a_lane_in_which_nothing_changed_owns_nothing() -> None:
    assert make(b.snapshot()) == plan.Plan()


def test_a_push_writes_the_workload_alone() -> None:
    snapshot = b.snapshot(owned=running(ONE))
    made = make(snapshot, replace(ONE, image="registry/payment:newer"))
    assert names(made.writes) == ["Deployment/payment--pr-42"]
    assert made.writes[0].live == snapshot.owned[1]


def test_a_baseline_that_only_scaled_changes_no_copy() -> None:
    snapshot = b.snapshot(owned=running(ONE))
    snapshot.workloads[0]["metadata"]["generation"] = 4
    snapshot.workloads[0]["spec"]["replicas"] = 9
    assert make(snapshot, ONE).writes == ()


def test_a_changed_baseline_changes_its_copy() -> None:
    snapshot = b.snapshot(owned=running(ONE))
    snapshot.workloads[0]["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "b"}]
    assert names(make(snapshot, ONE).writes) == ["Deployment/payment--pr-42"]


def test_what_the_baseline_gave_up_goes_from_its_copy() -> None:
    before = b.snapshot()
    before.workloads[0]["spec"]["template"]["spec"]["hostAliases"] = [{"ip": "10.0.0.1"}]
    owned = b.applied(make(before, ONE), **b.rolled_out())
    assert names(make(b.snapshot(owned=owned), ONE).writes) == ["Deployment/payment--pr-42"]


def test_what_was_edited_by_hand_is_put_back() -> None:
    owned = running(ONE)
    owned[1]["spec"]["replicas"] = 4
    assert names(make(b.snapshot(owned=owned), ONE).writes) == ["Deployment/payment--pr-42"]


def test_a_label_taken_off_by_hand_is_put_back() -> None:
    owned = running(ONE)
    del owned[0]["metadata"]["labels"][labels.MANAGED_BY]
    assert names(make(b.snapshot(owned=owned), ONE).writes) == ["Service/payment--pr-42"]


def test_what_admission_adds_is_left_alone() -> None:
    owned = running(ONE)
    pod = owned[1]["spec"]["template"]["spec"]
    pod["containers"].insert(0, {"name": "proxy", "image": "mesh"})
    pod["containers"][1]["env"].append({"name": "INJECTED", "value": "1"})
    pod["volumes"] = [{"name": "token", "emptyDir": {}}]
    assert make(b.snapshot(owned=owned), ONE).writes == ()


def test_what_left_the_lane_is_removed_workloads_first() -> None:
    owned = running(*TWO)
    made = make(b.snapshot("payment", "orders", owned=owned), ONE)
    assert names(made.removals) == ["Deployment/orders--pr-42", "Service/orders--pr-42"]
    assert made.removals[0].uid == "Deployment-orders--pr-42"
    assert made.removals[0].resource_version == "12"
    assert made.writes == ()


def test_what_is_going_already_is_neither_written_nor_removed() -> None:
    owned = running(*TWO)
    for one in owned:
        one["metadata"]["deletionTimestamp"] = b.CREATED
        one["spec"]["changed"] = True
    made = make(b.snapshot("payment", "orders", owned=owned), replace(ONE, image="registry/payment:newer"))
    assert (made.writes, made.removals) == ((), ())


def test_one_refused_service_does_not_hold_up_the_others() -> None:
    made = make(b.snapshot("orders"), *TWO)
    assert names(made.writes) == ["Service/orders--pr-42", "Deployment/orders--pr-42"]
    assert list(made.problems) == ["payment"]
    assert isinstance(made.problems["payment"], RefusedError)


def test_a_copy_stays_when_its_baseline_vanishes() -> None:
    owned = running(ONE)
    made = make(b.snapshot("orders", owned=owned), ONE)
    assert (made.writes, made.removals) == ((), ())
    assert list(made.desired) == list(owned)
    assert "did you mean" not in str(made.problems["payment"])
    assert "Deployment/orders" in str(made.problems["payment"])


def test_two_services_cannot_be_copied_from_one_workload() -> None:
    other = replace(b.service("payment-grpc"), workload=b.service().workload)
    snapshot = replace(
        b.snapshot(), services=(b.kube_service(), b.kube_service("payment-grpc", {"app": "payment"}))
    )
    made = make(snapshot, ONE, b.wanted(other))
    assert names(made.writes) == ["Service/payment--pr-42", "Deployment/payment--pr-42"]
    assert "service payment is copied from it already" in str(made.problems["payment-grpc"])


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        ({"ownerReferences": [{"kind": "Rollout", "name": "pay"}]}, "belongs to Rollout/pay"),
        ({"labels": {labels.MANAGED_BY: "Helm"}}, "belongs to Helm"),
        (
            {
                "labels": {labels.MANAGED_BY: "Helm"},
                "annotations": {"meta.helm.sh/release-name": "pay"},
            },
            "belongs to Helm (release pay)",
        ),
        ({"managedFields": [{"manager": "kubectl-create"}]}, "whoever wrote it as kubectl-create"),
        ({}, "belongs to somebody else"),
    ],
)
def test_an_object_of_somebody_else_is_named_and_not_written(metadata: Json, owner: str) -> None:
    taken = b.kube_service("payment--pr-42", {"app": "other"})
    taken["metadata"] |= metadata
    snapshot = b.snapshot()
    made = make(replace(snapshot, services=(*snapshot.services, taken)), ONE)
    assert made.writes == ()
    problem = made.problems["payment"]
    assert isinstance(problem, ForeignObjectError)
    assert problem.where == "Service shop/payment--pr-42"
    assert owner in problem.message


def test_an_object_with_our_labels_that_something_else_controls_is_left_alone() -> None:
    owned = running(ONE)
    owned[0]["metadata"]["ownerReferences"] = [
        {"apiVersion": "example.com/v1", "kind": "App", "name": "a", "uid": "u", "controller": True}
    ]
    made = make(b.snapshot(owned=owned), ONE)
    assert isinstance(made.problems["payment"], ForeignObjectError)
    assert make(b.snapshot(owned=owned)).removals == (
        plan.Removal("Deployment", "shop", "payment--pr-42", "Deployment-payment--pr-42", "12"),
    )


def test_what_an_earlier_lane_of_the_name_left_goes_before_it_is_written_again() -> None:
    made = make(b.snapshot(owned=running(ONE)), ONE, uid="another-uid")
    assert made.writes == ()
    assert names(made.removals) == ["Deployment/payment--pr-42", "Service/payment--pr-42"]
    assert names(make(b.snapshot(), ONE, uid="another-uid").writes) == [
        "Service/payment--pr-42",
        "Deployment/payment--pr-42",
    ]


def test_a_statefulset_whose_claims_changed_is_made_again() -> None:
    wanted = b.wanted(b.service(kind="StatefulSet"))
    claim = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    before = b.deployment(kind="StatefulSet", serviceName="payment", volumeClaimTemplates=[claim])
    snapshot = replace(b.snapshot(), workloads=(before,))
    owned = b.applied(make(snapshot, wanted), **b.rolled_out())
    larger = claim | {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    after = b.deployment(kind="StatefulSet", serviceName="payment", volumeClaimTemplates=[larger])
    made = make(replace(snapshot, workloads=(after,), owned=owned), wanted)
    assert (names(made.removals), made.writes) == (["StatefulSet/payment--pr-42"], ())


def test_the_selectors_of_another_namespace_do_not_count() -> None:
    everything = {
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "all", "namespace": "elsewhere"},
        "spec": {"selector": {}},
    }
    assert make(replace(b.snapshot(), budgets=(everything,)), ONE).problems == {}

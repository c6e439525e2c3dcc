"""Whether a lane has to converge, from its Lane and from one object at a time."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from provisioner.chain.model import Driver
from provisioner.copies import plan
from provisioner.errors import ClusterError
from provisioner.lane.model import Lane
from provisioner.status import compute as status
from provisioner.sweep import drift
from provisioner.sweep.drift import Account, Derived
from provisioner.sweep.retention import Facts, Why
from tests.support import baseline as b

Json = dict[str, Any]
REPOSITORY = "acme/shop"


def ready() -> Lane:
    """A lane that converged on everything there is."""
    made = plan.make(b.chain(), b.lane(), [b.wanted()], b.snapshot())
    after = b.snapshot(owned=b.applied(made, **b.rolled_out()))
    told = status.compute(b.chain(), b.lane(), [b.verdict()], [b.wanted()], plan.Plan(), after, b.NOW)
    return b.lane(status=told)


def owned() -> dict[str, Json]:
    made = plan.make(b.chain(), b.lane(), [b.wanted()], b.snapshot())
    return {one["kind"]: one for one in b.applied(made, **b.rolled_out())}


def account() -> Account:
    return drift.account(ready())


def differs(thing: Json) -> str:
    return drift.differs(thing, account(), Derived(b.chain(), b.snapshot()))


def test_a_lane_that_converged_on_all_there_is_is_settled() -> None:
    assert ready().phase == "Ready"
    assert (
        drift.unsettled(ready(), b.chain(), Facts(heads={REPOSITORY: {"payment-fast": b.SHA}}), b.NOW) is None
    )


@pytest.mark.parametrize(
    ("lane", "why"),
    [
        (b.lane(), Why.NO_STATUS),
        (replace(ready(), generation=3), Why.SPEC_CHANGED),
        (replace(ready(), status={**ready().status, "chainRevision": "other"}), Why.CHAIN_CHANGED),
        (replace(ready(), status={**ready().status, "phase": "Degraded"}), Why.NOT_READY),
        (replace(ready(), status={**ready().status, "phase": "Deploying"}), Why.NOT_READY),
        (replace(ready(), status=status.blocked(ready(), ClusterError("it is away"), b.NOW)), Why.NOT_READY),
    ],
)
def test_a_lane_that_shows_itself_that_it_is_behind_has_to_converge(lane: Lane, why: Why) -> None:
    found = drift.unsettled(lane, b.chain(), Facts(), b.NOW)
    assert found is not None
    assert found[0] is why


def test_a_lane_that_a_mesh_routes_has_to_converge_since_nobody_else_looks_at_its_routes() -> None:
    meshed = replace(b.chain(), driver=Driver.ISTIO)
    settled = b.lane(status={**ready().status, "chainRevision": meshed.revision})
    found = drift.unsettled(settled, meshed, Facts(heads={REPOSITORY: {"payment-fast": b.SHA}}), b.NOW)
    assert found is not None and found[0] is Why.MESHED


def test_a_head_that_moved_is_told_with_both_commits() -> None:
    found = drift.unsettled(ready(), b.chain(), Facts(heads={REPOSITORY: {"payment-fast": "2" * 40}}), b.NOW)
    assert found == (Why.HEAD_MOVED, f"acme/shop#42 is at {'2' * 12}, the lane at {'1' * 12}")


def test_an_account_keeps_what_the_lane_runs_and_nothing_large() -> None:
    found = account()
    assert found.images == {"payment": "registry/payment:new"}
    assert (found.lane.status, found.lane.members) == ({}, ())


def test_a_lane_should_own_a_service_and_a_workload_for_each_copy() -> None:
    assert Derived(b.chain(), b.snapshot()).count(account()) == 2


def test_a_copy_whose_baseline_is_gone_cannot_be_counted() -> None:
    assert Derived(b.chain(), plan.Snapshot(None)).count(account()) is None


def test_what_was_derived_and_forgotten_is_derived_again() -> None:
    derived = Derived(b.chain(), b.snapshot(), remember=1)
    first = derived.copy(account(), "payment")
    other = replace(account().lane, name="pr-43")
    assert derived.copy(Account(other, {"payment": "registry/payment:other"}), "payment") != first
    assert derived.copy(account(), "payment") == first


@pytest.mark.parametrize("kind", ["Service", "Deployment"])
def test_an_object_as_it_was_written_does_not_differ(kind: str) -> None:
    assert differs(owned()[kind]) == ""


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", "spec.replicas", 4),
        ("Deployment", "spec.template.spec.containers", [{"name": "app", "image": "registry/payment:old"}]),
        ("Deployment", "metadata.ownerReferences", []),
        ("Deployment", "metadata.annotations", {}),
        ("Deployment", "status", b.rolled_out(readyReplicas=0)),
        ("Service", "spec.selector", {"app": "payment"}),
        ("Service", "metadata.labels", {"laneway.dev/service": "orders"}),
    ],
)
def test_an_object_that_was_changed_differs(kind: str, path: str, value: Any) -> None:
    thing = deepcopy(owned()[kind])
    *parents, last = path.split(".")
    place = thing
    for part in parents:
        place = place[part]
    place[last] = value
    assert differs(thing)


def test_an_object_of_an_earlier_lane_of_that_name_differs() -> None:
    thing = deepcopy(owned()["Deployment"])
    thing["metadata"]["ownerReferences"][0]["uid"] = "of-before"
    assert "made again" in differs(thing)

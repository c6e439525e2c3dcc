"""Copies that do not follow their baseline (`lifecycle.follow: false`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provisioner import labels
from provisioner.chain.model import Chain, Lifecycle
from provisioner.copies import plan
from provisioner.errors import RefusedError
from tests.support import baseline as b

Json = dict[str, Any]

FOLLOWS = b.chain()
FROZEN = replace(FOLLOWS, lifecycle=Lifecycle(follow=False))


def make(chain: Chain, snapshot: plan.Snapshot, wanted: plan.Wanted | None = None) -> plan.Plan:
    return plan.make(chain, b.lane(), [wanted or b.wanted()], snapshot)


def owned(chain: Chain = FROZEN) -> tuple[Json, ...]:
    return b.applied(make(chain, b.snapshot()), **b.rolled_out())


def changed(*copies: Json) -> plan.Snapshot:
    """The baseline has another variable, and the lane owns these copies."""
    snapshot = b.snapshot(owned=copies)
    snapshot.workloads[0]["metadata"]["generation"] = 4
    snapshot.workloads[0]["spec"]["template"]["spec"]["containers"][0]["env"] = [
        {"name": "NEW", "value": "1"}
    ]
    return snapshot


def variables(thing: Json) -> list[str]:
    return [one["name"] for one in thing["spec"]["template"]["spec"]["containers"][0]["env"]]


def test_a_copy_that_follows_is_derived_again() -> None:
    (write,) = make(FOLLOWS, changed(*owned(FOLLOWS))).writes
    assert variables(write.body) == ["LANEWAY_LANE", "NEW"]
    assert labels.DERIVED_FROM not in write.body["metadata"]["annotations"]


def test_a_copy_that_does_not_follow_stays() -> None:
    assert make(FROZEN, changed(*owned())).writes == ()


def test_a_new_copy_is_derived_from_the_baseline_of_now() -> None:
    assert variables(make(FROZEN, changed()).writes[1].body) == ["LANEWAY_LANE", "NEW"]


def test_a_push_reaches_a_copy_that_does_not_follow() -> None:
    (write,) = make(FROZEN, changed(*owned()), b.wanted(image="registry/payment:newer")).writes
    assert variables(write.body) == ["LANEWAY_LANE"]
    assert write.body["spec"]["template"]["spec"]["containers"][0]["image"] == "registry/payment:newer"
    assert write.body["metadata"]["annotations"][labels.BASELINE_REVISION] == "3"


def test_a_change_by_hand_of_a_copy_that_does_not_follow_is_put_back() -> None:
    copies = owned()
    copies[1]["spec"]["replicas"] = 7
    (write,) = make(FROZEN, changed(*copies)).writes
    assert (write.body["spec"]["replicas"], variables(write.body)) == (1, ["LANEWAY_LANE"])


def test_a_copy_that_does_not_follow_outlives_its_baseline() -> None:
    made = make(FROZEN, replace(changed(*owned()), workloads=()))
    assert (made.writes, made.removals, dict(made.problems)) == ((), (), {})


def test_a_chain_that_ceases_to_follow_keeps_its_copies_as_they_are_by_then() -> None:
    (write,) = make(FROZEN, b.snapshot(owned=owned(FOLLOWS))).writes
    frozen = b.applied(plan.Plan(writes=(write,)), **b.rolled_out())
    assert make(FROZEN, changed(owned(FOLLOWS)[0], *frozen)).writes == ()


def test_a_chain_that_follows_again_derives_its_copies_again_and_forgets_what_they_were() -> None:
    (write,) = make(FOLLOWS, changed(*owned())).writes
    assert variables(write.body) == ["LANEWAY_LANE", "NEW"]
    assert labels.DERIVED_FROM not in write.body["metadata"]["annotations"]


@pytest.mark.parametrize("note", ["", "{", "[]", "{}"])
def test_a_note_that_somebody_changed_is_refused_by_name_and_the_copy_stays(note: str) -> None:
    copies = owned()
    copies[1]["metadata"]["annotations"][labels.DERIVED_FROM] = note
    made = make(FROZEN, changed(*copies))
    assert isinstance(made.problems["payment"], RefusedError)
    assert "laneway.dev/derived-from" in str(made.problems["payment"])
    assert (made.writes, made.removals) == ((), ())

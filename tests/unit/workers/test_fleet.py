"""What beat makes of the lanes that it sees."""

from __future__ import annotations

from typing import Any

from provisioner import labels
from provisioner.lane.admission import Rules
from workers.fleet import TOLD_PLACES, Fleet
from workers.relevance import OneLane

SECOND = "2026-01-02T03:04:{:02}Z"
ROOM_FOR_ONE = {"shop": Rules(1)}


def lane(name: str, at: int = 0, chain: str = "shop", **status: Any) -> dict[str, Any]:
    member = {
        "repository": "acme/shop",
        "ref": name,
        "sha": "1" * 40,
        "pull": 1,
        "observedAt": SECOND.format(0),
    }
    return {
        "kind": "Lane",
        "metadata": {
            "name": f"{chain}.{name}",
            "uid": f"{name}-uid",
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": SECOND.format(at),
            "labels": labels.of_lane(chain, name),
        },
        "spec": {"chain": chain, "lane": name, "members": [member]},
        "status": status,
    }


def running(name: str, at: int = 0, **services: str) -> dict[str, Any]:
    """A lane with a copy of each service, derived from that revision of its baseline."""
    told = [
        {"name": service, "inLane": True, "baseline": {"revision": revision}}
        for service, revision in services.items()
    ]
    return lane(name, at, phase="Ready", admittedAt=SECOND.format(at), services=told)


def waits(name: str, at: int, message: str = "waits") -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "False", "reason": "ChainIsFull", "message": message}]
    return lane(name, at, phase="Pending", services=[], conditions=conditions)


def fleet(*objects: dict[str, Any]) -> Fleet:
    made = Fleet()
    for one in objects:
        made.note(one)
    return made


def names(lanes: list[OneLane]) -> list[str]:
    return [one.lane for one in lanes]


def test_a_baseline_concerns_the_lanes_that_have_a_copy_and_those_that_are_not_known_yet() -> None:
    found = fleet(running("a", payment="1"), running("b", orders="1"), lane("new"))
    assert names(found.holders("shop", {"payment"})) == ["a", "new"]
    assert names(found.of_chain("shop")) == ["a", "b", "new"]


def test_a_copy_derived_before_its_baseline_changed_is_behind() -> None:
    found = fleet()
    found.note_baseline("shop", {"payment"}, "2")
    assert found.note(running("late", payment="1"))
    assert not found.note(running("late", payment="1"))
    assert not found.note(running("timely", payment="2"))


def test_when_a_lane_goes_the_first_that_waits_is_looked_at_and_the_others_move_up() -> None:
    found = fleet(running("a"), waits("c", 3), waits("b", 2))
    found.turns(ROOM_FOR_ONE, None)
    assert found.turns(ROOM_FOR_ONE, None) == []
    found.forget(lane("a"))
    assert sorted(names(found.turns(ROOM_FOR_ONE, None))) == ["b", "c"]
    assert found.turns(ROOM_FOR_ONE, None) == []


def test_a_lane_that_says_its_place_already_is_not_looked_at() -> None:
    place = "number 1 in the queue: chain shop has 1 of 1 lanes; it starts by itself when there is room"
    assert fleet(running("a"), waits("b", 2, place)).turns(ROOM_FOR_ONE, None) == []


def test_a_limit_that_is_raised_lets_those_in_that_wait() -> None:
    found = fleet(running("a"), waits("b", 2))
    found.turns(ROOM_FOR_ONE, None)
    assert names(found.turns({"shop": Rules(2)}, None)) == ["b"]


def test_a_lane_that_did_not_move_is_named_again_when_asked_to() -> None:
    found = fleet(waits("b", 2))
    assert names(found.turns(ROOM_FOR_ONE, None)) == ["b"]
    assert found.turns(ROOM_FOR_ONE, None) == []
    found.retell()
    assert names(found.turns(ROOM_FOR_ONE, None)) == ["b"]


def test_a_lane_that_is_pending_for_another_reason_is_left_to_its_retries() -> None:
    conditions = [{"type": "Ready", "status": "False", "reason": "RepositoryUnavailable", "message": "git"}]
    assert fleet(lane("b", phase="Pending", conditions=conditions)).turns(ROOM_FOR_ONE, None) == []


def test_a_limit_for_all_chains_is_seen_to() -> None:
    found = fleet(running("a"), waits("b", 2))
    rules = {"shop": Rules(9)}
    found.turns(rules, 1)
    found.forget(lane("a"))
    assert names(found.turns(rules, 1)) == ["b"]


def test_of_many_that_wait_only_the_first_are_told_their_place() -> None:
    found = fleet(running("a"), *(waits(f"lane-{at:02}", at) for at in range(10, 40)))
    assert len(found.turns(ROOM_FOR_ONE, None)) == TOLD_PLACES


def test_lanes_are_counted_by_chain_and_phase() -> None:
    found = fleet(running("a"), running("b"), waits("c", 1), lane("d", chain="bakery"))
    assert found.phases() == {("shop", "Ready"): 2, ("shop", "Pending"): 1, ("bakery", "Pending"): 1}


def test_the_descendants_of_a_lane_are_its_children_and_theirs() -> None:
    fleet = Fleet()
    for name, parent in (("a", ""), ("b", "a"), ("c", "b"), ("other", ""), ("x", "y"), ("y", "x")):
        child = lane(name)
        child["spec"]["parent"] = parent
        fleet.note(child)
    assert fleet.descendants(OneLane("shop", "a")) == [OneLane("shop", "b"), OneLane("shop", "c")]
    assert fleet.descendants(OneLane("shop", "x")) == [OneLane("shop", "y")]


def test_a_lane_lends_something_else_when_its_branch_its_routes_or_its_parent_change_and_nothing_at_its_end():
    told = {"phase": "Ready", "services": [{"name": "payment", "inLane": True, "route": "lane"}]}
    parent = lane("a", **told)
    found = fleet(parent)
    first = found.lends(OneLane("shop", "a"))
    assert first is not None
    found.note(lane("a", **told, activeAt=SECOND.format(9)))
    assert found.lends(OneLane("shop", "a")) == first
    members = [{**parent["spec"]["members"][0], "sha": "2" * 40}]
    changes = [
        lane("a", phase="Ready", services=[{"name": "payment", "inLane": True, "route": "baseline"}]),
        {**parent, "spec": {**parent["spec"], "members": members}},
        {**parent, "spec": {**parent["spec"], "parent": "b"}},
    ]
    for change in changes:
        found.note(change)
        assert found.lends(OneLane("shop", "a")) not in (None, first)
    found.note(lane("a", **{**told, "phase": "Terminating"}))
    assert found.lends(OneLane("shop", "a")) is None

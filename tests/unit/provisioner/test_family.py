"""The lanes above a lane, and what its status says of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from provisioner.chain.model import Repository
from provisioner.lane import family
from provisioner.lane.family import Family
from provisioner.lane.model import Lane, Member, Mode, stamp
from provisioner.status import inheritance

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SHOP = Repository("https://github.com/acme/shop.git", "acme/shop")


def member(branch: str, repository: str = "acme/shop", base: str = "main", fork: str = "") -> Member:
    return Member(repository, branch, "a" * 40, 7, NOW, base=base, fork=fork)


def lane(name: str, parent: str = "", *members: Member, **more: Any) -> Lane:
    return Lane("shop", name, members or (member(name),), parent=parent, **more)


def of(*lanes: Lane) -> Family:
    """The family of the first."""
    known = {one.name: one for one in lanes}
    return family.of(lanes[0], known.get)


def names(found: Family) -> list[str]:
    return [one.name for one in found.ancestors]


def test_a_lane_without_a_parent_has_no_family_and_nobody_is_asked() -> None:
    def refuse(name: str) -> Lane | None:
        raise AssertionError(name)

    assert family.of(lane("a"), refuse) == Family()


def test_the_nearest_comes_first() -> None:
    assert names(of(lane("c", "b"), lane("b", "a"), lane("a"))) == ["b", "a"]


@pytest.mark.parametrize(
    "above", [None, lane("b", "", status={"phase": "Terminating"}), Lane("shop", "b")], ids=str
)
def test_the_line_ends_at_a_lane_that_is_not_open(above: Lane | None) -> None:
    found = family.of(lane("c", "b"), lambda _: above)
    assert found == Family((), "b is not open")


def test_a_circle_is_cut_before_it_repeats() -> None:
    found = of(lane("a", "b"), lane("b", "c"), lane("c", "a"))
    assert names(found) == ["b", "c"]
    assert found.cut == "a is its own ancestor (a > b > c > a)"


def test_changes_are_told_from_the_parents_branch_where_a_pull_request_of_it_is_in_the_parent() -> None:
    found = of(lane("c", "b"), lane("b"))
    assert found.base(SHOP, member("c", base="b")) == "b"
    assert found.base(SHOP, member("c", "ACME/Shop", base="b")) == "b"


@pytest.mark.parametrize(
    "held", [member("b", "acme/billing"), member("other"), member("b", fork="mallory")], ids=str
)
def test_else_they_are_told_from_the_repositorys_base(held: Member) -> None:
    found = of(lane("c", "b"), lane("b", "", held))
    assert found.base(SHOP, member("c", base="b")) == "main"
    assert Family().base(SHOP, member("c", base="b")) == "main"


def status(*routes: str) -> dict[str, Any]:
    services = [{"name": f"s{place}", "route": route} for place, route in enumerate(routes)]
    return {"conditions": [{"type": "Ready", "status": "True"}], "services": services}


def routes(told: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["route"], one.get("from", "")) for one in told["services"]]


def test_an_ancestor_answers_where_the_baseline_would_and_it_can() -> None:
    above = lane("b", status=status("lane", "waker", "baseline", "lane"))
    far = lane("a", status=status("lane", "lane", "lane", "lane"))
    told = inheritance.told(
        status("baseline", "baseline", "baseline", "lane"), lane("c", "b"), Family((above, far)), NOW
    )
    assert routes(told) == [("parent", "b"), ("parent", "b"), ("parent", "a"), ("lane", "")]


def test_a_strict_lane_inherits_only_where_the_baseline_might_answer() -> None:
    above = lane("b", status=status("lane", "lane"))
    told = inheritance.told(
        status("none", "baseline"), lane("c", "b", mode=Mode.MEMBERS), Family((above,)), NOW
    )
    assert routes(told) == [("none", ""), ("parent", "b")]


def test_what_an_ancestor_answered_before_is_the_baselines_when_it_cannot_any_more() -> None:
    before = status("parent")
    before["services"][0]["from"] = "b"
    told = inheritance.told(before, lane("c", "b"), Family((), "b is not open"), NOW)
    assert routes(told) == [("baseline", "")]
    assert told["conditions"][-1]["reason"] == "ParentNotOpen"


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    first = inheritance.told(status(), lane("c", "b"), Family((lane("b"),)), NOW)
    again = lane("c", "b", status=first)
    later = NOW + timedelta(minutes=5)
    assert inheritance.told(status(), again, Family((lane("b"),)), later) == first
    ended = inheritance.told(status(), again, Family((), "b is not open"), later)
    assert ended["conditions"][-1]["lastTransitionTime"] == stamp(later)


def test_a_lane_without_a_parent_is_told_as_it_is() -> None:
    assert inheritance.told(status("baseline"), lane("c"), Family(), NOW) == status("baseline")

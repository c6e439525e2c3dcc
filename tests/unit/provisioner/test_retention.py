"""Which members and lanes end, and when the brake goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.chain.model import Chain, ForkPolicy, Lifecycle, Repository
from provisioner.errors import GitError, LanewayError
from provisioner.lane import decision
from provisioner.lane.model import Lane, Member, Phase, stamp
from provisioner.sweep import retention
from provisioner.sweep.retention import Action, Facts, Finding, Limits, Pulls, Why
from tests.support.histories import BILLING, CHAIN, SHOP, at

HOUR = timedelta(hours=1)
HEADS: Mapping[str, Mapping[str, str] | LanewayError] = {
    SHOP: {"main": "0" * 40, "feature/a": "a" * 40},
    BILLING: {"main": "0" * 40, "feature/a": "b" * 40},
}
OPEN = Facts(heads=HEADS)
NOW = at(60)
AWAY = GitError("the repository does not answer")


def member(repository: str = SHOP, pull: int = 7, ref: str = "feature/a", **changes: Any) -> Member:
    return replace(Member(repository, ref, "a" * 40, pull, at(0)), **changes)


def lane(*members: Member, active: float = 0, **changes: Any) -> Lane:
    """A lane that has converged on its members' commits."""
    status = {
        "activeAt": stamp(at(active)),
        "heads": [{"member": one.key, "sha": one.sha} for one in members],
        "phase": "Ready",
    }
    return replace(Lane("shop", "feature-a", members, status=status, created=at(active)), **changes)


def reasons(lane: Lane, facts: Facts = OPEN, now: datetime = NOW, chain: Chain = CHAIN) -> list[Why]:
    return [one.why for one in retention.ended(lane, chain, facts, now)]


# --- members -----------------------------------------------------------------------------------------------


def test_a_member_whose_branch_is_there_stays() -> None:
    assert reasons(lane(member())) == []


@pytest.mark.parametrize(
    ("one", "facts", "why"),
    [
        (member("acme/other"), OPEN, Why.REPOSITORY_UNLISTED),
        (member(), Facts({f"{SHOP}#7": at(0)}, HEADS), Why.CLOSED),
        (member(), Facts({f"{SHOP}@feature/a": at(9)}, HEADS), Why.CLOSED),
        (member(ref="gone"), OPEN, Why.BRANCH_GONE),
        (member(repository="Acme/Shop", ref="gone"), OPEN, Why.BRANCH_GONE),
        (member(), Facts(heads={SHOP: {}}), Why.REPOSITORY_SILENT),
        (member(), Facts(heads=HEADS, pulls={SHOP: Pulls(frozenset({8}))}), Why.PULL_CLOSED),
        (member(), Facts(heads=HEADS, pulls={SHOP: Pulls(frozenset())}), Why.FORGE_SILENT),
        (member(), Facts(heads=HEADS, pulls={SHOP: Pulls(frozenset(), frozenset({7}))}), Why.PULL_CLOSED),
    ],
)
def test_a_member_ends_for_the_first_reason_that_holds(one: Member, facts: Facts, why: Why) -> None:
    assert reasons(lane(one), facts) == [why]


@pytest.mark.parametrize(
    "facts",
    [
        Facts(heads={SHOP: AWAY}),
        Facts(),
        Facts({f"{SHOP}#7": at(-1)}, HEADS),
        Facts({f"{SHOP}#8": at(9)}, HEADS),
        Facts(heads=HEADS, pulls={SHOP: AWAY}),
        Facts(heads=HEADS, pulls={SHOP: Pulls(frozenset({7}))}),
    ],
    ids=["git away", "never asked", "reopened since", "another one closed", "forge away", "open at forge"],
)
def test_what_is_not_known_to_have_ended_stays(facts: Facts) -> None:
    assert reasons(lane(member()), facts) == []


def test_a_forks_branch_is_not_looked_for_in_the_repository() -> None:
    assert reasons(lane(member(ref="patch-1", fork="stranger"))) == []


def test_a_forks_pull_request_ends_by_its_tombstone() -> None:
    one = member(ref="patch-1", fork="stranger")
    assert reasons(lane(one), Facts({one.key: at(0)}, HEADS)) == [Why.CLOSED]


def test_a_lane_stays_with_the_members_that_are_left() -> None:
    both = lane(member(), member(BILLING, pull=3))
    endings = retention.ended(both, CHAIN, Facts({f"{SHOP}#7": at(0)}, HEADS), NOW)
    assert [one.action for one in retention.findings(both, endings)] == [Action.REMOVE_MEMBER]
    assert [one.key for one in retention.without(both, endings).members] == [f"{BILLING}#3"]


def test_a_lane_goes_with_its_last_member_for_that_members_reason() -> None:
    last = lane(member(ref="gone"))
    found = retention.findings(last, retention.ended(last, CHAIN, OPEN, NOW))
    assert [(one.action, one.why) for one in found] == [
        (Action.REMOVE_MEMBER, Why.BRANCH_GONE),
        (Action.REMOVE_LANE, Why.BRANCH_GONE),
    ]


def test_a_lane_without_members_goes() -> None:
    found = retention.findings(lane(), retention.ended(lane(), CHAIN, OPEN, NOW))
    assert [(one.action, one.why) for one in found] == [(Action.REMOVE_LANE, Why.NO_MEMBERS)]


def test_a_member_that_was_reopened_since_it_was_judged_stays() -> None:
    seen = lane(member(ref="gone"))
    endings = retention.ended(seen, CHAIN, OPEN, NOW)
    reopened = lane(member(ref="gone", observed_at=at(30)))
    assert retention.without(reopened, endings) == reopened


# --- tombstones --------------------------------------------------------------------------------------------


def test_what_is_buried_opens_again_by_anything_newer_and_by_nothing_else() -> None:
    one = member(ref="gone")
    buried = retention.tombstones(retention.ended(lane(one), CHAIN, OPEN, NOW))
    assert decision.still_open((one,), buried) == ()
    newer = replace(one, observed_at=one.observed_at + timedelta(microseconds=1))
    assert decision.still_open((newer,), buried) == (newer,)


def test_members_of_an_unlisted_repository_are_not_buried() -> None:
    endings = retention.ended(lane(member("acme/other")), CHAIN, OPEN, NOW)
    assert retention.tombstones(endings) == {}


# --- time --------------------------------------------------------------------------------------------------


def test_a_lane_ends_when_nobody_pushed_to_it_for_its_ttl() -> None:
    kept = lane(member(), ttl=HOUR)
    assert reasons(kept, now=at(3600)) == []
    assert reasons(kept, now=at(3601)) == [Why.EXPIRED]


def test_every_member_of_an_expired_lane_ends() -> None:
    both = lane(member(), member(BILLING, pull=3, sha="b" * 40), ttl=HOUR)
    assert reasons(both, now=at(4000)) == [Why.EXPIRED, Why.EXPIRED]


@pytest.mark.parametrize(
    ("own", "of_chain", "hours", "ends"),
    [
        (None, 72 * HOUR, 71, False),
        (None, 72 * HOUR, 73, True),
        (HOUR, 72 * HOUR, 2, True),
        (72 * HOUR, HOUR, 2, False),
        (None, None, 10_000, False),
        (timedelta(days=3650), HOUR, 24 * 365, False),
        (timedelta(days=3650), HOUR, 24 * 367, True),
    ],
)
def test_the_lanes_own_ttl_comes_before_the_chains(
    own: timedelta | None, of_chain: timedelta | None, hours: float, ends: bool
) -> None:
    chain = replace(CHAIN, lifecycle=Lifecycle(ttl=of_chain))
    found = reasons(lane(member(), ttl=own), now=at(hours * 3600), chain=chain)
    assert found == ([Why.EXPIRED] if ends else [])


def test_a_pinned_lane_never_expires_but_goes_with_its_pull_request() -> None:
    pinned = lane(member(), ttl=HOUR, pinned=True)
    assert reasons(pinned, now=at(10**7)) == []
    assert reasons(pinned, Facts({f"{SHOP}#7": at(0)}, HEADS), at(10**7)) == [Why.CLOSED]


def test_a_push_that_nobody_told_of_counts_as_one_of_now() -> None:
    pushed = Facts(heads={SHOP: {"feature/a": "c" * 40}})
    assert reasons(lane(member(), ttl=HOUR), pushed, at(4000)) == []


def test_a_push_that_has_not_been_converged_on_counts_as_one_of_now() -> None:
    behind = lane(member(), ttl=HOUR)
    behind.status["heads"] = [{"member": f"{SHOP}#7", "sha": "9" * 40}]
    assert reasons(behind, now=at(4000)) == []


def test_a_lane_whose_status_was_lost_counts_from_its_creation() -> None:
    bare = lane(member(), ttl=HOUR, status={})
    assert reasons(bare, now=at(3500)) == []
    assert reasons(bare, now=at(3700)) == [Why.EXPIRED]


def test_a_clock_that_was_set_back_ends_nothing() -> None:
    assert reasons(lane(member(), ttl=HOUR), now=at(-86_400)) == []


# --- the brake ---------------------------------------------------------------------------------------------


def going(count: int, why: Why = Why.BRANCH_GONE) -> list[Finding]:
    return [Finding(Action.REMOVE_LANE, why, "shop", f"lane-{n}", "", "it ended") for n in range(count)]


@pytest.mark.parametrize(
    ("count", "total", "stops"),
    [
        (4, 4, False),
        (5, 5, True),
        (5, 16, True),
        (5, 17, False),
        (30, 100, False),
        (31, 100, True),
        (0, 0, False),
    ],
)
def test_the_brake_goes_on_above_the_share_and_from_the_least_number(
    count: int, total: int, stops: bool
) -> None:
    assert bool(retention.brake(going(count), total, Limits(30, 5))) is stops


def test_the_brake_says_how_many_of_how_many() -> None:
    assert retention.brake(going(6), 10, Limits()) == "6 of 10 lanes would go at once, more than 30 %"


@pytest.mark.parametrize("why", [Why.REPOSITORY_SILENT, Why.FORGE_SILENT])
def test_silence_puts_the_brake_on_for_a_single_lane(why: Why) -> None:
    told = retention.brake(going(1, why), 1000, Limits())
    assert "shop.lane-0" in told


def test_members_that_leave_a_lane_to_others_do_not_count() -> None:
    leaving = [replace(one, action=Action.REMOVE_MEMBER) for one in going(50)]
    assert retention.brake(leaving, 50, Limits()) == ""


def test_a_finding_under_the_brake_keeps_its_reason() -> None:
    held = retention.held(going(1)[0])
    assert (held.action, held.why) == (Action.KEEP, Why.BRANCH_GONE)


def test_a_lane_is_closing_once_it_is_terminating_without_members() -> None:
    assert retention.is_closing(lane(status={"phase": Phase.TERMINATING.value}))
    assert not retention.is_closing(lane(member(), status={"phase": Phase.TERMINATING.value}))
    assert not retention.is_closing(lane())


# --- whatever comes ----------------------------------------------------------------------------------------

REPOSITORIES = st.sampled_from([SHOP, BILLING, "acme/other"])
REFS = st.sampled_from(["feature/a", "gone", "main"])
MEMBERS = st.builds(
    member,
    REPOSITORIES,
    st.integers(1, 3),
    REFS,
    observed_at=st.integers(0, 5).map(at),
    fork=st.sampled_from(["", "stranger"]),
)
LANES = st.lists(MEMBERS, max_size=3, unique_by=lambda one: one.key).map(lambda some: lane(*some))
KEYS = st.sampled_from([f"{SHOP}#1", f"{SHOP}#2", f"{BILLING}@gone", f"{SHOP}@feature/a"])
ANSWERS = st.sampled_from([AWAY, {}, {"feature/a": "a" * 40}])
FACTS = st.builds(
    Facts,
    st.dictionaries(KEYS, st.integers(0, 5).map(at)),
    st.dictionaries(st.sampled_from([SHOP, BILLING]), ANSWERS),
)
CHAINS = st.sampled_from([CHAIN, replace(CHAIN, forks=ForkPolicy.ALWAYS)])


@given(LANES, FACTS, CHAINS)
def test_judging_what_is_left_ends_nobody_else(lane: Lane, facts: Facts, chain: Chain) -> None:
    left = retention.without(lane, retention.ended(lane, chain, facts, NOW))
    assert retention.ended(left, chain, facts, NOW) == ()


@given(LANES, FACTS)
def test_nobody_ends_by_silence_of_what_could_not_be_asked(lane: Lane, facts: Facts) -> None:
    blind = Facts(facts.tombstones, dict.fromkeys(facts.heads, AWAY))
    found = {one.why for one in retention.ended(lane, CHAIN, blind, at(60))}
    assert found <= {Why.CLOSED, Why.REPOSITORY_UNLISTED}


@given(LANES, FACTS)
def test_a_lane_goes_if_and_only_if_every_member_ended(lane: Lane, facts: Facts) -> None:
    endings = retention.ended(lane, CHAIN, facts, NOW)
    goes = any(one.action is Action.REMOVE_LANE for one in retention.findings(lane, endings))
    assert goes is (len(endings) == len(lane.members))


@given(LANES, FACTS, st.integers(0, 10**7))
def test_pinning_only_ever_keeps(lane: Lane, facts: Facts, seconds: int) -> None:
    now = at(seconds)
    pinned = {one.member for one in retention.ended(replace(lane, pinned=True), CHAIN, facts, now)}
    assert pinned <= {one.member for one in retention.ended(lane, CHAIN, facts, now)}


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 100), st.integers(1, 10))
def test_fewer_lanes_that_go_never_put_the_brake_on(count: int, more: int, percent: int, least: int) -> None:
    total, limits = 100, Limits(percent, least)
    if not retention.brake(going(count + more), total, limits):
        assert not retention.brake(going(count), total, limits)


def test_a_repository_listed_under_another_spelling_is_the_same() -> None:
    chain = replace(CHAIN, repositories=(Repository("https://x", "ACME/Shop"),))
    assert reasons(lane(member()), chain=chain) == []

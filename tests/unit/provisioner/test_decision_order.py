"""The order in which events arrive means nothing, and what is open in the end is what the law says."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.chain.model import Chain
from provisioner.events import ForgeEvent, Kind
from provisioner.lane import decision
from provisioner.lane.model import Lane
from tests.support.histories import (
    BILLING,
    CHAIN,
    LABELLED,
    SHOP,
    Story,
    approving,
    event,
    forked,
    opened,
    pushed,
    updated,
)


def events(kinds: Iterable[Kind], heads: Iterable[str]) -> st.SearchStrategy[list[ForgeEvent]]:
    """Short histories in which everything meets: few pull requests, few moments, few commits."""
    one = st.builds(
        lambda kind, repository, pull, seconds, sha, base, labels: event(
            kind,
            seconds,
            repository=repository,
            head_repository=repository,
            pull=0 if kind in (Kind.PUSHED, Kind.DELETED) else pull,
            sha=sha * 40,
            base=base,
            labels=labels,
        ),
        st.sampled_from(sorted(kinds)),
        st.sampled_from([SHOP, BILLING]),
        st.integers(7, 8),
        st.integers(0, 5),
        st.sampled_from(sorted(heads)),
        st.sampled_from(["main", "release"]),
        st.sampled_from([(), ("preview",)]),
    )
    return st.lists(one, max_size=8)


@st.composite
def arrivals(
    draw: st.DrawFn, history: st.SearchStrategy[list[ForgeEvent]]
) -> tuple[list[ForgeEvent], list[ForgeEvent]]:
    """A history, and the same in another order with some of it twice."""
    told = draw(history)
    repeated = draw(st.lists(st.sampled_from(told), max_size=4)) if told else []
    return told, draw(st.permutations([*told, *repeated]))


def outcome(chain: Chain, lane: Lane | None, told: list[ForgeEvent]) -> tuple[object, dict[str, datetime]]:
    story = Story(chain, lane)
    if told:
        story.tell(*told)
    return (story.lane.members if story.lane else ()), story.tombstones


OF_PULLS = (Kind.OPENED, Kind.UPDATED, Kind.CLOSED, Kind.DELETED)
CHAINS = st.sampled_from([CHAIN, LABELLED])


@settings(max_examples=400)
@given(arrivals(events(OF_PULLS, "ab")), CHAINS)
def test_the_order_of_arrival_means_nothing(
    told: tuple[list[ForgeEvent], list[ForgeEvent]], chain: Chain
) -> None:
    first, second = told
    assert outcome(chain, None, first) == outcome(chain, None, second)


@settings(max_examples=300)
@given(arrivals(events(Kind, "ab")), CHAINS)
def test_with_pushes_among_them_only_the_sha_may_differ(
    told: tuple[list[ForgeEvent], list[ForgeEvent]], chain: Chain
) -> None:
    def without_sha(found: list[ForgeEvent]) -> tuple[object, dict[str, datetime]]:
        story = Story(chain)
        if found:
            story.tell(*found)
        members = story.lane.members if story.lane else ()
        return [replace(member, sha="") for member in members], story.tombstones

    first, second = told
    assert without_sha(first) == without_sha(second)


def test_a_push_between_two_events_of_one_second_decides_nothing_but_the_sha() -> None:
    first, second = opened(1, sha="a" * 40, base="main"), updated(1, sha="b" * 40, base="release")
    push = pushed(2, sha="c" * 40)
    bases = []
    for told in itertools.permutations((first, second, push)):
        story = Story()
        story.tell(*told)
        assert story.lane is not None
        bases.append(story.lane.members[0].base)
    assert len(set(bases)) == 1


@settings(max_examples=300)
@given(arrivals(events((Kind.OPENED, Kind.UPDATED, Kind.CLOSED), "efg").map(lambda all: [*map(forked, all)])))
def test_of_a_fork_the_approved_shas_alone_decide_in_any_order(
    told: tuple[list[ForgeEvent], list[ForgeEvent]],
) -> None:
    first, second = told
    lane = approving("e", "f").lane
    assert outcome(CHAIN, lane, first) == outcome(CHAIN, lane, second)


@settings(max_examples=300)
@given(events(OF_PULLS, "ab"))
def test_what_is_open_is_what_was_opened_last_and_not_closed_since(told: list[ForgeEvent]) -> None:
    story = Story()
    if told:
        story.tell(*told)
    assert set(story.open) == _open_by_law(told)


@settings(max_examples=300)
@given(events(OF_PULLS, "ab"))
def test_tombstones_read_late_end_what_they_would_have_kept_shut(told: list[ForgeEvent]) -> None:
    """Whoever folds without having read the tombstones is corrected by `still_open`."""
    blind, seeing = Story(), Story()
    for one in told:
        seeing.tell(one)
        made = decision.fold(blind.lane, one, CHAIN, {})
        blind.lane = made.lane or blind.lane
    members = blind.lane.members if blind.lane else ()
    kept = {member.key for member in decision.still_open(members, seeing.tombstones)}
    assert kept == set(seeing.open)


def _open_by_law(told: list[ForgeEvent]) -> set[str]:
    """The law, said plainly: newest opened or updated later than the newest end of pull request or branch."""
    said: dict[str, datetime] = {}
    for one in (one for one in told if one.kind in (Kind.OPENED, Kind.UPDATED)):
        key = decision.member_key(one)
        said[key] = max(one.updated_at, said.get(key, one.updated_at))
    ends = [one for one in told if one.kind in (Kind.CLOSED, Kind.DELETED)]
    return {
        key
        for key, moment in said.items()
        if all(
            one.updated_at < moment for one in ends if key in (decision.member_key(one), _any_of(one, key))
        )
    }


def _any_of(one: ForgeEvent, key: str) -> str:
    """`key` itself when the end is that of a branch, which is every pull request's of its repository here."""
    return key if one.kind is Kind.DELETED and key.startswith(f"{one.repository}#") else ""

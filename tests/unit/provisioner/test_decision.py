"""What events mean for a lane's members: the table of `decision`, line by line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner import names
from provisioner.chain.model import ForkPolicy
from provisioner.errors import InputError
from provisioner.events import Kind
from provisioner.lane import decision
from provisioner.lane.decision import Reason
from provisioner.lane.model import Mode
from tests.support.histories import (
    BILLING,
    BRANCH,
    CHAIN,
    LABELLED,
    PULL,
    SHOP,
    Story,
    approving,
    at,
    closed,
    deleted,
    event,
    forked,
    opened,
    pushed,
    updated,
)


@pytest.fixture
def story() -> Story:
    return Story()


def test_an_opened_pull_request_opens_a_lane_named_after_its_branch(story: Story) -> None:
    assert story.tell(opened(1)).reason is Reason.OPENED
    assert story.open == [PULL]
    assert story.lane is not None
    assert story.lane.name == decision.lane_of(opened(1), CHAIN)
    assert story.lane.members[0].observed_at == at(1)


def test_a_new_lane_has_the_mode_of_its_chain() -> None:
    strict = Story(replace(CHAIN, mode=Mode.ALL))
    strict.tell(opened(1))
    assert strict.lane is not None
    assert strict.lane.mode is Mode.ALL


def test_an_update_whose_opening_was_lost_opens_the_lane(story: Story) -> None:
    assert story.tell(updated(1)).reason is Reason.OPENED


def test_an_update_moves_the_member(story: Story) -> None:
    assert story.tell(opened(1), updated(2, sha="b" * 40, base="release")).reason is Reason.UPDATED
    assert story.sha == "b"
    assert story.lane is not None
    assert story.lane.members[0].base == "release"


def test_an_old_update_after_a_newer_one_changes_nothing(story: Story) -> None:
    made = story.tell(opened(1), updated(3, sha="c" * 40), updated(2, sha="b" * 40))
    assert made.reason is Reason.STALE
    assert made.lane is None
    assert story.sha == "c"


def test_the_same_delivery_ten_times_is_one(story: Story) -> None:
    story.tell(opened(1))
    assert [story.tell(opened(1)).lane for _ in range(10)] == [None] * 10


@pytest.mark.parametrize("merged", [True, False])
def test_a_close_ends_the_lane_and_leaves_a_tombstone(story: Story, merged: bool) -> None:
    made = story.tell(opened(1), closed(2, merged=merged))
    assert made.reason is Reason.CLOSED
    assert made.tombstone == (PULL, at(2))
    assert story.lane is not None
    assert story.lane.members == ()
    assert ("merged" if merged else "closed") in made.message


def test_a_close_before_its_opening_keeps_the_lane_closed(story: Story) -> None:
    assert story.tell(closed(2)).reason is Reason.NOTHING_OPEN
    assert story.tell(opened(1)).reason is Reason.TOMBSTONED
    assert story.open == []


def test_a_close_in_the_second_of_the_opening_wins_in_either_order() -> None:
    for events in ((opened(1), closed(1)), (closed(1), opened(1))):
        story = Story()
        story.tell(*events)
        assert story.open == []


def test_a_reopened_pull_request_opens_again(story: Story) -> None:
    assert story.tell(opened(1), closed(2), opened(3)).reason is Reason.OPENED
    assert story.open == [PULL]


def test_a_close_that_comes_after_the_reopening_changes_nothing(story: Story) -> None:
    made = story.tell(opened(1), opened(3), closed(2))
    assert made.reason is Reason.STALE
    assert story.open == [PULL]


def test_an_update_that_comes_a_day_late_does_not_bring_a_lane_back(story: Story) -> None:
    assert story.tell(opened(1), closed(86_400), updated(2)).reason is Reason.TOMBSTONED


def test_a_known_close_leaves_no_second_tombstone(story: Story) -> None:
    assert story.tell(closed(2), closed(2)).tombstone is None


def test_a_draft_stays_open(story: Story) -> None:
    story.tell(opened(1), updated(2, draft=True))
    assert story.open == [PULL]


def test_two_repositories_share_the_lane_until_the_last_closes(story: Story) -> None:
    story.tell(opened(1), opened(1, repository=BILLING, head_repository=BILLING))
    assert story.open == [f"{BILLING}#7", PULL]
    assert "1 more" in story.tell(closed(2)).message
    assert story.open == [f"{BILLING}#7"]


def test_a_repositorys_case_does_not_matter(story: Story) -> None:
    story.tell(opened(1), closed(2, repository="Acme/Shop", head_repository="Acme/Shop"))
    assert story.open == []


def test_a_push_opens_nothing(story: Story) -> None:
    made = story.tell(pushed(1))
    assert (made.reason, made.lane, made.tombstone) == (Reason.NOTHING_OPEN, None, None)


def test_a_push_moves_the_sha_and_not_the_time_that_a_close_is_judged_by(story: Story) -> None:
    assert story.tell(opened(1), pushed(100, sha="b" * 40)).reason is Reason.UPDATED
    assert story.sha == "b"
    assert story.tell(closed(2)).reason is Reason.CLOSED


def test_a_push_that_does_not_say_where_the_branch_is_changes_nothing(story: Story) -> None:
    assert story.tell(opened(1), pushed(2, sha="")).reason is Reason.STALE
    assert story.lane is not None
    assert story.lane.members[0].sha == opened(1).sha


def test_a_late_push_moves_nothing(story: Story) -> None:
    made = story.tell(opened(5), pushed(4, sha="b" * 40))
    assert made.reason is Reason.STALE
    assert made.lane is None


def test_a_push_of_another_repositorys_branch_concerns_only_its_member(story: Story) -> None:
    story.tell(opened(1), opened(1, repository=BILLING, head_repository=BILLING))
    story.tell(pushed(2, repository=BILLING, sha="b" * 40))
    assert story.lane is not None
    assert [member.sha[:1] for member in story.lane.members] == ["b", "a"]


def test_a_deleted_branch_ends_every_pull_request_of_it(story: Story) -> None:
    story.tell(opened(1), opened(1, pull=8, base="release"))
    made = story.tell(deleted(2))
    assert made.reason is Reason.CLOSED
    assert made.tombstone == (BRANCH, at(2))
    assert story.open == []


def test_a_deletion_before_the_opening_that_it_ended_keeps_the_lane_closed(story: Story) -> None:
    assert story.tell(deleted(2)).reason is Reason.NOTHING_OPEN
    assert story.tell(opened(1)).reason is Reason.TOMBSTONED


def test_a_branch_that_is_made_again_can_hold_a_new_pull_request(story: Story) -> None:
    story.tell(opened(1), deleted(2), opened(3, pull=8))
    assert story.open == [f"{SHOP}#8"]


def test_a_deleted_branch_of_the_repository_leaves_a_forks_branch_of_that_name_alone() -> None:
    story = Story(replace(CHAIN, forks=ForkPolicy.ALWAYS))
    story.tell(forked(opened(1)))
    assert story.tell(deleted(2)).reason is Reason.NOTHING_OPEN
    assert story.open == [PULL]


def test_an_event_of_a_repository_that_the_chain_does_not_list_is_no_concern(story: Story) -> None:
    assert story.tell(opened(1, repository="acme/other")).reason is Reason.NOT_IN_CHAIN
    assert story.open == []


@pytest.mark.parametrize("kind", [Kind.OPENED, Kind.UPDATED, Kind.CLOSED])
def test_a_pull_requests_event_without_its_number_is_refused(story: Story, kind: Kind) -> None:
    with pytest.raises(InputError, match="number"):
        story.tell(event(kind, 1, pull=0))


def test_without_its_label_a_pull_request_opens_nothing() -> None:
    story = Story(LABELLED)
    assert story.tell(opened(1, labels=("bug",))).reason is Reason.NOT_LABELLED
    assert story.open == []


def test_the_label_opens_the_lane_even_in_the_second_of_the_opening() -> None:
    story = Story(LABELLED)
    assert story.tell(opened(1), updated(1, labels=("preview",))).reason is Reason.OPENED


def test_taking_the_label_away_ends_the_lane_and_putting_it_back_opens_it() -> None:
    story = Story(LABELLED)
    story.tell(opened(1, labels=("preview",)))
    assert story.tell(updated(2)).reason is Reason.NOT_LABELLED
    assert story.open == []
    assert story.tell(updated(3, labels=("preview",))).reason is Reason.OPENED


def test_a_label_that_was_taken_away_meanwhile_opens_nothing() -> None:
    story = Story(LABELLED)
    story.tell(updated(3))
    assert story.tell(updated(2, labels=("preview",))).reason is Reason.TOMBSTONED


def test_forks_are_refused_where_the_chain_takes_none() -> None:
    story = Story(replace(CHAIN, forks=ForkPolicy.NEVER))
    made = story.tell(forked(opened(1)))
    assert (made.reason, made.waiting) == (Reason.FORK_REFUSED, False)
    assert story.open == []


def test_a_forks_head_waits_for_its_approval(story: Story) -> None:
    made = story.tell(forked(opened(1)))
    assert (made.reason, made.waiting, made.lane) == (Reason.AWAITING_APPROVAL, True, None)
    assert "f" * 40 in made.message


def test_an_approved_sha_of_a_fork_opens_its_lane() -> None:
    story = approving("f")
    assert story.tell(forked(opened(1))).reason is Reason.OPENED
    assert story.lane is not None
    assert story.lane.members[0].fork == "stranger"


def test_the_next_sha_of_a_fork_waits_and_the_lane_stays_at_the_approved_one() -> None:
    story = approving("f")
    made = story.tell(forked(opened(1)), forked(updated(2), "e" * 40))
    assert (made.reason, made.waiting) == (Reason.AWAITING_APPROVAL, True)
    assert "stays at ffff" in made.message
    assert story.sha == "f"


def test_an_approval_is_for_one_sha_only() -> None:
    story = approving("e")
    assert story.tell(forked(opened(1))).reason is Reason.AWAITING_APPROVAL


@pytest.mark.parametrize(
    ("policy", "sha", "runs"),
    [
        (ForkPolicy.APPROVE, "f" * 40, True),
        (ForkPolicy.APPROVE, "e" * 40, False),
        (ForkPolicy.NEVER, "f" * 40, False),
        (ForkPolicy.ALWAYS, "e" * 40, True),
    ],
)
def test_a_head_that_a_fork_moved_to_without_an_event_is_judged_by_its_own_sha(
    policy: ForkPolicy, sha: str, runs: bool
) -> None:
    story = approving("f")
    story.tell(forked(opened(1)))
    assert story.lane is not None
    chain = replace(CHAIN, forks=policy)
    assert decision.may_run(chain, story.lane, story.lane.members[0], sha) is runs


def test_every_head_of_the_repository_itself_may_run(story: Story) -> None:
    story.tell(opened(1))
    assert story.lane is not None
    assert decision.may_run(CHAIN, story.lane, story.lane.members[0], "e" * 40)


def test_a_closed_fork_does_not_wait_any_more(story: Story) -> None:
    assert story.tell(closed(2, head_repository="stranger/shop"), forked(opened(1))).waiting is False


def test_a_fork_and_a_branch_of_one_name_are_two_lanes() -> None:
    assert decision.lane_of(opened(1), CHAIN) != decision.lane_of(forked(opened(1)), CHAIN)


def test_members_that_ended_unseen_are_dropped_when_the_tombstones_are_read(story: Story) -> None:
    story.tell(opened(1), opened(5, pull=8))
    assert story.lane is not None
    for ended in ({PULL: at(1)}, {BRANCH: at(2)}):
        assert [one.pull for one in decision.still_open(story.lane.members, ended)] == [8]


def test_a_pull_request_into_another_than_the_base_branch_gives_its_lane_a_parent(story: Story) -> None:
    story.tell(opened(1, base="feature/Below"))
    assert story.lane is not None
    assert story.lane.parent == names.lane_name("feature/Below")
    story.tell(updated(2, base="main"))
    assert story.lane.parent == ""


def test_of_several_pull_requests_the_first_that_has_a_parent_gives_it(story: Story) -> None:
    story.tell(opened(1), opened(1, repository=BILLING, pull=8, base="below"))
    assert story.lane is not None
    first = min(story.lane.members, key=lambda member: member.key)
    story.tell(updated(2, repository=first.repository, pull=first.pull, base="other"))
    assert story.lane.parent == "other"
    story.tell(closed(3, repository=first.repository, pull=first.pull))
    assert story.lane.parent in ("below", "")


def test_a_lane_is_never_its_own_parent(story: Story) -> None:
    story.tell(opened(1, base=opened(1).ref))
    assert story.lane is not None
    assert story.lane.parent == ""

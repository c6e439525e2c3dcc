"""What an event means for the members of its lane: one pure fold. The caller stores what it returns.

Promises: the order of arrival and repetition mean nothing. Whatever the permutation of a history, the same
members and the same tombstones come out (a member's `sha` apart, which a push may have set: it is a hint
anyway, git has the last word). To that end every closing leaves a tombstone, whether or not anything was
open: nothing that is as old or older opens that pull request again.

    event             nothing open                      member open
    ----------------  --------------------------------  -------------------------------------------------
    opened, updated   Opened; Tombstoned when a         Updated; Stale when not newer than the member
                      tombstone is as new
      ... without     NotLabelled + tombstone just      Closed as NotLabelled, or Stale when the member is
      its label       before the event                  as new or newer; + tombstone just before the event
      ... of a fork   ForkRefused, AwaitingApproval,    the same; the member stays at the sha that was
                      or Opened at an approved sha      approved last
    closed            NothingOpen + tombstone           Closed, or Stale when the member is newer; + tombstone
    pushed            NothingOpen                       Updated (its sha only), or Stale
    deleted           NothingOpen + tombstone of the    Closed for every member of the branch that is not
                      branch                            newer; + tombstone of the branch

Ties, since forges count in seconds: closed beats opened and updated, having the label beats not having it
(a pull request made with a label arrives as opened without and labelled with it, in one second), and among
the rest any fixed rule will do; here it is the text that sorts last.

Two clocks: `updated_at` of a pull request's events is the forge's. That of `pushed` and `deleted` is the
commit's or the receiver's, since forges send none. So a push never moves `observed_at`, by which a later
`closed` is judged. A deletion that is delivered late looks newer than it is: the caller must fold it only
if git says that the branch is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from provisioner import names
from provisioner.chain.model import Chain, ForkPolicy, Trigger
from provisioner.errors import InputError
from provisioner.events import ForgeEvent, Kind
from provisioner.lane.model import Lane, Member

_JUST = timedelta(microseconds=1)  # the finest that a Lane's times are stored with


class Reason(StrEnum):
    """Why a decision is what it is; the same words in logs, metrics and replies."""

    OPENED = "Opened"  # the pull request holds the lane open from now on
    UPDATED = "Updated"  # it did already; what is known of it is newer
    STALE = "Stale"  # something newer is known of it
    CLOSED = "Closed"  # it, or its branch, ended
    TOMBSTONED = "Tombstoned"  # it ended at this time or later, the event is late
    NOTHING_OPEN = "NothingOpen"  # no member of the lane is concerned
    NOT_LABELLED = "NotLabelled"  # the chain asks for a label that the pull request lacks
    FORK_REFUSED = "ForkRefused"  # the chain takes no forks
    AWAITING_APPROVAL = "AwaitingApproval"  # this sha of a fork has not been approved
    NOT_IN_CHAIN = "NotInChain"  # the chain does not list the repository
    OF_A_RELEASE = "LaneOfARelease"  # a release has the lane of that name, and takes no members


@dataclass(frozen=True)
class Decision:
    """`lane` is to be written if it is not None (without members: the lane is to go), `tombstone` is a
    member's or branch's key and the time up to which nothing opens it again, to be kept if it is not None;
    `waiting` asks to remember the event until somebody approves its sha."""

    reason: Reason
    message: str
    lane: Lane | None = None
    tombstone: tuple[str, datetime] | None = None
    waiting: bool = False


def lane_of(event: ForgeEvent, chain: Chain) -> str:
    """The name of the lane that the event is about: members of one branch name share it, forks do not."""
    return names.lane_name(event.ref, event.fork)


def parent_of(lane: Lane, chain: Chain) -> str:
    """The lane of the branch that the lane's pull requests are to be merged into, of the first of them for
    which that is another than its repository's base; empty for none. It need not exist."""
    for member in lane.members:
        repository = chain.repository(member.repository)
        if repository is None or member.base in ("", repository.base):
            continue
        above = names.lane_name(member.base)
        if above != lane.name:
            return above
    return ""


def fold(lane: Lane | None, event: ForgeEvent, chain: Chain, tombstones: Mapping[str, datetime]) -> Decision:
    """What `event` makes of its lane, `lane` being the one of `lane_of` or None if there is none.

    `tombstones` may hold more than this lane's. Raises InputError for an event that cannot be: one of a
    pull request without its number.
    """
    made = _fold(lane, event, chain, tombstones)
    if made.lane is None:
        return made
    return replace(made, lane=replace(made.lane, parent=parent_of(made.lane, chain)))


def _fold(lane: Lane | None, event: ForgeEvent, chain: Chain, tombstones: Mapping[str, datetime]) -> Decision:
    if chain.repository(event.repository) is None:
        return Decision(Reason.NOT_IN_CHAIN, f"chain {chain.name} does not list {event.repository}")
    if lane is not None and lane.release:
        message = f"release {lane.release} has the lane of this name; the branch gets none while it lasts"
        return Decision(Reason.OF_A_RELEASE, message)
    if event.kind is Kind.PUSHED:
        return _pushed(lane, event)
    if event.kind is Kind.DELETED:
        return _end(lane, _deleted(lane, event), tombstones)
    if event.pull < 1:
        raise InputError(f"{event.kind} without a pull request's number", where=f"delivery {event.delivery}")
    if event.kind is Kind.CLOSED:
        return _end(lane, _closed(event), tombstones)
    return _wanted(lane, event, chain, tombstones)


def member_key(event: ForgeEvent) -> str:
    """The key of the member that a pull request's event is about."""
    return f"{event.repository.lower()}#{event.pull}"


def branch_key(event: ForgeEvent) -> str:
    """The key of the tombstone that the end of the event's branch leaves."""
    return f"{event.repository.lower()}@{event.ref}"


def asks_for_lane(event: ForgeEvent, chain: Chain) -> bool:
    """Whether a pull request as its forge shows it is open, and has the label that the chain asks for."""
    return event.kind is not Kind.CLOSED and not _lacks_label(event, chain)


def still_open(members: Iterable[Member], tombstones: Mapping[str, datetime]) -> tuple[Member, ...]:
    """The members that no tombstone ends: what `fold` would have left had it known all tombstones."""
    return tuple(member for member in members if not _is_buried(member, tombstones))


def absent(lane: Lane, chain: Chain) -> tuple[Member, ...]:
    """The members of a lane when it converged last that its spec has no more, of repositories that the chain
    still lists. Those that no tombstone ends were taken out by hand."""
    before = (Member.from_json(one) for one in lane.status.get("members") or ())
    return tuple(one for one in before if lane.member(one.key) is None and chain.repository(one.repository))


def may_run(chain: Chain, lane: Lane, member: Member, sha: str) -> bool:
    """Whether `sha` of the member may run in the lane: of a fork, only what its chain's policy or an approval
    of that very sha allows. Ask it for the head that git shows, too: a fork's moves without an event."""
    if not member.fork or chain.forks is ForkPolicy.ALWAYS:
        return True
    return chain.forks is ForkPolicy.APPROVE and sha in lane.approved


def _wanted(
    lane: Lane | None, event: ForgeEvent, chain: Chain, tombstones: Mapping[str, datetime]
) -> Decision:
    """A pull request that is open, as its forge says."""
    if _lacks_label(event, chain):
        return _end(lane, _unlabelled(event, chain.lifecycle.label), tombstones)
    member = _member(event)
    if _is_buried(member, tombstones):
        return Decision(Reason.TOMBSTONED, f"{member.key} ended since this was so")
    known = lane.member(member.key) if lane else None
    if known is not None and not _newer(member, known):
        return Decision(Reason.STALE, f"{member.key} is known as of {known.observed_at.isoformat()}")
    lane = lane or Lane(chain.name, lane_of(event, chain), mode=chain.mode)
    if not may_run(chain, lane, member, event.sha):
        return _fork(event, chain.forks, known)
    reason = Reason.OPENED if known is None else Reason.UPDATED
    return Decision(reason, f"{member.key} is open at {member.sha[:12]}", lane.with_member(member))


def _lacks_label(event: ForgeEvent, chain: Chain) -> bool:
    return chain.lifecycle.when is Trigger.LABELLED and chain.lifecycle.label not in event.labels


def _fork(event: ForgeEvent, policy: ForkPolicy, known: Member | None) -> Decision:
    """A fork's sha that may not run opens nothing and moves nothing."""
    if policy is ForkPolicy.NEVER:
        return Decision(Reason.FORK_REFUSED, f"{event.head_repository} is a fork, and forks.policy is never")
    stays = f"; the lane stays at {known.sha[:12]}" if known else ""
    message = f"{event.sha} of the fork {event.head_repository} waits for approval{stays}"
    return Decision(Reason.AWAITING_APPROVAL, message, waiting=True)


@dataclass(frozen=True)
class _Ending:
    """Members that end, if they are not newer than `until`, and the key that is kept against late events."""

    keys: frozenset[str]
    buried: str
    until: datetime
    reason: Reason
    message: str


def _unlabelled(event: ForgeEvent, label: str) -> _Ending:
    key = member_key(event)
    # just before the event: the label that arrives in the same second must still open
    until = event.updated_at - _JUST
    return _Ending(frozenset({key}), key, until, Reason.NOT_LABELLED, f"{key} lacks the label {label!r}")


def _closed(event: ForgeEvent) -> _Ending:
    key = member_key(event)
    message = f"{key} was {'merged' if event.merged else 'closed'}"
    return _Ending(frozenset({key}), key, event.updated_at, Reason.CLOSED, message)


def _deleted(lane: Lane | None, event: ForgeEvent) -> _Ending:
    keys = frozenset(member.key for member in _of_branch(lane, event))
    message = f"branch {event.ref} of {event.repository} was deleted"
    return _Ending(keys, branch_key(event), event.updated_at, Reason.CLOSED, message)


def _end(lane: Lane | None, ending: _Ending, tombstones: Mapping[str, datetime]) -> Decision:
    """Takes the members out of the lane. The tombstone is due whether or not there is one, unless known."""
    known = tombstones.get(ending.buried)
    tombstone = (ending.buried, ending.until) if known is None or known < ending.until else None
    concerned = [member for member in (lane.members if lane else ()) if member.key in ending.keys]
    ended = [member for member in concerned if member.observed_at <= ending.until]
    if lane is None or not concerned:
        reason = Reason.NOTHING_OPEN if ending.reason is Reason.CLOSED else ending.reason
        return Decision(reason, f"{ending.message}; it held no lane open", tombstone=tombstone)
    if not ended:
        return Decision(Reason.STALE, f"{ending.message}, but was open since", tombstone=tombstone)
    for member in ended:
        lane = lane.without_member(member.key)
    left = f"; {len(lane.members)} more hold the lane open" if lane.members else ""
    return Decision(ending.reason, ending.message + left, lane, tombstone)


def _pushed(lane: Lane | None, event: ForgeEvent) -> Decision:
    """The members of the branch move to the pushed sha; `observed_at` stays, see the two clocks above."""
    members = _of_branch(lane, event)
    if lane is None or not members:
        return Decision(Reason.NOTHING_OPEN, f"no pull request of {event.ref} is open; a push opens none")
    if not event.sha:  # some forges do not say where a new branch is
        return Decision(Reason.STALE, f"{event.ref} was pushed to; git knows where it is")
    moved = [one for one in members if one.sha != event.sha and one.observed_at < event.updated_at]
    if not moved:
        return Decision(Reason.STALE, f"{event.ref} is known to be at {members[0].sha[:12]}")
    for member in moved:
        lane = lane.with_member(replace(member, sha=event.sha))
    return Decision(Reason.UPDATED, f"{event.ref} is at {event.sha[:12]}", lane)


def _of_branch(lane: Lane | None, event: ForgeEvent) -> list[Member]:
    """The members whose head is the event's branch in the event's repository; a fork's is another branch."""
    wanted = event.repository.lower()
    return [
        member
        for member in (lane.members if lane else ())
        if member.repository.lower() == wanted and member.ref == event.ref and not member.fork
    ]


def _is_buried(member: Member, tombstones: Mapping[str, datetime]) -> bool:
    """Whether the pull request or, if it is the repository's own, its branch ended at this time or later."""
    branch = f"{member.repository.lower()}@{member.ref}"
    keys = (member.key,) if member.fork else (member.key, branch)
    return any(tombstones[key] >= member.observed_at for key in keys if key in tombstones)


def _newer(member: Member, known: Member) -> bool:
    return (member.observed_at, _rank(member)) > (known.observed_at, _rank(known))


def _rank(member: Member) -> tuple[str, ...]:
    # the sha last: it alone may differ between two orders of arrival, so it must not decide about the rest
    return (member.base, member.url, member.author, member.sha)


def _member(event: ForgeEvent) -> Member:
    return Member(
        repository=event.repository,
        ref=event.ref,
        sha=event.sha,
        pull=event.pull,
        observed_at=event.updated_at,
        base=event.base,
        author=event.author,
        fork=event.fork,
        url=event.url,
    )

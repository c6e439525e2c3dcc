"""Which members and lanes have ended, and why. Pure.

A member ends for the first reason that holds, a lane with its last member, or when its time is over:

    the chain no longer lists its repository         RepositoryUnlisted
    its closing was delivered and noted              Closed
    the forge says that it is not open               PullRequestClosed    where the forge can be asked
    its branch is not in the repository              BranchGone           not of forks: theirs is elsewhere
    nobody pushed to or used the lane for its ttl    Expired              not of pinned lanes

What could not be asked ends nothing. A repository or forge that answers, and reports nothing at all although
a lane is open there, is more likely broken than empty (unless the forge says of that very pull request that
it is closed): RepositorySilent and ForgeSilent put the brake on, and so does a large share of all lanes going
at once. Then nothing goes until somebody confirms it.

What ends is buried, a tombstone at the member's own time, so that a late delivery does not bring it back: no
clock is compared with another, and whatever the forge says later opens it again. An unlisted repository's
members get none: listing it again and delivering again must work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from provisioner import durations
from provisioner.chain.model import Chain
from provisioner.errors import LanewayError
from provisioner.lane import decision
from provisioner.lane.model import Lane, Member, Phase, moment, object_name, stamp

SHORTEST_TTL = timedelta(minutes=1)
LONGEST_TTL = timedelta(days=366)


class Action(StrEnum):
    """What the sweep does about a finding."""

    TAKE_IN = "take in"
    REMOVE_MEMBER = "remove member"
    REMOVE_LANE = "remove lane"
    REMOVE_OBJECT = "remove object"
    REMOVE_RELEASE = "remove release"
    CONVERGE = "converge"
    REPAIR = "repair"
    KEEP = "keep"


class Why(StrEnum):
    """The reason of a finding, the same word in tables, JSON, metrics and Events."""

    REPOSITORY_UNLISTED = "RepositoryUnlisted"
    CLOSED = "Closed"
    PULL_CLOSED = "PullRequestClosed"
    PULL_OPEN = "PullRequestOpen"  # at the forge, and no lane knows of it, or not at this commit
    RELEASE_GONE = "ReleaseGone"  # a release's lane whose Release is not there any more
    RELEASE_OLD = "ReleaseOld"  # it was over long ago
    RELEASED = "Released"  # a release's lane, which only a convergence looks at
    RETARGETED = "Retargeted"  # at the forge, its base branch is another than its lane knows
    FORGE_SILENT = "ForgeSilent"
    BRANCH_GONE = "BranchGone"
    REPOSITORY_SILENT = "RepositorySilent"
    EXPIRED = "Expired"
    NO_MEMBERS = "NoMembers"

    ORPHAN = "Orphan"  # an object whose Lane is gone
    FOREIGN = "Foreign"  # an object with a lane's label that Laneway did not make

    NO_STATUS = "NoStatus"
    SPEC_CHANGED = "SpecChanged"  # since the last convergence
    CHAIN_CHANGED = "ChainChanged"  # the chain's file says something else than at the last convergence
    HEAD_MOVED = "HeadMoved"
    NOT_READY = "NotReady"
    REST_DUE = "RestDue"  # it should sleep and does not, or sleeps and should not
    DRIFTED = "Drifted"  # what it owns is not what it should own
    MESHED = "Meshed"  # its routes lie in a mesh, and only a convergence looks at them
    LABELS_LOST = "LabelsLost"
    MEMBERS_LOST = "MembersLost"  # somebody took a member out that is open

    UNKNOWN_CHAIN = "UnknownChain"
    UNREADABLE = "Unreadable"  # a Lane that is none
    BEING_DELETED = "BeingDeleted"
    UNREACHABLE = "RepositoryUnavailable"
    FORGE_UNREACHABLE = "ForgeUnavailable"


SILENT = (Why.REPOSITORY_SILENT, Why.FORGE_SILENT)
_BURIED = (Why.PULL_CLOSED, Why.FORGE_SILENT, Why.BRANCH_GONE, Why.REPOSITORY_SILENT, Why.EXPIRED)


@dataclass(frozen=True)
class Finding:
    """One thing that the sweep found. `chain` and `lane` may be empty for what belongs to none; `subject` is
    the member's key, or KIND NAMESPACE/NAME of an object."""

    action: Action
    why: Why
    chain: str
    lane: str
    subject: str
    message: str

    @property
    def lane_name(self) -> str:
        return object_name(self.chain, self.lane)

    def to_json(self) -> dict[str, str]:
        return {
            "action": self.action.value,
            "reason": self.why.value,
            "chain": self.chain,
            "lane": self.lane,
            "subject": self.subject,
            "message": self.message,
        }


@dataclass(frozen=True)
class Pulls:
    """The numbers of a repository's pull requests that may hold a lane, as its forge lists them. `closed`
    are those of which it said by name that they may not."""

    open: frozenset[int]
    closed: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Facts:
    """What is true of one chain's pull requests now. Keys are repositories' names in lower case; a value that
    is an error says why that one could not be asked. A forge that nobody can ask is not in `pulls`."""

    tombstones: Mapping[str, datetime] = field(default_factory=dict)
    heads: Mapping[str, Mapping[str, str] | LanewayError] = field(default_factory=dict)
    pulls: Mapping[str, Pulls | LanewayError] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """A member that no longer holds its lane open, and when that was found."""

    member: Member
    why: Why
    message: str
    at: datetime | None = None

    @property
    def buried(self) -> bool:
        """Whether a tombstone has to keep late deliveries from bringing it back."""
        return self.why in _BURIED


@dataclass(frozen=True)
class Limits:
    """When the brake goes on: `least` lanes or more would go, and more than `percent` of all."""

    percent: int = 30
    least: int = 5


def ended(lane: Lane, chain: Chain, facts: Facts, now: datetime) -> tuple[Ended, ...]:
    """The members of a lane that have ended, in their order."""
    found = tuple(one for member in lane.members if (one := _ended(member, chain, facts)))
    left = [member for member in lane.members if member not in [one.member for one in found]]
    if not left or not (told := _expired(lane, chain, facts, now)):
        return found
    return (*found, *(Ended(member, Why.EXPIRED, told, now) for member in left))


def findings(lane: Lane, endings: Sequence[Ended]) -> tuple[Finding, ...]:
    """What a lane's endings mean: a line for each member that goes, and one for the lane if none is left."""
    members = tuple(
        Finding(Action.REMOVE_MEMBER, one.why, lane.chain, lane.name, one.member.key, one.message)
        for one in endings
    )
    if len(endings) < len(lane.members):
        return members
    why = endings[-1].why if endings else Why.NO_MEMBERS
    gone = Finding(Action.REMOVE_LANE, why, lane.chain, lane.name, "", "no member is left; its copies go")
    return (*members, gone)


def without(lane: Lane, endings: Iterable[Ended]) -> Lane:
    """The lane without the members that ended, as far as they are still the ones that were judged."""
    gone = {(one.member.key, one.member.ref, one.member.observed_at) for one in endings}
    left = tuple(one for one in lane.members if (one.key, one.ref, one.observed_at) not in gone)
    return replace(lane, members=left)


def tombstones(endings: Iterable[Ended]) -> dict[str, datetime]:
    """What has to be buried, by member key; of those that expired their commit, too."""
    buried = [one for one in endings if one.buried]
    expired = {expired_key(one.member.key, one.member.sha): one.at for one in buried if one.at}
    return {**{one.member.key: one.member.observed_at for one in buried}, **expired}


def expired_key(member: str, sha: str) -> str:
    """The key of the tombstone by which an open pull request is known to have expired at that commit: that
    somebody wrote a comment since then does not make the sweep take it in again."""
    return f"{member} at {sha}"


def active_at(lane: Lane) -> datetime | None:
    """When the lane was last pushed to or used; None when that was not noted yet."""
    noted = lane.status.get("activeAt")
    return moment(noted) if noted else lane.created


def brake(going: Iterable[Finding], total: int, limits: Limits) -> str:
    """Why nothing may go without a confirmation; empty when all is as usual. `going` are the findings of
    lanes that are not being closed already, `total` is the number of all lanes."""
    found = tuple(going)
    silent = next((one for one in found if one.why in SILENT), None)
    if silent is not None:
        return f"{silent.message}, although lane {silent.lane_name} is open there"
    lanes = {one.lane_name for one in found if one.action is Action.REMOVE_LANE}
    if len(lanes) >= limits.least and len(lanes) * 100 > limits.percent * total:
        return f"{len(lanes)} of {total} lanes would go at once, more than {limits.percent} %"
    return ""


def held(finding: Finding) -> Finding:
    """The finding of something that would go, under the brake."""
    return replace(finding, action=Action.KEEP, message=f"kept by the brake: {finding.message}")


def is_closing(lane: Lane) -> bool:
    """Whether the lane is on its way out already."""
    return lane.phase == Phase.TERMINATING and not lane.wanted


def _ended(member: Member, chain: Chain, facts: Facts) -> Ended | None:
    if chain.repository(member.repository) is None:
        return Ended(
            member, Why.REPOSITORY_UNLISTED, f"chain {chain.name} no longer lists {member.repository}"
        )
    if not decision.still_open((member,), facts.tombstones):
        return Ended(member, Why.CLOSED, "its closing was delivered")
    return _closed_at_forge(member, facts) or _without_branch(member, facts)


def _closed_at_forge(member: Member, facts: Facts) -> Ended | None:
    pulls = facts.pulls.get(member.repository.lower())
    if pulls is None or isinstance(pulls, LanewayError) or member.pull in pulls.open:
        return None
    if not pulls.open and member.pull not in pulls.closed:
        return Ended(
            member, Why.FORGE_SILENT, f"the forge reports no open pull request of {member.repository}"
        )
    return Ended(member, Why.PULL_CLOSED, f"the forge says that {member.key} no longer asks for a lane")


def _without_branch(member: Member, facts: Facts) -> Ended | None:
    heads = facts.heads.get(member.repository.lower())
    if member.fork or heads is None or isinstance(heads, LanewayError) or member.ref in heads:
        return None
    if not heads:
        return Ended(
            member, Why.REPOSITORY_SILENT, f"repository {member.repository} reports no branch at all"
        )
    return Ended(member, Why.BRANCH_GONE, f"branch {member.ref} is not in {member.repository} any more")


def _expired(lane: Lane, chain: Chain, facts: Facts, now: datetime) -> str:
    """Why the lane's time is over; empty while it is not. A push that has not been converged on yet, or that
    nobody told of, counts as one of now."""
    ttl, since = lane.ttl or chain.lifecycle.ttl, active_at(lane)
    if lane.pinned or ttl is None or since is None or pushed(lane, facts):
        return ""
    ttl = min(max(ttl, SHORTEST_TTL), LONGEST_TTL)
    if now - since <= ttl:
        return ""
    return f"nobody pushed to it or used it since {stamp(since)}; its ttl is {durations.format(ttl)}"


def pushed(lane: Lane, facts: Facts) -> str:
    """Which member has a commit that the lane's status does not know of; empty when none has."""
    known = {one["member"]: one["sha"] for one in lane.status.get("heads") or ()}
    for member in lane.members:
        heads = facts.heads.get(member.repository.lower())
        silent = member.fork or heads is None or isinstance(heads, LanewayError)
        head = member.sha if silent or not isinstance(heads, Mapping) else heads.get(member.ref, member.sha)
        if known and known.get(member.key) != head:
            return f"{member.key} is at {head[:12]}, the lane at {known.get(member.key, 'none')[:12]}"
    return ""

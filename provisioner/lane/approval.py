"""Approving one commit of a fork: nothing else of that fork may run by it.

What waits is known from two places: the ledger has the events of forks whose head was not approved, and the
status of a lane says when git shows a head that was not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn

from provisioner.chain.model import Chain, ForkPolicy
from provisioner.errors import InputError
from provisioner.events import ForgeEvent
from provisioner.lane import decision
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane, object_name
from provisioner.world import World

MOST_APPROVED = 50  # shas that a Lane keeps; the oldest go first

_FULL_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Waiting:
    """A commit that waits for an approval, and whose it is."""

    sha: str
    told: str


def approve(chain: Chain, name: str, sha: str, world: World) -> Lane:
    """Lets that very commit of a fork run in the lane, which is opened where it is not. The lane converges
    as beat notices it.

    Raises InputError, which lists what waits, when that commit does not; ConflictError after several tries.
    """
    _check_policy(chain)
    return lanes.on_conflict(lambda: _approve(chain, name, sha.lower(), world))


def _approve(chain: Chain, name: str, sha: str, world: World) -> Lane:
    lane = lanes.read(world.cluster, chain.name, name)
    facts = world.ledger(chain).read(name)
    events = tuple(_of_lane(facts.waiting.values(), name, chain))
    if lane is not None and sha in lane.approved:
        return lane
    event = next((one for one in events if one.sha == sha), None)
    if not _FULL_SHA.fullmatch(sha) or (event is None and sha not in _blocked_at(lane)):
        _refuse(chain, name, sha, waiting(lane, events, facts.tombstones))
    known = lane or Lane(chain.name, name, mode=chain.mode)
    known = replace(known, approved=(*known.approved, sha)[-MOST_APPROVED:])
    return lanes.write(
        world.cluster, known if event is None else _with(known, event, chain, facts.tombstones)
    )


def waiting(
    lane: Lane | None, events: Iterable[ForgeEvent], tombstones: Mapping[str, datetime]
) -> tuple[Waiting, ...]:
    """What of a lane waits for an approval now; pure."""
    approved = lane.approved if lane else ()
    found = [
        Waiting(one.sha, f"pull request {one.pull} of {one.head_repository}, by {one.author or 'unknown'}")
        for one in events
        if one.sha not in approved and not _is_over(one, tombstones)
    ]
    known = [one.sha for one in found]
    blocked = [Waiting(sha, "the head that git shows") for sha in _blocked_at(lane) if sha not in known]
    return (*found, *blocked)


def _with(lane: Lane, event: ForgeEvent, chain: Chain, tombstones: Mapping[str, datetime]) -> Lane:
    """The lane with the pull request at its approved commit."""
    made = decision.fold(lane, event, chain, tombstones)
    if made.lane is None and not lane.members:
        raise InputError(f"{made.message}; there is nothing to approve", reason=made.reason)
    return made.lane or lane


def _of_lane(events: Iterable[ForgeEvent], name: str, chain: Chain) -> Iterable[ForgeEvent]:
    return (one for one in events if decision.lane_of(one, chain) == name)


def _is_over(event: ForgeEvent, tombstones: Mapping[str, datetime]) -> bool:
    until = tombstones.get(decision.member_key(event))
    return until is not None and until >= event.updated_at


def _blocked_at(lane: Lane | None) -> tuple[str, ...]:
    """The head that the lane's last convergence met and did not run."""
    conditions = lane.status.get("conditions") or () if lane else ()
    told = [one["message"] for one in conditions if one.get("reason") == decision.Reason.AWAITING_APPROVAL]
    found = (match for text in told for match in re.findall(r"\b[0-9a-f]{40,64}\b", text))
    return tuple(dict.fromkeys(found))


def _check_policy(chain: Chain) -> None:
    if chain.forks is not ForkPolicy.APPROVE:
        raise InputError(
            f"forks.policy of the chain is {chain.forks.value}; only with `approve` a commit is approved",
            where=chain.source or f"chain {chain.name}",
        )


def _refuse(chain: Chain, name: str, sha: str, known: Iterable[Waiting]) -> NoReturn:
    listed = "\n".join(f"  {one.sha}  {one.told}" for one in known)
    what = "does not wait for an approval" if _FULL_SHA.fullmatch(sha) else "is no full commit id"
    waits = f"what waits:\n{listed}" if listed else "nothing waits for one there"
    raise InputError(f"{sha[:80]!r} {what}; {waits}", where=f"lane {object_name(chain.name, name)}")

"""`Lane.status`: what a lane is, told from the plan and from what the cluster holds after it. Pure.

The phase, first line that holds:

| what is so | phase | reason of the Ready condition |
|---|---|---|
| neither a pull request nor a release holds the lane open (`terminating`) | Terminating | Closing |
| the same, and its routes may not be taken away (`unending`) | Degraded, or as it was | that error's reason |
| there is no room for it within a limit (`waiting`) | Pending | that limit |
| its sources cannot be read (`blocked`) | Degraded, or as it was | that error's reason |
| nobody used it for a while (see `sleeping`) | Sleeping | Asleep |
| a service was refused, or one of its objects is somebody else's | Degraded | that problem's reason |
| a copy is stuck (see `readiness`) | Degraded | the copy's state |
| a copy is not there, or not ready yet | Deploying | the copy's state |
| no service changed | Ready | NothingChanged |
| else | Ready | Ready |

A lane that cannot read its sources for a while (git is down) keeps its phase and its copies and says so in
the condition Resolved; when that has lasted BLOCKED_SECONDS, or cannot pass by itself, it is Degraded, unless
it sleeps. Before its first plan it is Pending. One service's trouble never hides the others: each has its own
state, and every copy that serves is routed to.

The conditions: Resolved (the sources, and with them the changes, are known), Deployed (every wanted object is
in the cluster), Ready. With nothing changed the status is equal, whatever the time, so that a run writes it
only when there is news: times are those of transitions, taken over from the status before. `deadline` is
when time alone will change something, `heads` the commits that the timeline knows of, `members` the spec's
(one that somebody takes out there by hand is put back by it, see `membership`), `activeAt` when the
lane was last pushed to or used, `restAskedAt` when it was asked to make room (`sleeping`), `admittedAt` when
it was let in within the limits (`admission`), `chainRevision` the chain's file at the last plan. Lists
and no maps, since the status is written by merge patch, in which a map never loses a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from provisioner.chain.model import Chain
from provisioner.changes import Verdict
from provisioner.copies.plan import Plan, Snapshot, Wanted
from provisioner.errors import LanewayError, TemporaryError
from provisioner.lane.admission import Wait
from provisioner.lane.model import Lane, Phase, moment, stamp
from provisioner.lane.sleeping import AWAKE, Sleep
from provisioner.status import conditions, findings, timeline
from provisioner.status.readiness import Clock, is_ready
from provisioner.status.timeline import Entry, Happening

__all__ = ["again", "blocked", "compute", "is_ready", "terminating", "terminating_for", "waiting"]

Json = dict[str, Any]

BLOCKED_SECONDS = 600
SETTLING = timedelta(seconds=2)  # after a lane woke, until its routes are those of any other
_KEPT = ("summary", "url", "services", "chainRevision", "admittedAt", "restAskedAt")
CLOSING = "nothing holds the lane open any more; its routes go first, then its copies"


def compute(
    chain: Chain,
    lane: Lane,
    verdicts: Sequence[Verdict],
    wanted: Sequence[Wanted],
    plan: Plan,
    snapshot: Snapshot,
    now: datetime,
    *,
    image_pending_seconds: float = 1200,
    sleep: Sleep = AWAKE,
) -> Json:
    """The whole status of an open lane. `snapshot` is what the cluster holds after `plan` was carried out,
    with the lane's pods unless everything is ready; `plan.problems` has what its objects met on the way,
    too."""
    clock = Clock(now, timedelta(seconds=image_pending_seconds))
    found = findings.find(verdicts, wanted, plan, snapshot, clock)
    settles = _settles(lane)
    found = findings.held(found, lane, sleep, settled=settles is not None and now >= settles)
    phase, reason, message = findings.judge(found, sleep)
    return _status(
        lane,
        now,
        phase=phase,
        admittedAt=lane.status.get("admittedAt") or stamp(now),
        chainRevision=chain.revision,
        deadline=_deadline(found, phase, sleep, settles or now + SETTLING),
        summary=findings.summary(found),
        url=chain.entry.url_of(lane.name),
        conditions=[
            conditions.made(lane, now, "Resolved", True, "Resolved", timeline.heads_of(lane)),
            conditions.made(lane, now, "Deployed", *findings.deployed(found)),
            conditions.made(lane, now, "Ready", phase is Phase.READY, reason, message),
        ],
        services=[_service(one, lane, now) for one in found],
        timeline=timeline.extended(lane, timeline.news(lane, plan, snapshot, phase, message), now),
    )


def _settles(lane: Lane) -> datetime | None:
    """When everybody has heard that the lane is ready; None when it was not ready yet."""
    ready = conditions.before(lane, "Ready")
    return moment(ready["lastTransitionTime"]) + SETTLING if ready.get("status") == "True" else None


def _deadline(
    found: Sequence[findings.Finding], phase: Phase, sleep: Sleep, settles: datetime
) -> datetime | None:
    """When time alone changes the status."""
    settling = phase is Phase.READY and any(one.held for one in found)
    moments = (
        findings.deadline(found),
        sleep.until if sleep.rest.resting else None,
        settles if settling else None,
    )
    return min((one for one in moments if one is not None), default=None)


def waiting(chain: Chain, lane: Lane, verdicts: Sequence[Verdict], wait: Wait, now: datetime) -> Json:
    """The status of a lane that there is no room for yet: what it will be is known, nothing of it is made."""
    found = [findings.Finding(verdict) for verdict in verdicts]
    limit, message = wait.limit.value, str(wait)
    return _status(
        lane,
        now,
        phase=Phase.PENDING,
        chainRevision=chain.revision,
        deadline=None,
        summary=findings.summary(found),
        url=chain.entry.url_of(lane.name),
        conditions=[
            conditions.made(lane, now, "Resolved", True, "Resolved", timeline.heads_of(lane)),
            conditions.made(lane, now, "Deployed", False, limit, message),
            conditions.made(lane, now, "Ready", False, limit, message),
        ],
        services=[findings.to_json(one, lane.mode) for one in found],
        timeline=timeline.extended(
            lane, [*timeline.moves(lane), *timeline.waits(lane, limit, wait.message)], now
        ),
    )


def blocked(lane: Lane, problem: LanewayError, now: datetime) -> Json:
    """The status of a lane whose sources cannot be read. What runs goes on running and is told as it was."""
    before = conditions.before(lane, "Resolved")
    resolved = conditions.made(lane, now, "Resolved", False, problem.reason, str(problem))
    ends = moment(resolved["lastTransitionTime"]) + timedelta(seconds=BLOCKED_SECONDS)
    lasting = not isinstance(problem, TemporaryError) or now >= ends
    asleep = lane.phase == Phase.SLEEPING
    phase = Phase.DEGRADED if lasting and not asleep else Phase(lane.phase or Phase.PENDING)
    told = (before.get("status"), before.get("reason")) == ("False", problem.reason)
    news = [] if told else [Entry(Happening.BLOCKED, str(problem))]
    return _status(
        lane,
        now,
        phase=phase,
        deadline=None if lasting else ends,
        conditions=[
            resolved,
            *(one for one in (conditions.before(lane, "Deployed"),) if one),
            conditions.made(lane, now, "Ready", phase is Phase.READY, problem.reason, str(problem)),
        ],
        timeline=timeline.extended(lane, [*timeline.moves(lane), *news], now),
    )


def terminating(lane: Lane, now: datetime) -> Json:
    """The status of a lane that is being closed: it has no routes from now on."""
    kept = (conditions.before(lane, "Resolved"), conditions.before(lane, "Deployed"))
    news = [] if lane.phase == Phase.TERMINATING else [Entry(Happening.CLOSING)]
    return _status(
        lane,
        now,
        phase=Phase.TERMINATING,
        deadline=None,
        conditions=[
            *(one for one in kept if one),
            conditions.made(lane, now, "Ready", False, "Closing", CLOSING),
        ],
        services=[one | {"route": "baseline"} for one in lane.status.get("services") or ()],
        timeline=timeline.extended(lane, news, now),
    )


def unending(lane: Lane, problem: LanewayError, now: datetime) -> Json:
    """The status of a lane that is to be closed and cannot, since its routes may not be taken away; whoever
    watches it still sees that it is not settled, and has it looked at again."""
    message = f"the lane is to end, and its routes cannot be taken away: {problem}"
    ready = conditions.made(lane, now, "Ready", False, problem.reason, message)
    others = [one for one in lane.status.get("conditions") or () if one["type"] != "Ready"]
    phase = Phase.TERMINATING if lane.phase == Phase.TERMINATING else Phase.DEGRADED
    return {**lane.status, "phase": phase.value, "conditions": [*others, ready]}


def terminating_for(status: Json, now: datetime) -> float:
    """For how many seconds a lane with this status has been Terminating; 0 when it is not."""
    if status.get("phase") != Phase.TERMINATING:
        return 0.0
    closing = timeline.last(status.get("timeline") or (), Happening.CLOSING)
    # a clock that was set back must not make a closing lane wait for the time to come again
    return abs((now - moment(closing["at"])).total_seconds()) if closing else 0.0


def again(status: Json, now: datetime) -> float | None:
    """After how many seconds time alone changes this status; None: only an event does."""
    deadline = status.get("deadline")
    return None if deadline is None else max(0.0, (moment(deadline) - now).total_seconds())


def _status(lane: Lane, now: datetime, *, phase: Phase, deadline: datetime | None, **parts: Any) -> Json:
    """The status before, with what is known now in its place."""
    kept: Json = {key: lane.status[key] for key in _KEPT if key in lane.status}
    whole: Json = {
        "phase": phase.value,
        "observedGeneration": lane.generation,
        "activeAt": _active_at(lane, now),
        "heads": [{"member": member.key, "sha": member.sha} for member in lane.members],
        "members": [member.to_json() for member in lane.members],
    }
    return kept | whole | parts | ({"deadline": stamp(deadline)} if deadline else {})


def _service(finding: findings.Finding, lane: Lane, now: datetime) -> Json:
    """A service's entry, with the revision of the baseline that its copy was derived from, and since when."""
    told = findings.to_json(finding, lane.mode)
    if not finding.revision:
        return told
    services = lane.status.get("services") or ()
    before = next((one.get("baseline") for one in services if one["name"] == told["name"]), None) or {}
    same = before.get("revision") == finding.revision
    at = before["at"] if same else stamp(now)
    return told | {"baseline": {"revision": finding.revision, "at": at}}


def _active_at(lane: Lane, now: datetime) -> str:
    """When the lane was opened, last pushed to, or last used: from then on its ttl counts."""
    noted = lane.status.get("activeAt")
    return stamp(now) if noted is None or timeline.pushed(lane) else str(noted)

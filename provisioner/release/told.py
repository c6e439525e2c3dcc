"""`Release.status`: what a release is, told from where it goes and from what is seen. Pure.

With nothing changed the status is equal, whatever the time, so that a run writes it only when there is news:
times are those of transitions. Keys that others have written beside these stay as they are. The conditions:
Progressing (it gets on by itself), Healthy (nothing speaks against the new version), Completed (it is over,
either way). The timeline has one event for each change of phase, step or weight, and for each reason to ask
somebody; `sequence` counts them over the whole life of the release.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from provisioner.chain.strategy import Analysis
from provisioner.lane.model import Fixed, stamp
from provisioner.release import capacity, stops
from provisioner.release.course import Course, Kept, Move, fingerprint
from provisioner.release.model import Phase, Reason
from provisioner.release.observed import Decision, Opinion
from provisioner.status import conditions

Json = dict[str, Any]

LIMIT = 50  # events that are kept
GOING_UP = (Phase.PROGRESSING, Phase.PAUSED)
IN_USE = (*GOING_UP, Phase.FINISHING, Phase.RESTORING)
_SICK = (Reason.LANE_UNHEALTHY, Reason.ANALYSIS_FAILED, Reason.BASELINE_UNHEALTHY)
# reasons that are news although phase, step and weight are as before
_NEWS = (Reason.BASELINE_CHANGED, Reason.INCONCLUSIVE, Reason.PAUSED, Reason.MANUAL, Reason.QUEUED)


def decision(course: Course, move: Move) -> Decision:
    """The move with the whole status that goes with it, and when to look again."""
    lane = capacity.lane(course, _target(course, move)) if move.has_lane else None
    return Decision(
        phase=move.phase,
        reason=move.reason,
        weight=move.weight,
        status=_status(course, move, lane or ()),
        lane=lane,
        patches=move.patches,
        again=_again(course, move),
        hold=not move.phase.over and move.phase is not Phase.PENDING,
    )


def _again(course: Course, move: Move) -> float | None:
    """What the move says, or sooner, where a copy without a ready pod must not stay so."""
    lost = move.phase in IN_USE and any(not course.serves(name) for name in course.services)
    measured = move.weight and move.phase in GOING_UP
    analysis = course.release.strategy.analysis or Analysis() if measured else None
    times = (
        move.again,
        stops.GRACE.total_seconds() if lost else None,
        analysis.interval.total_seconds() if analysis else None,
    )
    return min((one for one in times if one is not None), default=None)


def _target(course: Course, move: Move) -> int:
    """The weight that the lane is made large enough for."""
    if move.phase in (Phase.PENDING, *GOING_UP):
        return course.steps[move.step].weight
    return 100 if move.phase in (Phase.FINISHING, Phase.RESTORING) else 0


def _status(course: Course, move: Move, lane: tuple[Fixed, ...]) -> Json:
    count = len(course.steps)
    place = f"{move.step + 1}/{count}"
    known: Json = {
        **course.status,
        **_times(course, move),
        "phase": move.phase.value,
        "reason": move.reason.value,
        "message": move.message,
        "step": move.step,
        "steps": count,
        "at": place,
        "weight": move.weight,
        "target": _target(course, move),
        "summary": f"{place} {move.weight}%",
        "lane": course.release.name,
        "found": fingerprint(course.live()),
        "grown": max(course.pods, int(course.status.get("grown", 0))),
        "resumed": course.release.resumed,
        "observedGeneration": course.release.generation,
        **_lists(course, move, lane),
        **move.facts,
    }
    whole = {key: value for key, value in known.items() if value is not None}
    return whole | {"conditions": _conditions(course, move), "timeline": _timeline(course, move)}


def _times(course: Course, move: Move) -> Json:
    """When the step began, the weight was set, and it got on last."""
    before, now = course.release, stamp(course.now)
    is_new = _is_new(course)
    moved = is_new or before.step != move.step
    begun = before.phase is Phase.PENDING and move.phase is Phase.PROGRESSING
    weighed = begun or before.weight != move.weight
    got_on = moved or weighed or before.phase is not move.phase or _unqueued(course, move)
    got_on = got_on or (move.phase in (Phase.PENDING, Phase.PROGRESSING) and course.grown)
    changes = {"stepAt": moved, "weightAt": weighed, "progressAt": got_on}
    return {key: now for key, changed in changes.items() if changed}


def _is_new(course: Course) -> bool:
    """Whether this is its first run. One that was kept from it has said so in its status, and no more."""
    return "stepAt" not in course.status


def _unqueued(course: Course, move: Move) -> bool:
    return course.release.reason == Reason.QUEUED and move.reason is not Reason.QUEUED


def _lists(course: Course, move: Move, lane: Iterable[Fixed]) -> Json:
    lost = [] if move.phase not in IN_USE else _unready(course)
    return {
        "baseline": _listed(course.baseline) or None,
        "originals": _listed(course.originals) or None,
        "copies": [_copy(course, one) for one in lane],
        "unready": lost or None,
        "analysis": _analysis(course),
        "callers": list(course.seen.callers) or None,
        "warnings": list(course.seen.warnings) or None,
    }


def _listed(kept: Mapping[str, Kept]) -> list[Json]:
    return [one.to_json() for one in kept.values()]


def _copy(course: Course, fixed: Fixed) -> Json:
    live = course.seen.copies.get(fixed.service)
    found: Json = {
        "name": fixed.service,
        "wanted": max(fixed.replicas, live.wanted if live else 0),
        "ready": live.ready if live else 0,
        "floor": fixed.replicas,
    }
    words = {"trouble": live.trouble, "waits": live.waits} if live else {}
    return found | {key: text for key, text in words.items() if text}


def _unready(course: Course) -> list[Json]:
    """The copies that no request can go to, and since when."""
    known = {one["name"]: one["at"] for one in course.status.get("unready") or ()}
    now = stamp(course.now)
    return [{"name": name, "at": known.get(name, now)} for name in course.services if not course.serves(name)]


def _analysis(course: Course) -> Json | None:
    """What was measured, for people also where nothing depends on it; nothing once somebody has said that it
    is to be measured anew."""
    if (course.resumed or course.promoted) and course.release.reason == Reason.INCONCLUSIVE:
        return {}
    measured = course.seen.measured
    kept: Json | None = course.status.get("analysis")
    if measured.opinion is Opinion.NONE and not measured.state:
        return kept
    if kept and (kept.get("opinion"), kept.get("state")) == (measured.opinion, measured.state):
        return kept  # nothing new was measured, and what is written again has everybody look again
    return {
        "opinion": measured.opinion.value,
        "message": measured.message,
        "since": measured.since,
        "rows": [dict(row) for row in measured.rows],
        "state": dict(measured.state),
    }


def _conditions(course: Course, move: Move) -> list[Json]:
    alone = not move.phase.over and move.phase is not Phase.PAUSED
    states = {
        "Progressing": alone and move.reason not in (Reason.QUEUED, Reason.BASELINE_CHANGED),
        "Healthy": move.reason not in _SICK and not course.status.get("unready"),
        "Completed": move.phase.over,
    }
    return [
        conditions.made(course.release, course.now, kind, holds, move.reason.value, move.message)
        for kind, holds in states.items()
    ]


def _timeline(course: Course, move: Move) -> list[Json]:
    """What happened, with what happens now; the oldest events go first, but the start stays."""
    line = [dict(one) for one in course.status.get("timeline") or ()]
    event = _event(course, move)
    if event:
        line.append(
            {
                "sequence": line[-1]["sequence"] + 1 if line else 1,
                "event": event,
                "at": stamp(course.now),
                "phase": move.phase.value,
                "step": move.step,
                "weight": move.weight,
                "reason": move.reason.value,
                "message": move.message,
            }
        )
    return line if len(line) <= LIMIT else [line[0], *line[len(line) - LIMIT + 1 :]]


def _event(course: Course, move: Move) -> str:
    """What the move is called in the timeline; empty where it is no news."""
    before = course.release
    if _is_new(course):
        return Reason.QUEUED.value if move.reason is Reason.QUEUED else "Started"
    if move.weight > before.weight:
        return "WeightRaised"
    if before.phase is not move.phase and move.phase is not Phase.PROGRESSING:
        return move.phase.value
    if before.step != move.step:
        return "StepBegun"
    if before.phase is not move.phase:
        return "Resumed" if before.phase is Phase.PAUSED else "StepBegun"
    if _unqueued(course, move):
        return "Started"
    return move.reason.value if move.reason in _NEWS and before.reason != move.reason else ""


def time_left(limit: timedelta, passed: timedelta) -> float:
    """Seconds until a time is over, at least a moment."""
    return max(0.5, (limit - passed).total_seconds())


def now(course: Course) -> str:
    """The time of this run, as a status has it."""
    return stamp(course.now)

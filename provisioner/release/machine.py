"""Where a release goes next: one step at a time, from what is true now. Pure.

`advance` is called again whenever something changes, or `again` seconds have passed, and after a crash; with
the same input it says the same. In every phase the first line that holds is what happens:

| phase | what is so | next |
|---|---|---|
| Pending | somebody ends it, it is refused, a copy is in trouble | RollingBack; RolledBack without a lane |
| | another release runs | Pending/Queued, or refused |
| | the baseline or a copy is not ready, or not for SETTLING | Pending, until the deadline |
| | else | Progressing at the first step's weight |
| Progressing, Paused | a reason to end (`stops.end`) | RollingBack: weight 0 |
| | a reason to ask (`stops.hold`) | Paused |
| | a copy lacks pods for the step's weight | Progressing/Scaling, until the deadline |
| | the weight is not the step's | Progressing with that weight |
| | the step waits for somebody, a time, the analysis | Paused/PausedByStep, Progressing |
| | it was not the last step | Progressing, the next step |
| | requests may still be in the baseline | Progressing |
| | else | Finishing: `ending` has what follows |

The weight is written in the same status as everything else, so one write moves the requests. It never gets
smaller, except to 0; it gets larger only when all copies have what the larger share needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from provisioner import durations
from provisioner.chain.strategy import Busy
from provisioner.lane.model import stamp
from provisioner.release import bounds, capacity, ending, stops, told
from provisioner.release import course as courses
from provisioner.release.course import Course, Move, Stop
from provisioner.release.model import Phase, Reason, Release
from provisioner.release.observed import Decision, Opinion, Seen

# from all copies being ready to the first request: every data plane has heard of their pods by then
SETTLING = timedelta(seconds=2)
QUEUE_SECONDS = 30.0  # how often a queued release looks again though nothing happens


def advance(release: Release, seen: Seen, now: datetime) -> Decision:
    """What to do now."""
    if release.phase.over:
        reason = Reason(release.reason)
        return Decision(release.phase, reason, weight=0, status=dict(release.status), lane=None)
    here = courses.of(release, seen, now)
    return told.decision(here, _MOVES[release.phase](here))


def _pending(course: Course) -> Move:
    if stop := stops.end(course) or _behind(course):
        return ending.back(course, stop)
    if course.seen.ahead:
        return _still(course, Reason.QUEUED, f"waits until the release {course.seen.ahead} is over")
    if stop := _missing(course):
        return ending.back(course, stop)
    unsettled = [name for name, live in course.live().items() if not live.settled]
    if unsettled:
        words = f"waits until all pods of the baseline of {', '.join(unsettled)} are of one version and ready"
        return _still(course, Reason.LANE_NOT_READY, words)
    lacking = capacity.lacking(course, course.target)
    if lacking:
        return _still(course, Reason.LANE_NOT_READY, ", ".join(lacking))
    if "readyAt" not in course.status or course.since("readyAt") < SETTLING:
        return _settling(course)
    return _weigh(course, {"readyAt": None})


def _behind(course: Course) -> Stop | None:
    """That another release runs, where this one does not wait for it."""
    if not course.seen.ahead or course.release.strategy.busy is Busy.QUEUE:
        return None
    words = (
        f"the release {course.seen.ahead} of this chain runs; end it first, or write release.whenBusy: queue"
    )
    return Stop(Reason.REFUSED, words)


def _missing(course: Course) -> Stop | None:
    """That a baseline is not there, or could never be given its image."""
    live = course.live()
    told = [f"{name} has no workload in the baseline" for name in course.services if name not in live]
    if not course.waits:
        held = {name: one.held for name, one in live.items() if one.held}
        told += [f"the baseline of {name} cannot be changed: {why}" for name, why in held.items()]
    return Stop(Reason.REFUSED, "; ".join(told)) if told else None


def _still(course: Course, reason: Reason, message: str) -> Move:
    """It waits to begin. In the queue it has no lane yet, and no deadline."""
    queued = reason is Reason.QUEUED
    waited = timedelta(0) if queued else course.idle
    if waited >= course.release.strategy.deadline:
        return ending.back(course, stops.late(course, message))
    left = QUEUE_SECONDS if queued else told.time_left(course.release.strategy.deadline, waited)
    return Move(
        Phase.PENDING, reason, message, course.step, 0, {"readyAt": None}, has_lane=not queued, again=left
    )


def _settling(course: Course) -> Move:
    since = course.status.get("readyAt") or stamp(course.now)
    left = told.time_left(SETTLING, course.since("readyAt"))
    words = "all copies are ready; every part of the way learns of them"
    return Move(Phase.PENDING, Reason.SCALING, words, course.step, 0, {"readyAt": since}, again=left)


def _stepping(course: Course) -> Move:
    move = _on_its_way(course)
    return bounds.raised(course, move) if move.phase in told.GOING_UP and move.weight else move


def _on_its_way(course: Course) -> Move:
    if stop := stops.end(course):
        return ending.back(course, stop)
    if stop := stops.hold(course):
        return Move(Phase.PAUSED, stop.reason, stop.message, course.step, course.release.weight)
    if course.release.weight < course.target:
        return _scaling(course)
    return _lasting(course)


def _scaling(course: Course) -> Move:
    lacking = capacity.lacking(course, course.target)
    if not lacking:
        return _weigh(course)
    words = f"grows for {course.target}%: {', '.join(lacking)}"
    return _waiting(course, Reason.SCALING, words, course.idle)


def _weigh(course: Course, facts: Mapping[str, None] | None = None) -> Move:
    """The step's weight, which all copies have what they need for."""
    words = f"step {course.step + 1} of {len(course.steps)}: {course.target}% of the requests"
    return Move(Phase.PROGRESSING, Reason.HOLDING, words, course.step, course.target, facts or {}, again=0.0)


def _lasting(course: Course) -> Move:
    """What the step is still to be waited for, or the next one."""
    step, spent = course.steps[course.step], course.since("weightAt")
    pause, analysis = step.pause or timedelta(0), step.analysis or timedelta(0)
    place = f"step {course.step + 1} of {len(course.steps)} at {step.weight}%"
    if course.promoted:
        return _next(course)
    if spent < pause:
        words = f"{place} lasts {durations.format(pause)}"
        left = told.time_left(pause, spent)
        return Move(Phase.PROGRESSING, Reason.HOLDING, words, course.step, step.weight, again=left)
    if not _is_good(course, analysis):
        words = f"{place}: {course.seen.measured.message or 'the analysis has not come to an end yet'}"
        waited = min(course.idle, spent - max(pause, analysis))
        return _waiting(course, Reason.ANALYSING, words, waited)
    if step.manual:
        words = f"{place} waits for somebody: laneway release promote"
        return Move(Phase.PAUSED, Reason.MANUAL, words, course.step, step.weight)
    return _next(course)


def _is_good(course: Course, wanted: timedelta) -> bool:
    """Whether the analysis has been good for as long as it is to be."""
    measured = course.seen.measured
    good = measured.opinion is Opinion.GOOD and measured.since >= wanted.total_seconds()
    return good or not wanted


def _waiting(course: Course, reason: Reason, message: str, waited: timedelta) -> Move:
    """It waits for what should come by itself: not for ever."""
    deadline = course.release.strategy.deadline
    if waited >= deadline:
        return ending.back(course, stops.late(course, message))
    left = told.time_left(deadline, waited)
    return Move(Phase.PROGRESSING, reason, message, course.step, course.release.weight, again=left)


def _next(course: Course) -> Move:
    if course.step + 1 == len(course.steps):
        return ending.begin(course)
    step, weight = course.step + 1, course.release.weight
    words = f"step {step + 1} of {len(course.steps)}: on the way to {course.steps[step].weight}%"
    return Move(Phase.PROGRESSING, Reason.SCALING, words, step, weight, again=0.0)


_MOVES: Mapping[Phase, Callable[[Course], Move]] = {
    Phase.PENDING: _pending,
    Phase.PROGRESSING: _stepping,
    Phase.PAUSED: _stepping,
    Phase.FINISHING: ending.finishing,
    Phase.RETURNING: ending.returning,
    Phase.RESTORING: ending.restoring,
    Phase.ROLLING_BACK: ending.rolling_back,
}

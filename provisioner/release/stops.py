"""Why a release has to go back, or has to wait until somebody says how it goes on. Pure.

One of several pods that dies is no trouble: requests go to the others. A copy of which no pod is ready for
GRACE is; meanwhile the entry gives the lane no requests by itself.
"""

from __future__ import annotations

from datetime import timedelta

from provisioner import durations
from provisioner.lane.model import moment
from provisioner.release.course import Course, Stop
from provisioner.release.model import Reason
from provisioner.release.observed import Opinion

GRACE = timedelta(seconds=20)


def end(course: Course) -> Stop | None:
    """Why it has to go back, the weightiest reason first."""
    return asked(course) or _refused(course) or sick(course)


def sick(course: Course) -> Stop | None:
    """What speaks against the new version."""
    return _troubled(course) or _unready(course) or _bad(course)


def asked(course: Course) -> Stop | None:
    """That somebody wants it to end."""
    if course.release.aborted:
        return Stop(Reason.ABORTED, course.release.aborted)
    return Stop(Reason.ABORTED, "its Release was deleted") if course.release.going else None


def _refused(course: Course) -> Stop | None:
    if course.release.problem:
        return Stop(Reason.REFUSED, course.release.problem)
    return Stop(course.seen.refused, course.seen.refusal) if course.seen.refusal else None


def _troubled(course: Course) -> Stop | None:
    found = {name: course.seen.copies[name].trouble for name in course.services if name in course.seen.copies}
    told = [f"the copy of {name}: {trouble}" for name, trouble in found.items() if trouble]
    return Stop(Reason.LANE_UNHEALTHY, "; ".join(told)) if told else None


def _unready(course: Course) -> Stop | None:
    told = [
        f"no pod of the copy of {one['name']} has been ready for {durations.format(GRACE)}"
        for one in course.status.get("unready") or ()
        if not course.serves(one["name"]) and course.now - moment(one["at"]) >= GRACE
    ]
    return Stop(Reason.LANE_UNHEALTHY, "; ".join(told)) if told else None


def _bad(course: Course) -> Stop | None:
    measured = course.seen.measured
    bad = course.release.strategy.analysis is not None and measured.opinion is Opinion.BAD
    return Stop(Reason.ANALYSIS_FAILED, measured.message) if bad else None


def late(course: Course, message: str) -> Stop:
    """That nothing got on for too long; `message` is what it waited for."""
    limit = durations.format(course.release.strategy.deadline)
    return Stop(Reason.DEADLINE, f"nothing got on for {limit}: {message}")


def hold(course: Course) -> Stop | None:
    """Why somebody has to say how it goes on, before anything else may change."""
    if course.release.paused:
        return Stop(Reason.PAUSED, "somebody has paused it; laneway release resume lets it go on")
    return changed(course) or _inconclusive(course)


def changed(course: Course) -> Stop | None:
    """That the baseline is not the one that the release was started from."""
    told = [text for name in course.services if (text := _difference(course, name))]
    return Stop(Reason.BASELINE_CHANGED, "; ".join(told)) if told else None


def _difference(course: Course, service: str) -> str:
    live, kept = course.seen.baseline.get(service), course.baseline.get(service)
    if live is None or kept is None:
        return f"the baseline of {service} is not there any more"
    if live.held and not course.waits:
        return f"the baseline of {service} cannot be changed: {live.held}"
    if live.image != kept.image:
        return f"the baseline of {service} has another image: {live.image}, was {kept.image}"
    if live.revision != kept.revision:
        return f"the baseline of {service} has another pod template"
    return ""


def _inconclusive(course: Course) -> Stop | None:
    measured = course.seen.measured
    if course.release.strategy.analysis is None or measured.opinion is not Opinion.INCONCLUSIVE:
        return None
    if course.promoted or course.resumed:
        return None
    return Stop(Reason.INCONCLUSIVE, measured.message)

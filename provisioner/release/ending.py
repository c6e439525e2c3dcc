"""How a release ends: the baseline takes its images and requests return, or everything is as before. Pure.

In each phase the first line that holds is what happens:

| phase | what is so | next |
|---|---|---|
| Finishing | somebody ends it | Restoring |
| (weight 100) | every baseline has its image, is settled and large enough | Returning: weight 0 |
| | the lane or the baseline is in trouble or held, the analysis failed | Restoring |
| | somebody else has written the baseline | waits until that is accepted, until the deadline |
| | else | what lacks its image gets it, until the deadline |
| Restoring | every baseline is as before and settled | RollingBack: weight 0 |
| (weight 100) | it has its images, but not all pods by the deadline, and the lane is dead | RollingBack |
| | else | what still has the new image gets its own |
| Returning, RollingBack | requests may be on their way in the lane | the lane stays |
| | the lane is there, or an autoscaler has our bound | both go |
| | else | Succeeded, RolledBack |

While the baseline is between two versions all requests stay in the lane. With `finish: wait` nothing is ever
written: Finishing waits for the baseline's owner, without a deadline, and Restoring until the baseline is of
one version again, whichever that is.

Every baseline's image and revision are in `originals` before the first of them is written.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from provisioner.release import bounds, stops, told
from provisioner.release.course import Course, Move, Stop
from provisioner.release.model import Change, Phase, Reason
from provisioner.release.observed import Patch, Workload

LOOK_SECONDS = 1.0  # how often it is looked whether the lane is drained


def back(course: Course, stop: Stop) -> Move:
    """To the version of before, which the baseline still is of. Where no lane was made yet, at once."""
    phase = Phase.ROLLING_BACK if course.seen.lane or course.release.phase is not Phase.PENDING else None
    facts = {"cause": stop.message, "readyAt": None}
    if phase is None:
        return Move(Phase.ROLLED_BACK, stop.reason, stop.message, course.step, 0, facts, has_lane=False)
    return Move(phase, stop.reason, stop.message, course.step, 0, facts, again=0.0)


def begin(course: Course) -> Move:
    """All requests are in the lane: from here on the baseline is changed. What it is now is kept first. A
    request that is still in the baseline would meet both versions there."""
    if waits := _in_baseline(course):
        return Move(Phase.PROGRESSING, Reason.HOLDING, waits, course.step, 100, again=LOOK_SECONDS)
    facts = {"originals": [kept.to_json() for kept in course.baseline.values()]}
    words = "all requests are in the lane; the baseline takes its images"
    return Move(Phase.FINISHING, Reason.ROLLING_OUT, words, course.step, 100, facts, again=0.0)


def _in_baseline(course: Course) -> str:
    """Why requests may be in the baseline, although the lane is given all; empty where none can be. The entry
    leaves them there while a copy has no pod, of which `stops` has a word to say soon."""
    lost = [name for name in course.services if not course.serves(name)]
    if lost:
        return f"waits until the copy of {', '.join(lost)} has a ready pod, before the baseline is changed"
    return "" if course.seen.emptied else "waits until the requests end that have begun in the baseline"


# --- Finishing ----------------------------------------------------------------------------------------------


def finishing(course: Course) -> Move:
    if stop := stops.asked(course):
        return _restore(course, stop)
    missing = [change for change in course.release.changes if not _arrived(course, change)]
    if not missing:
        words = "the baseline has all images; requests return to it"
        return Move(Phase.RETURNING, Reason.DRAINING, words, course.step, 0, again=0.0)
    if stop := stops.sick(course) or _baseline_trouble(course):
        return _restore(course, stop)
    if course.waits:
        return _awaiting(course, missing)
    if stop := _strange(course):
        return _until_deadline(course, stop.reason, stop.message, ())
    words = f"the baseline takes the images: {', '.join(_lack(course, one) for one in missing)}"
    return _until_deadline(course, Reason.ROLLING_OUT, words, missing)


def _arrived(course: Course, change: Change) -> bool:
    """Whether a baseline serves the new version, and is as large as it has to be for the requests."""
    live = course.seen.baseline.get(change.service)
    if live is None or live.image != change.image or not live.settled:
        return False
    return live.replicas >= bounds.floor(course, change.service, live)


def _baseline_trouble(course: Course) -> Stop | None:
    """That a baseline cannot become ready with its new image, or must not be written. Somebody else's is left
    to them."""
    found = {} if course.waits else course.live()
    images = {change.service: change.image for change in course.release.changes}
    words = {
        name: live.held or (live.trouble if live.image == images[name] else "")
        for name, live in found.items()
    }
    told_of = [f"the baseline of {name}: {text}" for name, text in words.items() if text]
    return Stop(Reason.BASELINE_UNHEALTHY, "; ".join(told_of)) if told_of else None


def _strange(course: Course) -> Stop | None:
    """That somebody else has written a baseline meanwhile."""
    found = [text for change in course.release.changes if (text := _strangeness(course, change))]
    return Stop(Reason.BASELINE_CHANGED, "; ".join(found)) if found else None


def _strangeness(course: Course, change: Change) -> str:
    live, kept = course.seen.baseline.get(change.service), course.originals.get(change.service)
    if live is None or kept is None:
        return f"the baseline of {change.service} is not there any more"
    if live.image not in (kept.image, change.image):
        return f"the baseline of {change.service} has another image: {live.image}, was {kept.image}"
    if live.revision != kept.revision:
        return f"the baseline of {change.service} has another pod template"
    return ""


def _awaiting(course: Course, missing: list[Change]) -> Move:
    """Somebody else changes the baseline: however long that takes, all requests are in the lane."""
    words = (
        f"waits until the baseline's owner has changed it: {', '.join(_lack(course, one) for one in missing)}"
    )
    return Move(Phase.FINISHING, Reason.WAITING_FOR_BASELINE, words, course.step, 100)


def _lack(course: Course, change: Change) -> str:
    live = course.seen.baseline.get(change.service)
    if live is None:
        return f"{change.service} is not there"
    if live.image != change.image:
        return f"{change.service} has {live.image}"
    return f"{change.service} rolls out" + (f" ({live.trouble})" if live.trouble else "")


def _until_deadline(course: Course, reason: Reason, message: str, missing: tuple[()] | list[Change]) -> Move:
    """It waits for the baseline, which gets on each time that one more of it has arrived."""
    done = len(course.services) - sum(not _arrived(course, one) for one in course.release.changes)
    got_on = done > int(course.status.get("arrived", 0))
    deadline = course.release.strategy.deadline
    waited = timedelta(0) if got_on else course.since("progressAt")
    if waited >= deadline:
        return _restore(course, stops.late(course, message))
    patches = tuple(_new(course, change) for change in missing if _to_write(course, change))
    facts: dict[str, Any] = {"arrived": max(done, int(course.status.get("arrived", 0)))}
    facts |= {"progressAt": told.now(course)} if got_on else {}
    left = told.time_left(deadline, waited)
    move = Move(Phase.FINISHING, reason, message, course.step, 100, facts, patches=patches, again=left)
    return bounds.noted(course, move)


def _to_write(course: Course, change: Change) -> bool:
    live = course.seen.baseline[change.service]
    return live.image != change.image or live.least < bounds.floor(course, change.service, live)


def _new(course: Course, change: Change) -> Patch:
    live = course.seen.baseline[change.service]
    floor = bounds.floor(course, change.service, live)
    return Patch(change.service, change.image, live.revision, floor if live.least < floor else None)


# --- back to what was there ---------------------------------------------------------------------------------


def _restore(course: Course, stop: Stop) -> Move:
    facts = {"cause": stop.message}
    return Move(Phase.RESTORING, stop.reason, stop.message, course.step, 100, facts, again=0.0)


def restoring(course: Course) -> Move:
    reason, cause = Reason(course.release.reason), str(course.status.get("cause", ""))
    if course.waits and all(_arrived(course, change) for change in course.release.changes):
        words = f"{cause}; its owner has given the baseline all images all the same"
        return Move(Phase.RETURNING, Reason.DRAINING, words, course.step, 0, again=0.0)
    left = [text for change in course.release.changes if (text := _unrestored(course, change))]
    if not left or _is_better_than_the_lane(course):
        return Move(Phase.ROLLING_BACK, reason, cause, course.step, 0, again=0.0)
    words = f"{cause}; first the baseline gets its own images back: {', '.join(left)}"
    patches = () if course.waits else _originals(course)
    return Move(Phase.RESTORING, reason, words, course.step, 100, patches=patches)


def _unrestored(course: Course, change: Change) -> str:
    """What keeps a baseline from being as it was, or as somebody else has made it since; empty: nothing."""
    live = course.seen.baseline.get(change.service)
    if live is None:
        return ""
    if _is_ours(course, change, live):
        return f"{change.service} has {live.image}" + (f" ({live.held})" if live.held else "")
    if live.settled:
        return ""
    return f"{change.service} rolls out" + (f" ({live.trouble})" if live.trouble else "")


def _is_better_than_the_lane(course: Course) -> bool:
    """Whether nobody is served in the lane, and the baseline, with its own images, did not get ready in time:
    the pods that it has may serve somebody."""
    live = course.live()
    changes = [one for one in course.release.changes if one.service in live]
    dead = any(not course.serves(name) for name in course.services)
    late = course.since("progressAt") >= course.release.strategy.deadline
    return dead and late and not any(_is_ours(course, one, live[one.service]) for one in changes)


def _is_ours(course: Course, change: Change, live: Workload) -> bool:
    """Whether a baseline has the new image, and had another one."""
    kept = course.originals.get(change.service)
    return kept is not None and live.image == change.image != kept.image


def _originals(course: Course) -> tuple[Patch, ...]:
    live, kept = course.live(), course.originals
    return tuple(
        Patch(change.service, kept[change.service].image, live[change.service].revision)
        for change in course.release.changes
        if change.service in live and _is_ours(course, change, live[change.service])
    )


# --- the lane goes ------------------------------------------------------------------------------------------


def returning(course: Course) -> Move:
    message = str(course.status.get("message", ""))
    return _leave(course, Phase.SUCCEEDED, Reason.DRAINING, Reason.SUCCEEDED, message)


def rolling_back(course: Course) -> Move:
    reason, cause = Reason(course.release.reason), str(course.status.get("cause", ""))
    return _leave(course, Phase.ROLLED_BACK, reason, reason, cause)


def _leave(course: Course, end: Phase, reason: Reason, last: Reason, message: str) -> Move:
    """The lane goes when it is drained, and our bounds when the autoscalers have seen the requests."""
    phase, step = course.release.phase, course.step
    if not course.seen.drained:
        return Move(phase, reason, message, step, 0, again=LOOK_SECONDS)
    if course.seen.lane:
        return Move(phase, reason, message, step, 0, has_lane=False, again=LOOK_SECONDS)
    patches = bounds.own(course)
    if not patches:
        words = "the baseline has all images" if end is Phase.SUCCEEDED else message
        return Move(end, last, words, step, 0, has_lane=False)
    spent = course.since("weightAt")
    eased = spent >= bounds.EASING
    left = LOOK_SECONDS if eased else told.time_left(bounds.EASING, spent)
    return Move(phase, reason, message, step, 0, has_lane=False, patches=patches if eased else (), again=left)

"""How large a release's lane has to be for its share of the requests. Pure.

A copy has at least that share of its baseline's replicas, rounded up, and one in any case. The baseline
counts as large as it was when the release started or as it is now, whichever is more: its autoscaler makes it
smaller while its requests go to the lane. A copy never gets smaller before the release is over, and grows by
at most `max_surge` pods before those are ready; the share rises when all copies have what it needs.
"""

from __future__ import annotations

from provisioner.lane.model import Fixed
from provisioner.release.course import Course
from provisioner.release.model import Change


def needed(replicas: int, weight: int) -> int:
    """How many ready pods a copy needs for `weight` percent of what so many replicas serve."""
    return max(1, -(-replicas * weight // 100))


def lane(course: Course, weight: int) -> tuple[Fixed, ...]:
    """The services of the lane on its way to a weight."""
    return tuple(_fixed(course, change, weight) for change in course.release.changes)


def lacking(course: Course, weight: int) -> tuple[str, ...]:
    """What the copies lack for a weight, in words for people; empty when they are ready for it."""
    asked = {name: needed(_reference(course, name), weight) for name in course.services}
    return tuple(
        f"{name} has {course.ready(name)} of {count} ready{_why(course, name)}"
        for name, count in asked.items()
        if course.ready(name) < count
    )


def _why(course: Course, service: str) -> str:
    copy = course.seen.copies.get(service)
    return f" ({copy.waits})" if copy and copy.waits else ""


def _fixed(course: Course, change: Change, weight: int) -> Fixed:
    name = change.service
    before = _floors(course).get(name, 0)
    wanted = needed(_reference(course, name), weight)
    surge = course.release.strategy.max_surge
    if surge is not None:
        wanted = min(wanted, course.ready(name) + surge)
    kept = course.baseline.get(name)
    return Fixed(name, change.image, max(before, wanted, 1), kept.revision if kept else "")


def _reference(course: Course, service: str) -> int:
    kept, live = course.baseline.get(service), course.seen.baseline.get(service)
    return max(kept.replicas if kept else 0, live.replicas if live else 0)


def _floors(course: Course) -> dict[str, int]:
    """How many pods each copy was given so far."""
    return {one["name"]: int(one.get("floor", 0)) for one in course.status.get("copies") or ()}

"""An autoscaled baseline stays as large as it was while its requests are in the lane. Pure.

It would become smaller with every share that leaves it, and be too small when the requests come back, which
is at once when a release is aborted. So its autoscaler's lower bound is raised before, and put back when it
has seen the requests again. Where the baseline is somebody else's to change (`finish: wait`) so are its
bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from provisioner.release.course import Course, Kept, Move
from provisioner.release.observed import Patch, Workload

# how long an autoscaler keeps our lower bound after requests have come back: until it has seen their load
EASING = timedelta(seconds=60)


def floor(course: Course, service: str, live: Workload) -> int:
    """How many replicas a baseline must have for all requests: as many as it had, and as the lane has once
    all of them are there. 0 where nobody makes it smaller."""
    kept, copy = _kept(course).get(service), course.seen.copies.get(service)
    if not live.most or kept is None or course.waits:
        return 0
    copies = copy.wanted if copy and course.originals else 0
    return min(live.most, max(kept.replicas, kept.raised, copies))


def raised(course: Course, move: Move) -> Move:
    """The move, with the bounds that have to be higher for it."""
    patches = tuple(
        Patch(name, live.image, live.revision, floor(course, name, live))
        for name, live in course.live().items()
        if live.least < floor(course, name, live)
    )
    return noted(course, replace(move, patches=patches)) if patches else move


def noted(course: Course, move: Move) -> Move:
    """The move, with the bounds that its patches set kept in the status: it is written before them."""
    bounds = {patch.service: patch.least for patch in move.patches if patch.least}
    if not bounds:
        return move
    kept = [replace(one, raised=bounds.get(name) or one.raised) for name, one in _kept(course).items()]
    key = "originals" if course.originals else "baseline"
    facts: dict[str, Any] = {key: [one.to_json() for one in kept]}
    return replace(move, facts={**move.facts, **facts})


def own(course: Course) -> tuple[Patch, ...]:
    """What gives the autoscalers their own lower bounds back, where they still have ours: the one that was
    noted last, or, since it is noted before it is written, the one that it was raised to at first."""
    pairs = [(kept, course.seen.baseline.get(name)) for name, kept in _kept(course).items()]
    return tuple(
        Patch(kept.service, live.image, live.revision, kept.least)
        for kept, live in pairs
        if live and kept.raised and live.least in _ours(kept, live) - {kept.least}
    )


def _ours(kept: Kept, live: Workload) -> set[int]:
    return {kept.raised, min(live.most, kept.replicas)}


def _kept(course: Course) -> Mapping[str, Kept]:
    return course.originals or course.baseline

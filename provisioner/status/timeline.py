"""What happened to a lane, in order, bounded: the story that `kubectl describe lane` tells. Pure.

An event is {event, at, message} and, where a duration says something, {seconds}: how long it took since the
lane was opened or last updated. The list is part of `Lane.status`; a run in which nothing happened adds none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from provisioner import labels
from provisioner.copies import live
from provisioner.copies.plan import Identity, Plan, Snapshot, Write, identity
from provisioner.lane.model import Lane, Phase, moment, stamp

Json = dict[str, Any]

LIMIT = 50


class Happening(StrEnum):
    OPENED = "Opened"
    WAITING = "Waiting"  # for room within a limit
    ADMITTED = "Admitted"  # after it waited
    UPDATED = "Updated"  # a member joined, left, or has a new commit
    BASELINE_CHANGED = "BaselineChanged"  # a copy was derived again from a newer baseline
    PUT_BACK = "PutBack"  # somebody changed or removed a copy by hand
    APPLIED = "Applied"
    REMOVED = "Removed"
    READY = "Ready"
    DEGRADED = "Degraded"
    BLOCKED = "Blocked"  # the lane's sources could not be read
    ASLEEP = "Asleep"  # nobody used it for a while
    WOKEN = "Woken"
    CLOSING = "Closing"


_STARTS = (Happening.OPENED, Happening.UPDATED, Happening.WOKEN)
_TIMED = (Happening.ADMITTED, Happening.APPLIED, Happening.READY)


@dataclass(frozen=True)
class Entry:
    """Something that happened in this run."""

    event: Happening
    message: str = ""


def extended(lane: Lane, entries: Iterable[Entry], now: datetime) -> list[Json]:
    """The lane's timeline with what happened now; the oldest events go first, but the opening stays."""
    line = [dict(one) for one in lane.status.get("timeline") or ()]
    for entry in entries:
        line.append(_event(entry, line, lane, now))
    return line if len(line) <= LIMIT else [line[0], *line[len(line) - LIMIT + 1 :]]


def last(line: Iterable[Json], *events: Happening) -> Json | None:
    """The newest event of one of these kinds."""
    return next((one for one in reversed(list(line)) if one["event"] in events), None)


def _event(entry: Entry, line: list[Json], lane: Lane, now: datetime) -> Json:
    at = lane.created if entry.event is Happening.OPENED and lane.created else now
    start = _start(line) if entry.event in _TIMED else None
    event: Json = {"event": entry.event.value, "at": stamp(at)}
    if start is not None:
        event["seconds"] = round(max(0.0, (now - start).total_seconds()), 3)
    return event | ({"message": entry.message} if entry.message else {})


def _start(line: list[Json]) -> datetime | None:
    """When what led to this began: the last opening or update since the lane was last ready, or, where it got
    unready by itself, the first event since then."""
    since = line[_after_ready(line) :]
    cause = last(since, *_STARTS) or next(iter(since), None)
    return moment(cause["at"]) if cause else None


def _after_ready(line: list[Json]) -> int:
    ready = [place for place, one in enumerate(line) if one["event"] == Happening.READY]
    return ready[-1] + 1 if ready else 0


# --- what happened in one run -------------------------------------------------------------------------------


def news(lane: Lane, plan: Plan, after: Snapshot, phase: Phase, message: str) -> list[Entry]:
    """What a run that carried out `plan`, found `after` and ended in `phase` adds to the lane's timeline."""
    versions = {identity(one): one["metadata"]["resourceVersion"] for one in after.owned}
    applied = [write for write in plan.writes if _took_effect(write, plan, versions)]
    by_hand = {identity(write.body): entry for write in applied if (entry := _put_back(write, lane))}
    ours = [write for write in applied if identity(write.body) not in by_hand]
    found = [
        *moves(lane),
        *_admitted(lane),
        *_rested(lane, phase, message),
        *by_hand.values(),
        *_derived_again(ours),
        *_carried_out(ours, plan),
    ]
    return [*found, *_turned(lane, bool(found), phase, message)]


def moves(lane: Lane) -> list[Entry]:
    """The opening, or the members that have another commit than the status knows of."""
    heads = {member.key: member.sha for member in lane.members}
    if "heads" not in lane.status:
        return [Entry(Happening.OPENED, heads_of(lane))]
    known = {one["member"]: one["sha"] for one in lane.status["heads"]}
    moved = {key: sha for key, sha in heads.items() if known.get(key) != sha}
    gone = [f"{key} left" for key in sorted(known) if key not in heads]
    told = ([_listed(moved)] if moved else []) + gone
    return [Entry(Happening.UPDATED, ", ".join(told))] if told else []


def waits(lane: Lane, limit: str, message: str) -> list[Entry]:
    """The begin of a wait for room; what it says of places may change without being news."""
    before = last(lane.status.get("timeline") or (), Happening.WAITING, Happening.ADMITTED) or {}
    conditions = lane.status.get("conditions") or ()
    told = before.get("event") == Happening.WAITING and any(one["reason"] == limit for one in conditions)
    return [] if told else [Entry(Happening.WAITING, message)]


def _admitted(lane: Lane) -> list[Entry]:
    waited = last(lane.status.get("timeline") or (), Happening.WAITING)
    over = "admittedAt" in lane.status or waited is None
    return [] if over else [Entry(Happening.ADMITTED, "there is room for it now")]


def _rested(lane: Lane, phase: Phase, message: str) -> list[Entry]:
    """That the lane fell asleep, or was woken."""
    slept, sleeps = lane.phase == Phase.SLEEPING, phase is Phase.SLEEPING
    if slept == sleeps:
        return []
    return [Entry(Happening.ASLEEP, message)] if sleeps else [Entry(Happening.WOKEN)]


def pushed(lane: Lane) -> bool:
    """Whether a member has another commit than the status knows of, a new member included."""
    known = {one["member"]: one["sha"] for one in lane.status.get("heads") or ()}
    return any(known.get(member.key) != member.sha for member in lane.members)


def heads_of(lane: Lane) -> str:
    """The lane's members and where each is, for people; of a release's lane, the release."""
    if lane.release:
        return f"release {lane.release}"
    return _listed({member.key: member.sha for member in lane.members}) or "the lane has no members"


def _listed(heads: Mapping[str, str]) -> str:
    return ", ".join(f"{key} at {sha[:12]}" for key, sha in sorted(heads.items()))


def _took_effect(write: Write, plan: Plan, versions: Mapping[Identity, str]) -> bool:
    """Whether a write changed anything. One that the cluster refused did not, nor one that admission undid:
    telling of those would be news in every run."""
    if live.service_of(write.body) in plan.problems:
        return False
    before = write.live["metadata"]["resourceVersion"] if write.live else None
    return versions.get(identity(write.body)) != before


def _put_back(write: Write, lane: Lane) -> Entry | None:
    """That somebody else changed, or removed, what was as Laneway wants it."""
    thing = f"{write.kind} {write.name}"
    if write.live is None:
        known = any(
            one["name"] == live.service_of(write.body) and "baseline" in one
            for one in lane.status.get("services") or ()
        )
        gone = known and write.kind != "Service"
        return Entry(Happening.PUT_BACK, f"{thing} was removed by somebody else") if gone else None
    if _noted(write.live, labels.SPEC_HASH) != _noted(write.body, labels.SPEC_HASH):
        return None
    return Entry(Happening.PUT_BACK, f"{thing} was changed by {live.changed_by(write.live)}")


def _derived_again(writes: Iterable[Write]) -> list[Entry]:
    return [
        Entry(Happening.BASELINE_CHANGED, f"{write.kind} {write.name}: baseline revision {new}, was {old}")
        for write in writes
        if (old := _noted(write.live, labels.BASELINE_REVISION))
        and old != (new := _noted(write.body, labels.BASELINE_REVISION))
    ]


def _noted(thing: Json | None, key: str) -> str:
    annotations = (thing["metadata"].get("annotations") or {}) if thing else {}
    return str(annotations.get(key, ""))


def _carried_out(applied: Sequence[Write], plan: Plan) -> list[Entry]:
    told = ((Happening.APPLIED, applied), (Happening.REMOVED, plan.removals))
    return [
        Entry(event, ", ".join(f"{one.kind} {one.name}" for one in things))
        for event, things in told
        if things
    ]


def _turned(lane: Lane, moved: bool, phase: Phase, message: str) -> list[Entry]:
    """Ready or Degraded: when the lane became so, is so for another reason, or after something happened."""
    event = {Phase.READY: Happening.READY, Phase.DEGRADED: Happening.DEGRADED}.get(phase)
    before = last(lane.status.get("timeline") or (), *Happening) or {}
    told = not moved and (before.get("event"), before.get("message")) == (event, message)
    return [] if event is None or told else [Entry(event, message)]

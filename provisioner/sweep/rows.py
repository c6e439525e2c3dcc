"""The lines of a sweep's report. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from provisioner import names
from provisioner.copies.plan import Removal
from provisioner.events import ForgeEvent
from provisioner.lane import decision
from provisioner.lane.model import Lane
from provisioner.release.model import Release
from provisioner.sweep import retention
from provisioner.sweep.retention import Action, Ended, Finding, Why


@dataclass(frozen=True)
class Stale:
    """A lane of which members ended, or that has none."""

    lane: Lane
    endings: tuple[Ended, ...]


def lines(stale: Iterable[Stale], *, closing: bool) -> list[Finding]:
    """What is found of the lanes that are closing already, or of the others."""
    return [
        line
        for one in stale
        if retention.is_closing(one.lane) is closing
        for line in retention.findings(one.lane, one.endings)
    ]


def where(kind: str, namespace: str, name: str) -> str:
    return f"{kind} {namespace}/{name}"


def lost(removal: Removal, chain: str, lane: str) -> Finding:
    place = where(removal.kind, removal.namespace, removal.name)
    return Finding(Action.REMOVE_OBJECT, Why.ORPHAN, chain, lane, place, "its Lane is gone")


def unlabelled(lane: Lane) -> Finding:
    message = "somebody took its labels away, by which it is found"
    return Finding(Action.REPAIR, Why.LABELS_LOST, lane.chain, lane.name, "", message)


def orphaned(lane: Lane) -> Finding:
    message = f"its release {lane.release} is not there any more; its copies go"
    return Finding(Action.REMOVE_LANE, Why.RELEASE_GONE, lane.chain, lane.name, "", message)


def outdated(release: Release) -> Finding:
    message = f"it is {release.phase}, and one of the older ones of the chain"
    return Finding(Action.REMOVE_RELEASE, Why.RELEASE_OLD, release.chain, "", release.name, message)


def retargeted(chain: str, event: ForgeEvent, base: str) -> Finding:
    key, lane = decision.member_key(event), names.lane_name(event.ref, event.fork)
    message = f"the forge lists it as one to merge into {event.base}; its lane knows {base}"
    return Finding(Action.TAKE_IN, Why.RETARGETED, chain, lane, key, message)


def missing(chain: str, event: ForgeEvent) -> Finding:
    key, lane = decision.member_key(event), names.lane_name(event.ref, event.fork)
    message = f"the forge lists it as open at {event.sha[:12]}, and no lane has it"
    return Finding(Action.TAKE_IN, Why.PULL_OPEN, chain, lane, key, message)

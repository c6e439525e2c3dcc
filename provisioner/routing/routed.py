"""What a lane's status says of its routes in a mesh: the condition Routed, and who answers. Pure.

A lane with a copy that the mesh has no way to is not Ready, however well its pods run: the finding that
blocks the way is the reason. A finding that blocks nothing is told in the condition's message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from provisioner.lane.model import Lane, Mode, Phase
from provisioner.routing.mesh import Finding, Settled
from provisioner.status import conditions

Json = dict[str, Any]

ROUTED = "Routed"


def told(found: Json, lane: Lane, settled: Settled, now: datetime) -> Json:
    """A lane's status with its routes in it; what it says of them is what was written, not what was meant."""
    services = [_service(one, lane.mode, settled) for one in found.get("services") or ()]
    inside = {one["name"] for one in services if one.get("inLane")}
    blocked = [one for one in settled.findings if one.blocks and (one.service in inside or not one.service)]
    every = [*found["conditions"], _condition(lane, now, settled.findings, blocked)]
    whole = {**found, "conditions": every, "services": services}
    if not blocked or found["phase"] != Phase.READY:
        return whole
    reason, message = blocked[0].reason, _said(blocked)
    return {
        **whole,
        "phase": Phase.DEGRADED.value,
        "conditions": [
            one if one["type"] != "Ready" else conditions.made(lane, now, "Ready", False, reason, message)
            for one in every
        ],
    }


def _service(one: Json, mode: Mode, settled: Settled) -> Json:
    """Who answers: the copy only where there is a route to it."""
    if one.get("route") != "lane" or one["name"] in settled.routed:
        return one
    return one | {"route": "baseline" if mode is Mode.LOOSE else "none"}


def _condition(lane: Lane, now: datetime, findings: Sequence[Finding], blocked: Sequence[Finding]) -> Json:
    first = next(iter((*blocked, *findings)), None)
    reason = first.reason if first else ROUTED
    message = _said(findings) or "every copy that is ready has its routes"
    return conditions.made(lane, now, ROUTED, not blocked, reason, message)


def _said(findings: Iterable[Finding]) -> str:
    return "; ".join(f"{one.service}: {one.message}" if one.service else one.message for one in findings)

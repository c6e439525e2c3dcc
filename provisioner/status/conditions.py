"""The conditions of a Lane, as Kubernetes has them: their time is that of the last change of status. Pure.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from provisioner.lane.model import Lane, stamp

Json = dict[str, Any]


def made(lane: Lane, now: datetime, kind: str, holds: bool, reason: str, message: str) -> Json:
    """A condition of the lane's next status, with the time of the one before while its status is the same."""
    status = "True" if holds else "False"
    known = before(lane, kind)
    same = known.get("status") == status
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": lane.generation,
        "lastTransitionTime": known["lastTransitionTime"] if same else stamp(now),
    }


def before(lane: Lane, kind: str) -> Json:
    """The condition of that type in the status before; empty when there was none."""
    return next((one for one in lane.status.get("conditions") or () if one["type"] == kind), {})

"""The conditions of a Lane or a Release, as Kubernetes has them: their time is that of the last change of
status. Pure.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from provisioner.lane.model import stamp

Json = dict[str, Any]


class Object(Protocol):
    """A Lane or a Release as it was read."""

    @property
    def status(self) -> Mapping[str, Any]: ...

    @property
    def generation(self) -> int: ...


def made(thing: Object, now: datetime, kind: str, holds: bool, reason: str, message: str) -> Json:
    """A condition of its next status, with the time of the one before while its status is the same."""
    status = "True" if holds else "False"
    known = before(thing, kind)
    same = known.get("status") == status
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": thing.generation,
        "lastTransitionTime": known["lastTransitionTime"] if same else stamp(now),
    }


def before(thing: Object, kind: str) -> Json:
    """The condition of that type in the status before; empty when there was none."""
    return next((one for one in thing.status.get("conditions") or () if one["type"] == kind), {})

"""A baseline workload as it was read, and what is written to it: frozen data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """A workload as it was read, with what belongs to it: its pods (none where nobody needs to know why it is
    not ready), its autoscaler, and the object that holds its pod template where that is another one."""

    workload: Json
    pods: Sequence[Json] = ()
    autoscaler: Json | None = None
    template: Json | None = None

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and the most replicas that its autoscaler makes of it; 0 where it has none."""
        if self.autoscaler is None:
            return 0, 0
        spec = self.autoscaler["spec"]
        return int(spec.get("minReplicas", 1)), int(spec.get("maxReplicas", 0))


@dataclass(frozen=True)
class Patch:
    """One merge patch of one object."""

    kind: str
    namespace: str
    name: str
    body: Json
    subresource: str = ""

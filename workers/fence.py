"""Stops a job at its next write when its time is over or its lane's lock is lost.

This spares work; what keeps a stale job from undoing a newer one's is that its writes are conditional on
what it read.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from provisioner.cluster import Cluster
from provisioner.errors import TemporaryError

Json = dict[str, Any]


class Fence:
    """Open from now on for `seconds`, and as long as `valid` says so."""

    def __init__(self, seconds: float, valid: Callable[[], bool] = lambda: True) -> None:
        self._seconds, self._valid = seconds, valid
        self._until = time.monotonic() + seconds

    def check(self) -> None:
        """Raises TemporaryError when the job must not go on writing."""
        if time.monotonic() > self._until:
            raise TemporaryError(
                f"the job took longer than {self._seconds:g} s (LANEWAY_JOB_SECONDS)", reason="JobTooLong"
            )
        if not self._valid():
            raise TemporaryError("another job may hold the lane's lock by now", reason="LockLost")


class FencedCluster(Cluster):
    """A cluster that asks the fence before each write."""

    def __init__(self, cluster: Cluster, fence: Fence) -> None:
        super().__init__(cluster._client)
        self._fence = fence

    def create(self, obj: Json) -> Json:
        self._fence.check()
        return super().create(obj)

    def apply(self, obj: Json, *, force: bool) -> Json:
        self._fence.check()
        return super().apply(obj, force=force)

    def replace(self, obj: Json, subresource: str = "") -> Json:
        self._fence.check()
        return super().replace(obj, subresource)

    def merge(self, kind: str, name: str, patch: Json, namespace: str = "", subresource: str = "") -> Json:
        self._fence.check()
        return super().merge(kind, name, patch, namespace, subresource)

    def delete(
        self, kind: str, name: str, namespace: str = "", *, uid: str = "", resource_version: str = ""
    ) -> bool:
        self._fence.check()
        return super().delete(kind, name, namespace, uid=uid, resource_version=resource_version)

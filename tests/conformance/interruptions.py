"""A cluster that refuses one write: as a worker meets it that is killed, or cut off, at that moment."""

from __future__ import annotations

from typing import Any

from provisioner.cluster import Cluster
from provisioner.errors import ClusterError

Json = dict[str, Any]

WRITES = ("apply", "create", "replace", "merge", "delete")


class CutOff:
    """Does as the cluster does, up to the write of that number, from 1; that one and those after it fail.
    0: none fails."""

    def __init__(self, cluster: Cluster, at: int) -> None:
        self._cluster, self._at, self.writes = cluster, at, 0

    def __getattr__(self, name: str) -> Any:
        does = getattr(self._cluster, name)
        return self._counted(does) if name in WRITES else does

    def _counted(self, does: Any) -> Any:
        def write(*arguments: Any, **options: Any) -> Any:
            self.writes += 1
            if self._at and self.writes >= self._at:
                raise ClusterError("the test has cut it off", where=f"write {self.writes}")
            return does(*arguments, **options)

        return write

"""Whether the cluster's definitions of Lanes and Releases are ones that this version of Laneway can write to.

An API server drops in silence what a definition does not know, so that a worker beside older ones would
lose what it wrote. It does not begin; where nothing can be asked yet, it begins, and is not ready until it
knows.
"""

from __future__ import annotations

from typing import Any, Protocol

import structlog

from provisioner.errors import TemporaryError
from provisioner.inspection import server

log = structlog.get_logger()


class Schemas(Protocol):
    """What of the cluster is asked."""

    def schema(self, kind: str) -> dict[str, Any] | None: ...


class Definition:
    """The definitions in one cluster, looked at until they were found to be right."""

    def __init__(self, cluster: Schemas) -> None:
        self._cluster, self._right = cluster, False

    def check(self) -> None:
        """Raises ConfigError where one is too old or absent, ClusterError when the server does not answer."""
        if not self._right:
            for kind in server.NEEDED:
                server.require(kind, self._cluster.schema(kind))
            self._right = True

    def refuse(self) -> None:
        """The same at the start of a process, which an absent server does not keep from waiting for it."""
        try:
            self.check()
        except TemporaryError as error:
            log.warning("definition.unread", reason=error.reason, error=str(error))

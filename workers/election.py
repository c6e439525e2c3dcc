"""One leader among several beats, by a Lease in the cluster.

Whoever holds the Lease renews it; whoever sees it unchanged for its whole duration, by their own clock,
takes it over. Writes are conditional, so of two that try at once one wins. Clocks of machines are never
compared. A leader that cannot renew in time must stop leading before others may begin: `leading` says so by
the clock alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from provisioner.errors import ConflictError
from provisioner.lane.model import stamp

Json = dict[str, Any]

LEASE = "laneway-beat"
LEASE_SECONDS = 15
RENEW_SECONDS = 5.0

log = structlog.get_logger()


class Leases(Protocol):
    """What of the cluster the election needs."""

    def get(self, kind: str, name: str, namespace: str = "") -> Json | None: ...
    def create(self, obj: Json) -> Json: ...
    def replace(self, obj: Json, subresource: str = "") -> Json: ...


class Election:
    """One candidate. `clock` gives monotonic seconds."""

    def __init__(
        self, leases: Leases, namespace: str, identity: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._leases, self._namespace, self._identity, self._clock = leases, namespace, identity, clock
        self._seen: Json = {}
        self._seen_at = clock()
        self._until = clock()

    def leading(self) -> bool:
        """Whether nobody else can be the leader now."""
        return self._clock() < self._until

    def campaign(self) -> None:
        """Renews, takes over, or looks on. Raises ClusterError when the API server does not answer."""
        asked = self._clock()
        found = self._leases.get("Lease", LEASE, self._namespace)
        if found is not None and not self._free(found):
            return
        try:
            self._write(found)
            self._until = asked + LEASE_SECONDS
        except ConflictError as error:
            self._until = asked
            log.info("beat.outrun", error=str(error))

    def resign(self) -> None:
        """Lets another begin at once. Raises ClusterError when the API server does not answer."""
        found = self._leases.get("Lease", LEASE, self._namespace)
        self._until = self._clock()
        if found is not None and _holder(found) == self._identity:
            found["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
            self._leases.replace(found)

    def _free(self, found: Json) -> bool:
        """Whether the Lease is ours, nobody's, or was seen unchanged for as long as it lasts."""
        spec = found.get("spec") or {}
        if spec != self._seen:
            self._seen, self._seen_at = spec, self._clock()
        lasts = float(spec.get("leaseDurationSeconds") or LEASE_SECONDS)
        return _holder(found) in ("", self._identity) or self._clock() >= self._seen_at + lasts

    def _write(self, found: Json | None) -> None:
        now = stamp(datetime.now(UTC))
        if found is None:
            first: Json = {"acquireTime": now, "leaseTransitions": 0}
            self._leases.create(self._lease(first | self._renewal(now), {}))
            return
        spec: Json = dict(found.get("spec") or {})
        if _holder(found) != self._identity:
            spec |= {"acquireTime": now, "leaseTransitions": spec.get("leaseTransitions", 0) + 1}
        self._leases.replace(self._lease(spec | self._renewal(now), found["metadata"]))

    def _renewal(self, now: str) -> Json:
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": now,
        }

    def _lease(self, spec: Json, metadata: Json) -> Json:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {**metadata, "name": LEASE, "namespace": self._namespace},
            "spec": spec,
        }


def _holder(found: Json) -> str:
    return str((found.get("spec") or {}).get("holderIdentity") or "")

"""What the cluster remembers of lanes' use: when each was used last, and since when use is seen at all.

The router writes both. The second is a Lease per chain, `laneway-use-CHAIN`, whose acquireTime is when use
began to be seen without a gap: a lane may sleep only because nobody used it, never because nobody looked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from provisioner.cluster import Cluster
from provisioner.errors import ConflictError
from provisioner.lane.model import Lane, moment, stamp

Json = dict[str, Any]

GAP = timedelta(seconds=90)  # without a note for this long, what happened meanwhile was not seen


def seen_since(cluster: Cluster, namespace: str, chain: str, now: datetime) -> datetime | None:
    """Since when the chain's use has been seen without a gap; None when it is not seen now."""
    found = cluster.get("Lease", _name(chain), namespace)
    return None if found is None else _since(found, now)


def ask_to_rest(cluster: Cluster, lane: Lane, at: datetime) -> None:
    """Notes on this very Lane that it should make room. Raises NotFoundError, ConflictError
    when it is another by now, ClusterError."""
    patch = {"metadata": {"uid": lane.uid}, "status": {"restAskedAt": stamp(at)}}
    cluster.merge("Lane", lane.object_name, patch, subresource="status")


@dataclass(frozen=True)
class ClusterNotes:
    """Writes what the router sees. Raises LanewayError."""

    cluster: Cluster
    namespace: str

    def active(self, lane: Json, at: datetime) -> None:
        """The lane was used, or is wanted awake. Only this very Lane is written, and of it nothing else; no
        note is worth a second try when it was written at the same moment."""
        metadata = {"uid": lane["metadata"]["uid"]}
        patch = {"metadata": metadata, "status": {"activeAt": stamp(at)}}
        self.cluster.merge("Lane", lane["metadata"]["name"], patch, subresource="status")

    def seen(self, chain: str, at: datetime) -> None:
        """The chain's use is seen now."""
        found = self.cluster.get("Lease", _name(chain), self.namespace)
        since = _since(found, at) if found else None
        spec = {"renewTime": stamp(at), "acquireTime": stamp(since or at)}
        try:
            self._write(found, chain, spec)
        except ConflictError:
            pass  # another router noted the same at this moment

    def _write(self, found: Json | None, chain: str, spec: Json) -> None:
        if found is None:
            metadata = {"name": _name(chain), "namespace": self.namespace}
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
            self.cluster.create({**lease, "spec": spec})
        else:
            self.cluster.replace({**found, "spec": {**found["spec"], **spec}})


def _since(lease: Json, now: datetime) -> datetime | None:
    spec = lease.get("spec") or {}
    renewed, since = spec.get("renewTime"), spec.get("acquireTime")
    if not renewed or not since or abs(now - moment(renewed)) > GAP:
        return None
    return moment(since)


def _name(chain: str) -> str:
    return f"laneway-use-{chain}"

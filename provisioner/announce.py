"""Kubernetes Events, for people who ask with kubectl what happened to an object."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from provisioner.cluster import Cluster
from provisioner.labels import FIELD_MANAGER
from provisioner.lane import stamp

Json = dict[str, Any]

_MOST_LETTERS = 1024  # what the API server takes of a message


def tell(cluster: Cluster, about: Json, reason: str, message: str, now: datetime) -> None:
    """Writes an Event about an object (with kind, apiVersion and metadata); one about a cluster-scoped object
    lies in the namespace `default`, where kubectl looks for it."""
    metadata = about["metadata"]
    namespace = metadata.get("namespace") or "default"
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name'][:230]}.{secrets.token_hex(8)}", "namespace": namespace},
            "involvedObject": _reference(about),
            "reason": reason,
            "message": message[:_MOST_LETTERS],
            "type": "Normal",
            "source": {"component": FIELD_MANAGER},
            "firstTimestamp": _seconds(now),
            "lastTimestamp": _seconds(now),
            "count": 1,
        }
    )


def _reference(about: Json) -> Json:
    metadata = about["metadata"]
    named = {key: metadata[key] for key in ("name", "namespace", "uid") if metadata.get(key)}
    return {"apiVersion": about["apiVersion"], "kind": about["kind"], **named}


def _seconds(moment: datetime) -> str:
    return stamp(moment.replace(microsecond=0)).replace(".000000Z", "Z")

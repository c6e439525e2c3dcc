"""Kubernetes Events, for people who ask with kubectl what happened to an object.

What happens again within the hour or so that the cluster keeps an Event is counted on the one that is there,
so that a quarrel about a copy does not fill the list.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import structlog

from provisioner import labels
from provisioner.cluster import Cluster
from provisioner.errors import ConflictError, LanewayError
from provisioner.lane.model import Lane, moment, stamp
from provisioner.release.model import Phase, Reason, Release
from provisioner.status.timeline import Happening

Json = dict[str, Any]

_MOST_LETTERS = 1024  # what the API server takes of a message
_WARNINGS = frozenset((Happening.DEGRADED, Happening.BLOCKED, Happening.PUT_BACK))
# what these say is told by the Events around them
_UNTOLD = frozenset((Happening.APPLIED, Happening.REMOVED))
# of a release: it goes back, or asks about what nobody planned
_GOES_BACK = frozenset((Phase.RESTORING, Phase.ROLLING_BACK, Phase.ROLLED_BACK))
_ASKS = frozenset((Reason.BASELINE_CHANGED, Reason.INCONCLUSIVE))

log = structlog.get_logger()


def news(cluster: Cluster, lane: Lane, status: Json) -> None:
    """Tells of what `status`, which was just written, has in its timeline beyond the lane's status before.

    Best effort: an Event that cannot be written fails nothing, and is logged; the timeline has it anyway.
    """
    known = lane.status.get("timeline") or ()
    for entry in status["timeline"]:
        if entry in known or entry["event"] in _UNTOLD:
            continue
        warning = entry["event"] in _WARNINGS
        if not tell(cluster, about(lane), entry["event"], _told(entry), moment(entry["at"]), warning=warning):
            return


def release_news(cluster: Cluster, release: Release, status: Json) -> None:
    """As `news`, of a release: each entry that `status`, just written, has beyond `release`, which is as it
    was before, and which need not have had any."""
    known = [one["sequence"] for one in release.status.get("timeline") or ()]
    for entry in status.get("timeline") or ():
        if entry["sequence"] in known:
            continue
        warning = entry["phase"] in _GOES_BACK or entry["reason"] in _ASKS
        told, at = entry.get("message") or entry["event"], moment(entry["at"])
        if not tell(cluster, about_release(release), entry["event"], told, at, warning=warning):
            return


def about_release(release: Release) -> Json:
    """A release as an Event refers to it."""
    metadata = {"name": release.object_name, "uid": release.uid}
    return {"apiVersion": labels.API_VERSION, "kind": "Release", "metadata": metadata}


def about(lane: Lane) -> Json:
    """A lane as an Event refers to it."""
    return {**lane.to_object(), "metadata": {"name": lane.object_name, "uid": lane.uid}}


def tell(
    cluster: Cluster, about: Json, reason: str, message: str, now: datetime, *, warning: bool = False
) -> bool:
    """Writes an Event about an object (with kind, apiVersion and metadata), and says whether it is written.

    Best effort: what it tells is done, so one that cannot be written fails nothing, and is logged.
    """
    try:
        _write(cluster, about, reason, message, now, warning=warning)
    except LanewayError as error:
        log.warning("event.unwritten", event_reason=reason, message=message, error=str(error))
        return False
    return True


def _write(cluster: Cluster, about: Json, reason: str, message: str, now: datetime, *, warning: bool) -> None:
    """An Event about a cluster-scoped object lies in the namespace `default`, where kubectl looks for it."""
    event = _event(about, reason, message[:_MOST_LETTERS], now)
    event["type"] = "Warning" if warning else "Normal"
    try:
        cluster.create(event)
    except ConflictError:
        _count(cluster, event)


def _count(cluster: Cluster, event: Json) -> None:
    """Once more of an Event that is there; one that has expired just now is not worth another."""
    name, namespace = event["metadata"]["name"], event["metadata"]["namespace"]
    there = cluster.get("Event", name, namespace)
    if there is not None:
        more = {"count": int(there.get("count") or 1) + 1, "lastTimestamp": event["lastTimestamp"]}
        cluster.merge("Event", name, more, namespace)


def _event(about: Json, reason: str, message: str, now: datetime) -> Json:
    metadata = about["metadata"]
    same = hashlib.sha256("\n".join((metadata.get("uid", ""), reason, message)).encode()).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name'][:230]}.{same}",
            "namespace": metadata.get("namespace") or "default",
        },
        "involvedObject": _reference(about),
        "reason": reason,
        "message": message,
        "source": {"component": labels.FIELD_MANAGER},
        "firstTimestamp": _seconds(now),
        "lastTimestamp": _seconds(now),
        "count": 1,
    }


def _told(entry: Json) -> str:
    after = f" (after {entry['seconds']:g} s)" if "seconds" in entry else ""
    return f"{entry.get('message') or entry['event']}{after}"


def _reference(about: Json) -> Json:
    metadata = about["metadata"]
    named = {key: metadata[key] for key in ("name", "namespace", "uid") if metadata.get(key)}
    return {"apiVersion": about["apiVersion"], "kind": about["kind"], **named}


def _seconds(moment: datetime) -> str:
    return stamp(moment.replace(microsecond=0)).replace(".000000Z", "Z")

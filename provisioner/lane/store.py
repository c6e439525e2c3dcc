"""Reads and writes Lane objects. Every write is conditional on the Lane that it was computed from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import structlog

from provisioner import labels
from provisioner.cluster import Cluster, NotFoundError
from provisioner.errors import ConflictError
from provisioner.lane.model import Lane, object_name

Json = dict[str, Any]
T = TypeVar("T")

CONFLICT_TRIES = 4

log = structlog.get_logger()


def read(cluster: Cluster, chain: str, name: str) -> Lane | None:
    """The lane as the cluster holds it now, or None."""
    found = cluster.get("Lane", object_name(chain, name))
    return None if found is None else Lane.from_object(found)


def every(cluster: Cluster, chain: str = "") -> list[Lane]:
    """All lanes of a chain; without one, of all chains."""
    selector = f"{labels.CHAIN}={chain}" if chain else ""
    return [Lane.from_object(found) for found in cluster.pages("Lane", labels=selector)]


def write(cluster: Cluster, lane: Lane, owner: Json | None = None) -> Lane:
    """Creates the Lane or changes its spec; whatever others put beside the spec stays. `owner` is the
    reference of what a new one is to go with. ConflictError when it was written, created or deleted
    meanwhile."""
    if not lane.uid:
        made = lane.to_object()
        if owner is not None:
            made["metadata"]["ownerReferences"] = [owner]
        return Lane.from_object(cluster.create(made))
    spec = {"ttl": None, "parent": None, "release": None, "services": None, **lane.spec()}
    patch = {"metadata": {"resourceVersion": lane.resource_version}, "spec": spec}
    return Lane.from_object(_merge(cluster, lane, patch))


def label(cluster: Cluster, lane: Lane) -> Lane:
    """Puts the labels back by which a Lane is found."""
    metadata = {"resourceVersion": lane.resource_version, "labels": labels.of_lane(lane.chain, lane.name)}
    log.warning("lane.labelled", lane=lane.object_name)
    return Lane.from_object(_merge(cluster, lane, {"metadata": metadata}))


def hold(cluster: Cluster, lane: Lane) -> Lane:
    """Sees to it that the Lane does not end before its routes are withdrawn."""
    return lane if lane.held else _finalized(cluster, lane, (*lane.finalizers, labels.ROUTES))


def release(cluster: Cluster, lane: Lane) -> Lane:
    """Lets it end; whatever else holds it stays."""
    return _finalized(cluster, lane, tuple(one for one in lane.finalizers if one != labels.ROUTES))


def _finalized(cluster: Cluster, lane: Lane, finalizers: tuple[str, ...]) -> Lane:
    metadata = {"resourceVersion": lane.resource_version, "finalizers": list(finalizers)}
    return Lane.from_object(_merge(cluster, lane, {"metadata": metadata}))


def write_status(cluster: Cluster, lane: Lane, wanted: Json) -> None:
    """Writes the status where it differs. ConflictError when the Lane was written or deleted meanwhile."""
    if wanted == lane.status:
        return
    cleared = {key: None for key in lane.status if key not in wanted}
    patch = {"metadata": {"resourceVersion": lane.resource_version}, "status": {**cleared, **wanted}}
    _merge(cluster, lane, patch, "status")


def remove(cluster: Cluster, lane: Lane) -> None:
    """Deletes that very Lane, unless somebody wrote it meanwhile (ConflictError); the cluster collects what
    it owns."""
    cluster.delete("Lane", lane.object_name, uid=lane.uid, resource_version=lane.resource_version)


def _merge(cluster: Cluster, lane: Lane, patch: Json, subresource: str = "") -> Json:
    """A Lane that went since it was read is one more conflict: what was computed from it is out of date, and
    nothing that a person has to mend."""
    try:
        return cluster.merge("Lane", lane.object_name, patch, subresource=subresource)
    except NotFoundError as error:
        raise ConflictError(error.message, where=error.where, reason="Gone") from error


def on_conflict(attempt: Callable[[], T]) -> T:
    """Runs `attempt`, which reads everything anew, again after a conflict; the last one is the caller's."""
    for _ in range(CONFLICT_TRIES - 1):
        try:
            return attempt()
        except ConflictError as error:
            log.info("write.conflict", error=str(error))
    return attempt()

"""Reads and writes Release objects. Every write is conditional on the Release that it was computed from."""

from __future__ import annotations

from typing import Any

from provisioner import labels
from provisioner.cluster import Cluster, NotFoundError
from provisioner.errors import ConflictError
from provisioner.release.model import Release, object_name

Json = dict[str, Any]

CHANGEABLE = ("paused", "promoted", "resumed", "accepted", "aborted")


def read(cluster: Cluster, chain: str, name: str) -> Release | None:
    """The release as the cluster holds it now, or None."""
    found = cluster.get("Release", object_name(chain, name))
    return None if found is None else Release.from_object(found)


def every(cluster: Cluster, chain: str = "") -> list[Release]:
    """All releases of a chain, the oldest first; without one, of all chains. What bears no labels is among
    them, since a Release may be made by hand."""
    found = (Release.from_object(one) for one in cluster.pages("Release"))
    return sorted((one for one in found if chain in ("", one.chain)), key=age)


def age(release: Release) -> tuple[str, str]:
    """What releases are sorted by: who was made first is first; in one second, by name."""
    return release.created.isoformat() if release.created else "", release.name


def create(cluster: Cluster, release: Release) -> Release:
    """Makes it. ConflictError with reason AlreadyExists where there is one of that name."""
    return Release.from_object(cluster.create(release.to_object()))


def write(cluster: Cluster, release: Release) -> Release:
    """Changes what may change of its spec, which is what people say of a release that runs; ConflictError
    when it was written or deleted meanwhile."""
    spec = release.spec()
    patch = {"metadata": _version(release), "spec": {key: spec.get(key) for key in CHANGEABLE}}
    return _merge(cluster, release, patch)


def write_status(cluster: Cluster, release: Release, wanted: Json) -> Release:
    """Writes the status where it differs: the one write that moves requests. ConflictError when the Release
    was written or deleted meanwhile."""
    if wanted == release.status:
        return release
    cleared = {key: None for key in release.status if key not in wanted}
    patch = {"metadata": _version(release), "status": {**cleared, **_whole(release.status, wanted)}}
    return _merge(cluster, release, patch, "status")


def hold(cluster: Cluster, release: Release) -> Release:
    """Sees to it that the Release does not end while the baseline is between two versions."""
    return release if release.held else _finalized(cluster, release, (*release.finalizers, labels.RELEASE))


def let_go(cluster: Cluster, release: Release) -> Release:
    """Lets it end; whatever else holds it stays."""
    if not release.held:
        return release
    return _finalized(cluster, release, tuple(one for one in release.finalizers if one != labels.RELEASE))


def _finalized(cluster: Cluster, release: Release, finalizers: tuple[str, ...]) -> Release:
    return _merge(cluster, release, {"metadata": {**_version(release), "finalizers": list(finalizers)}})


def _version(release: Release) -> Json:
    return {"resourceVersion": release.resource_version}


def _whole(before: Any, after: Any) -> Any:
    """A value as a merge patch has to say it: what is gone from a map is null there."""
    if not isinstance(after, dict) or not isinstance(before, dict):
        return after
    gone = {key: None for key in before if key not in after}
    return {**gone, **{key: _whole(before.get(key), value) for key, value in after.items()}}


def _merge(cluster: Cluster, release: Release, patch: Json, subresource: str = "") -> Release:
    """A Release that went since it was read is one more conflict."""
    try:
        return Release.from_object(
            cluster.merge("Release", release.object_name, patch, subresource=subresource)
        )
    except NotFoundError as error:
        raise ConflictError(error.message, where=error.where, reason="Gone") from error

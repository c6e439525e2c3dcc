"""Finds releases that are not over, those that were long ago, and lanes that a release has left behind.

The cluster collects a release's lane with its Release. Where somebody has taken the lane's owner away, or the
collector does not come to it, the lane would stay for ever: nothing else ever ends it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from provisioner.cluster import Cluster
from provisioner.lane.model import Lane
from provisioner.release import store
from provisioner.release.model import Release

KEPT = 20  # releases of a chain that are over, and stay to be looked at


@dataclass(frozen=True)
class Releases:
    """`active` are chain and name of those that are not over; `orphaned` the lanes whose Release is gone;
    `old` those that are over, without the newest KEPT of each chain."""

    active: tuple[tuple[str, str], ...] = ()
    orphaned: tuple[Lane, ...] = ()
    old: tuple[Release, ...] = ()


def found(chains: Collection[str], lanes: Iterable[Lane], cluster: Cluster) -> Releases:
    """The releases of these chains. `lanes` are those of releases, as they were a moment ago: a Release is
    there before its lane. Raises ClusterError."""
    there = [one for one in store.every(cluster) if one.chain in chains]
    known = {(one.chain, one.name) for one in there}
    return Releases(
        active=tuple((one.chain, one.name) for one in there if not one.phase.over or one.held),
        orphaned=tuple(one for one in lanes if (one.chain, one.release) not in known),
        old=tuple(one for chain in chains for one in _old(one for one in there if one.chain == chain)),
    )


def _old(releases: Iterable[Release]) -> list[Release]:
    """Of one chain's releases, the oldest first, those that nobody needs to know of any more."""
    over = [one for one in releases if one.phase.over and not one.held and not one.going]
    return over[:-KEPT]

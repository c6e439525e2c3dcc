"""The arithmetic of a Deployment's rollout. Pure; the rules are Kubernetes' own."""

from __future__ import annotations

import math
from dataclasses import dataclass

from devcluster.controllers.view import Object


@dataclass(frozen=True)
class Bounds:
    """How far a rollout may go above and below the wanted number of pods."""

    surge: int
    unavailable: int


@dataclass(frozen=True)
class Generation:
    """One ReplicaSet of a Deployment: pods wanted, and pods available."""

    name: str
    replicas: int
    available: int


def bounds(deployment: Object) -> Bounds:
    """maxSurge rounded up, maxUnavailable down; both zero would never move, so one may be unavailable."""
    replicas = deployment["spec"].get("replicas", 1)
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    surge = amount(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = amount(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Bounds(surge, min(unavailable, replicas))


def amount(value: int | str, whole: int, *, up: bool) -> int:
    """A number, or a percentage of `whole`."""
    if isinstance(value, int):
        return value
    exact = int(value.removesuffix("%")) * whole / 100
    return math.ceil(exact) if up else math.floor(exact)


def grown(wanted: int, limits: Bounds, new: Generation, old: list[Generation]) -> int:
    """The new ReplicaSet's size: as much as the surge leaves room for, or fewer when it has too many."""
    if new.replicas >= wanted:
        return wanted
    total = new.replicas + sum(g.replicas for g in old)
    room = wanted + limits.surge - total
    return new.replicas + max(0, min(room, wanted - new.replicas))


def shrunk(wanted: int, limits: Bounds, new: Generation, old: list[Generation]) -> dict[str, int]:
    """The old ReplicaSets' sizes, by name, oldest first: unhealthy pods go first, then what may be spared."""
    sizes = {g.name: g.replicas for g in old}
    minimum = wanted - limits.unavailable
    spare = new.replicas + sum(sizes.values()) - minimum - max(0, new.replicas - new.available)
    for generation in old:
        unhealthy = min(max(0, spare), generation.replicas - min(generation.available, generation.replicas))
        sizes[generation.name] -= unhealthy
        spare -= unhealthy
    spare = new.available + sum(min(g.available, sizes[g.name]) for g in old) - minimum
    for generation in old:
        going = min(max(0, spare), sizes[generation.name])
        sizes[generation.name] -= going
        spare -= going
    return sizes

"""Reads what a chain file is held against. What may not be read is noted with the server's own words, which
name the missing verb and resource, and all else is read all the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioner.chain.model import Chain
from provisioner.cluster import Cluster, NotFoundError
from provisioner.copies import rollouts
from provisioner.errors import PermanentError

Json = dict[str, Any]

KINDS = (
    *("Service", "Deployment", "StatefulSet", "DaemonSet", "Pod"),
    *("PersistentVolumeClaim", "PodDisruptionBudget", "NetworkPolicy"),
)
DRAFTED = ("Service", "Deployment", "StatefulSet", "DaemonSet", "Rollout", "Pod", "Ingress")
DEFINITIONS = {"Lane": "lanes.laneway.dev", "Release": "releases.laneway.dev"}


@dataclass(frozen=True)
class Seen:
    """Namespaces as read. `unread` says why, by namespace and kind; `absent` are those that do not exist,
    `unserved` the kinds that the cluster does not know."""

    objects: dict[tuple[str, str], tuple[Json, ...]] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    unread: dict[tuple[str, str], str] = field(default_factory=dict)
    unserved: set[str] = field(default_factory=set)

    def of(self, kind: str, *namespaces: str) -> tuple[Json, ...]:
        """The objects of a kind in these namespaces."""
        return tuple(one for namespace in namespaces for one in self.objects.get((namespace, kind), ()))

    def knows(self, namespace: str, *kinds: str) -> bool:
        """Whether all of these kinds could be read there."""
        return all((namespace, kind) in self.objects for kind in kinds)


@dataclass(frozen=True)
class Server:
    """The API server: its version, and the definitions of Laneway's own kinds there, by kind; None for one
    that is not there. `unread` says why they could not be looked at."""

    version: Json
    definitions: Mapping[str, Json | None]
    unread: str = ""


def optional(chains: Iterable[Chain]) -> tuple[str, ...]:
    """The kinds of workload that not every cluster serves and that these chains name."""
    return tuple(sorted({one.workload.kind for chain in chains for one in chain.services} & {rollouts.KIND}))


def server(cluster: Cluster) -> Server:
    """Raises ClusterError when the server does not answer."""
    version = cluster.version()
    try:
        found = {kind: cluster.get("CustomResourceDefinition", name) for kind, name in DEFINITIONS.items()}
    except PermanentError as error:
        return Server(version, {}, str(error))
    return Server(version, found)


def namespaces(cluster: Cluster, names: Iterable[str], kinds: Iterable[str] = KINDS) -> Seen:
    """Everything of these kinds in these namespaces."""
    seen = Seen()
    absent = set()
    for name in sorted(set(names)):
        if _is_absent(cluster, name):
            absent.add(name)
        else:
            _read(cluster, name, kinds, seen)
    return Seen(seen.objects, frozenset(absent), seen.unread, seen.unserved)


def _is_absent(cluster: Cluster, name: str) -> bool:
    """Whether a namespace certainly does not exist; who may not read it is told by what follows."""
    try:
        return cluster.get("Namespace", name) is None
    except PermanentError:
        return False


def _read(cluster: Cluster, namespace: str, kinds: Iterable[str], seen: Seen) -> None:
    for kind in kinds:
        try:
            seen.objects[namespace, kind] = tuple(cluster.list(kind, namespace))
        except NotFoundError:
            seen.unserved.add(kind)
        except PermanentError as error:
            seen.unread[namespace, kind] = error.message

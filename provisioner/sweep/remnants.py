"""Finds lanes that are gone and of which routes that all lanes share still have something.

A Lane with such routes is held until they are withdrawn. Where somebody takes its finalizer away, the cluster
collects what the Lane owns, and what others share is left: a line that leads nowhere, and the object not as
its user had it. One list of those objects a namespace tells; nobody else ever looks for them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain
from provisioner.cluster import Cluster, NotFoundError
from provisioner.copies.plan import identity
from provisioner.lane.model import Lane, object_name
from provisioner.routing import drivers
from provisioner.routing.mesh import Driver
from provisioner.sweep import rows

Json = dict[str, Any]


@dataclass(frozen=True)
class Remnant:
    """A lane as it would be, and what is left of it."""

    lane: Lane
    message: str


def found(chains: Iterable[Chain], known: Container[str], cluster: Cluster) -> Iterator[Remnant]:
    """`known` are the names of the Lanes that there were a moment ago. Raises ClusterError."""
    for chain in chains:
        if (driver := drivers.mesh(chain.driver)) is None:
            continue
        for one in _shared(driver, chain, cluster):
            for lane in sorted(driver.lanes_in(one, chain.name)):
                name = object_name(chain.name, lane)
                if name not in known and cluster.get("Lane", name) is None:
                    message = f"its Lane is gone, and {rows.where(*identity(one))} still has a line of it"
                    yield Remnant(Lane(chain.name, lane), message)


def _shared(driver: Driver, chain: Chain, cluster: Cluster) -> Iterator[Json]:
    """What the lanes of a chain share."""
    for kind in driver.shares:
        for namespace in chain.namespaces:
            try:
                yield from cluster.pages(kind, namespace, f"!{labels.LANE}")
            except NotFoundError:
                continue  # a mesh that is not installed routes nobody

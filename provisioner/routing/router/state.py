"""What each router should be told now: the inventory, compiled, with those who wait for it woken on change.

Nothing is told before every watch was listed completely once: a router that started a moment ago must not
take away what an Envoy has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from provisioner.chain import Chain
from provisioner.routing.envoy import Compiler, Node, Resources
from provisioner.routing.intent import Copy
from provisioner.routing.router import metrics
from provisioner.routing.router.feed import Change, Listed, queries
from provisioner.routing.router.inventory import Inventory

log = structlog.get_logger()


class RoutingState:
    """Lives on one event loop; `apply` is called there."""

    def __init__(self, chains: Sequence[Chain]) -> None:
        self._inventory = Inventory(chains, _rejected)
        self._missing = set(queries(chains))
        self._compilers = {
            (chain.name, namespace): Compiler() for chain in chains for namespace in chain.namespaces
        }
        self._shared: dict[tuple[str, str], tuple[int, Resources]] = {}
        self._generation = 0
        self._waiting: set[asyncio.Event] = set()

    @property
    def missing(self) -> tuple[str, ...]:
        """The watches that were not listed yet, as people read them."""
        return tuple(sorted(f"{one.kind} in {one.namespace or 'the cluster'}" for one in self._missing))

    @property
    def streams(self) -> int:
        return len(self._waiting)

    def knows(self, node: Node) -> bool:
        """Whether the node's chain is configured, in its namespace."""
        return (node.chain, node.namespace) in self._compilers

    def apply(self, change: Change) -> None:
        """Takes a change in and wakes who waits."""
        if isinstance(change, Listed):
            self._inventory.replace(change.query.kind, change.query.namespace, change.objects)
            self._missing.discard(change.query)
        elif change.gone:
            self._inventory.remove(change.obj)
        else:
            self._inventory.put(change.obj)
        self._generation += 1
        for event in self._waiting:
            event.set()

    def resources(self, node: Node, own: Compiler) -> Resources | None:
        """Everything that the node should have; None while that is not known. `own` is the compiler that the
        node's stream keeps for what is the node's alone."""
        if self._missing or not self.knows(node):
            return None
        place = (node.chain, node.namespace)
        compiler, intent = self._compilers[place], self._inventory.intent(node.chain)
        generation, shared = self._shared.get(place, (-1, {}))
        if generation != self._generation:
            shared = compiler.shared(intent, node.namespace)
            self._shared[place] = (self._generation, shared)
        return {**shared, **own.own(intent, node)}

    def copy(self, where: tuple[str, str, str], lane: str, port: int) -> Copy | None:
        """What a lane's copy is at a port of the service `where` (chain, namespace, service); None where it
        has none, or where that is not known yet."""
        return None if self._missing else self._inventory.copy(where, lane, port)

    def lane(self, chain: str, lane: str) -> dict[str, Any] | None:
        """The Lane object as it was seen last; None when there is none."""
        return self._inventory.lane(chain, lane)

    def users(self, addresses: Iterable[str]) -> set[tuple[str, str]]:
        """Chain and lane of the copies whose pods have these addresses."""
        return self._inventory.users(addresses)

    def join(self, event: asyncio.Event) -> None:
        """`event` is set whenever something changed, until it leaves."""
        self._waiting.add(event)

    def leave(self, event: asyncio.Event) -> None:
        self._waiting.discard(event)


def _rejected(obj: dict[str, Any], error: Exception) -> None:
    metadata = obj["metadata"]
    metrics.UNREADABLE.labels(obj["kind"]).inc()
    log.error(
        "router.unreadable",
        kind=obj["kind"],
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        error=repr(error),
    )

"""What each router should be told now: the inventory, compiled, with those who wait for it woken on change.

Nothing is told before every watch was listed completely once: a router that started a moment ago must not
take away what an Envoy has.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from provisioner.chain.model import Chain
from provisioner.routing import links, share
from provisioner.routing.envoy import ROUTES, Compiler, Node, Resources
from provisioner.routing.intent import ChainIntent, Standing
from provisioner.routing.links import Keys
from provisioner.routing.router import metrics
from provisioner.routing.router.arrivals import Arrivals
from provisioner.routing.router.feed import Change, Listed, queries
from provisioner.routing.router.inventory import Inventory

Spread = tuple[str, str, int]  # chain, namespace, shards

log = structlog.get_logger()


class View:
    """What is known of the chains of one set of files. Lives on one event loop.

    An Envoy keeps the number of shards that it has, and a chain that was routed `before` its own for those
    that come: a lane that moved to another cluster would be the baseline's to every connection that still
    knows the old one.
    """

    def __init__(self, chains: Sequence[Chain], before: View | None = None) -> None:
        self.chains = {chain.name: chain for chain in chains}
        self.shards: dict[str, int] = {chain.name: chain.shards for chain in chains}
        self.shards |= before.shards if before else {}
        self.inventory = Inventory(chains, _rejected)
        self._missing = set(queries(chains))
        self._places = {(chain.name, namespace) for chain in chains for namespace in chain.namespaces}
        self._compilers: defaultdict[Spread, Compiler] = defaultdict(Compiler)
        self._shared: dict[Spread, tuple[int, Resources]] = {}
        self.generation = 0

    @property
    def missing(self) -> tuple[str, ...]:
        """The watches that were not listed yet, as people read them."""
        return tuple(sorted(f"{one.kind} in {one.namespace or 'the cluster'}" for one in self._missing))

    def apply(self, change: Change) -> None:
        """Takes a change in."""
        if isinstance(change, Listed):
            self.inventory.replace(change.query.kind, change.query.namespace, change.objects)
            self._missing.discard(change.query)
        elif change.gone:
            self.inventory.remove(change.obj)
        else:
            self.inventory.put(change.obj)
        self.generation += 1

    def intent(self, chain: str) -> ChainIntent:
        """What routing has to achieve for a chain."""
        return replace(self.inventory.intent(chain), shards=self.shards[chain])

    def resources(self, node: Node, own: Compiler, keys: Keys = ()) -> Resources | None:
        """As `RoutingState.resources`, with the keys of signed links."""
        if self._missing or (node.chain, node.namespace) not in self._places:
            return None
        intent = self.intent(node.chain)
        intent = replace(intent, shards=node.shards or intent.shards)
        spread = (node.chain, node.namespace, intent.shards)
        generation, shared = self._shared.get(spread, (-1, {}))
        if generation != self.generation:
            shared = self._compilers[spread].shared(intent, node.namespace)
            self._shared[spread] = (self.generation, shared)
        return {**shared, **own.own(intent, node, links.of_chain(keys, node.chain))}


class RoutingState:
    """What is routed now: one view, shown until another takes its place. Lives on one event loop."""

    def __init__(self, chains: Sequence[Chain], keys: Keys = ()) -> None:
        self.view = View(chains)
        self._keys = keys  # never part of an intent: those are kept where more people read
        self._waiting: dict[asyncio.Event, Node | None] = {}  # each with the Envoy that waits, if one does
        self._arrivals = Arrivals()
        self._before = 0  # the generations of views that were shown before

    @property
    def missing(self) -> tuple[str, ...]:
        """The watches that were not listed yet, as people read them."""
        return self.view.missing

    @property
    def chains(self) -> Mapping[str, Chain]:
        """The chains that are routed, by name."""
        return self.view.chains

    @property
    def streams(self) -> int:
        """The Envoys that are connected."""
        return sum(node is not None for node in self._waiting.values())

    @property
    def generation(self) -> int:
        """Grows with each change of what is known."""
        return self._before + self.view.generation

    def show(self, view: View) -> None:
        """From now on this view is what is routed."""
        self._before = self.generation + 1
        self.view = view
        self.wake()

    def sign_with(self, keys: Keys) -> None:
        """From now on links are checked by these keys."""
        if keys != self._keys:
            self._keys = keys
            log.info("router.keys_changed", keys=len(keys))
            self.wake()

    def wake(self) -> None:
        """Wakes who waits for a change."""
        for event in self._waiting:
            event.set()

    def resources(self, node: Node, own: Compiler) -> Resources | None:
        """Everything that the node should have; None while that is not known, or its chain is not
        configured in its namespace. `own` is the compiler that the node's stream keeps for what is the
        node's alone. A share of a release that cannot begin yet is held back with the routes that say it."""
        found = self.view.resources(node, own, self._keys)
        if found is None:
            return None
        wanted = share.takes(self.view.intent(node.chain).share)
        if self._arrivals.may_begin(node.chain, self.generation, wanted=wanted):
            return found
        return {kind: resources for kind, resources in found.items() if kind != ROUTES}

    def standing(self, where: tuple[str, str, str], lane: str, port: int) -> Standing | None:
        """Who can answer a lane's request at a port of the service `where` (chain, namespace, service); None
        while that is not known."""
        return None if self.missing else self.view.inventory.standing(where, lane, port)

    def lane(self, chain: str, lane: str) -> dict[str, Any] | None:
        """The Lane object as it was seen last; None when there is none."""
        return self.view.inventory.lane(chain, lane)

    def ancestors(self, chain: str, lane: str) -> tuple[str, ...]:
        """The lanes that stand in for what a lane lacks, nearest first."""
        return self.view.inventory.ancestors(chain, lane)

    def users(self, addresses: Iterable[str]) -> set[tuple[str, str]]:
        """Chain and lane of the copies whose pods have these addresses."""
        return self.view.inventory.users(addresses)

    def join(self, event: asyncio.Event, envoy: Node | None = None) -> None:
        """`event` is set whenever something changed, until it leaves; `envoy` is who waits, if one does."""
        self._waiting[event] = envoy
        if envoy:
            self._arrivals.join(event, envoy.chain)

    def leave(self, event: asyncio.Event) -> None:
        """What waited for this Envoy may go on."""
        if self._waiting.pop(event, None) is not None:
            self._arrivals.leave(event)
            self.wake()

    def take(self, event: asyncio.Event, generation: int) -> None:
        """The Envoy that joined with the event has all of a generation."""
        if self._arrivals.take(event, generation):
            self.wake()


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

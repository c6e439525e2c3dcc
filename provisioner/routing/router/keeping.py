"""Keeps in the cluster what an Envoy needs that starts while no router runs.

One ConfigMap for each chain and namespace. `laneway attach` makes and removes it; here it is only filled, and
only when its content changes, at most every few seconds. Routers that run side by side write the same bytes,
which the API server takes for no change.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import structlog

from provisioner.cluster import Cluster
from provisioner.errors import LanewayError
from provisioner.routing.router import deployment, snapshot
from provisioner.routing.router.state import RoutingState

log = structlog.get_logger()

KEY = "intent"  # of the ConfigMap's binaryData; the name of the file in the pods

Place = tuple[str, str]  # chain and namespace


class Shelf(Protocol):
    """Where snapshots are put. Raises LanewayError."""

    def put(self, chain: str, namespace: str, data: bytes) -> None: ...


@dataclass(frozen=True)
class ClusterShelf:
    cluster: Cluster

    def put(self, chain: str, namespace: str, data: bytes) -> None:
        patch = {"binaryData": {KEY: b64encode(data).decode()}}
        self.cluster.merge("ConfigMap", deployment.name(chain), patch, namespace)


@dataclass(frozen=True)
class Pace:
    """Seconds between two looks, and after a write that failed: attach may be about to make its object."""

    look: float = 5.0
    failed: float = 10.0


class Keeping:
    def __init__(self, state: RoutingState, shelf: Shelf, pace: Pace = Pace()) -> None:
        self._state, self._shelf, self._pace = state, shelf, pace
        self._written: dict[Place, bytes] = {}

    async def run(self) -> None:
        """Until cancelled."""
        wake = asyncio.Event()
        self._state.join(wake)
        wake.set()
        try:
            while True:
                await wake.wait()
                wake.clear()
                if await self._write():
                    await asyncio.sleep(self._pace.look)
                else:
                    wake.set()
                    await asyncio.sleep(self._pace.failed)
        finally:
            self._state.leave(wake)

    async def _write(self) -> bool:
        """Whether all that changed is written."""
        fine = True
        for place, data in self._changed():
            try:
                await asyncio.to_thread(self._shelf.put, *place, data)
                self._written[place] = data
            except LanewayError as error:
                log.warning("router.snapshot_failed", chain=place[0], namespace=place[1], error=str(error))
                fine = False
        return fine

    def _changed(self) -> Iterator[tuple[Place, bytes]]:
        """What differs from what was written last; nothing before everything is known."""
        view = self._state.view
        for chain in () if view.missing else sorted(view.chains):
            for namespace in view.chains[chain].namespaces:
                intent = snapshot.kept(view.intent(chain), namespace)
                data = snapshot.packed(intent)
                if intent.services and self._written.get((chain, namespace)) != data:
                    yield (chain, namespace), data

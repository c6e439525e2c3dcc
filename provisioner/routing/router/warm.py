"""Tells an Envoy that starts what was true last, as long as no router can be reached.

A process of its own beside Envoy, for the start alone: `laneway envoy` starts it where there is a snapshot.
It looks for a router first, and serves nothing when it finds one: a snapshot knows of no lane's pods, so that
an Envoy which began with it would answer requests for lanes by the baseline until the router had spoken.
It speaks the router's discovery protocol on a port of the pod's loopback, which Envoy takes when the router
does not answer. Where the pods of the baseline, and of a release, are now it asks DNS, by the names of their
headless Services: a snapshot may be older than they are. It ends when the router could be reached for a few
seconds; Envoy then goes on there, and is told only what differs. It also ends with the process that started
it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from pathlib import Path

import structlog

from provisioner import logs
from provisioner.errors import LanewayError
from provisioner.routing.envoy import Compiler, Node, Resources
from provisioner.routing.intent import ChainIntent
from provisioner.routing.router import discovery, launch, snapshot

log = structlog.get_logger()

LOOK_SECONDS = 1.0
CONNECT_SECONDS = 1.0
RESOLVE_SECONDS = 3.0
# Envoy's own check of the router takes a second at most; it has to come first
REACHED = 4  # looks in a row
FIRST_LOOKS = 3  # without success, before anything is served
RESOLVE_LOOKS = 5  # looks between two questions to DNS


class Warm:
    """What is told; nothing before DNS was asked once."""

    def __init__(self, intent: ChainIntent) -> None:
        self._kept = self._intent = intent
        self._known: dict[str, tuple[str, ...]] = {}
        self._resolved = False
        self._shared = Compiler()
        self._waiting: set[asyncio.Event] = set()

    generation = 0

    def join(self, event: asyncio.Event, envoy: Node) -> None:
        self._waiting.add(event)

    def leave(self, event: asyncio.Event) -> None:
        self._waiting.discard(event)

    def resources(self, node: Node, own: Compiler) -> Resources | None:
        if not self._resolved:
            return None
        return {**self._shared.shared(self._intent, node.namespace), **own.own(self._intent, node)}

    def take(self, event: asyncio.Event, generation: int) -> None:
        """Nothing waits for it: there is one Envoy."""

    async def resolve(self) -> None:
        """Takes in where the pods are by now; those that are not found are where they were found last."""
        found = await asyncio.gather(*(_addresses(*one) for one in snapshot.names(self._kept)))
        self._known |= {name: addresses for name, addresses in found if addresses}
        self._intent, self._resolved = snapshot.moved(self._kept, self._known), True
        for event in self._waiting:
            event.set()


async def _addresses(service: str, namespace: str) -> tuple[str, tuple[str, ...]]:
    """The Service and the addresses behind it; none when it has none, or DNS is silent."""
    host = f"{service}.{namespace}.svc"
    asking = asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    try:
        found = await asyncio.wait_for(asking, RESOLVE_SECONDS)
    except (OSError, TimeoutError) as error:
        log.info("warm.unresolved", host=host, error=str(error) or "no answer")
        return service, ()
    return service, tuple(sorted({str(one[4][0]) for one in found}))


async def stand_in(intent: ChainIntent, router: tuple[str, int]) -> None:
    """Serves if no router can be reached."""
    for _ in range(FIRST_LOOKS):
        if await _reaches(router):
            return
        await asyncio.sleep(LOOK_SECONDS)
    await serve(intent, router)


async def serve(intent: ChainIntent, router: tuple[str, int]) -> None:
    """Writes the port on standard output, and serves until a router is there or nobody needs it."""
    warm, parent = Warm(intent), os.getppid()
    server, port = discovery.serve(warm, "127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    try:
        await warm.resolve()
        await _until_reached(warm, router, parent)
    finally:
        await server.stop(0)


async def _until_reached(warm: Warm, router: tuple[str, int], parent: int) -> None:
    looks = reached = 0
    while reached < REACHED and os.getppid() == parent:
        await asyncio.sleep(LOOK_SECONDS)
        looks += 1
        reached = reached + 1 if await _reaches(router) else 0
        if looks % RESOLVE_LOOKS == 0:
            await warm.resolve()


async def _reaches(address: tuple[str, int]) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(*address), CONNECT_SECONDS)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def main(environment: Mapping[str, str]) -> None:
    """The process. A snapshot that cannot be read is said, and Envoy waits for the router as it would
    without one."""
    logs.configure("warm")
    try:
        intent = snapshot.unpacked((Path(environment["LANEWAY_WARM"]) / launch.SNAPSHOT).read_bytes())
    except (OSError, LanewayError) as error:
        log.warning("warm.unreadable", error=str(error))
        return
    asyncio.run(stand_in(intent, launch.discovery_address(environment)))


if __name__ == "__main__":
    main(os.environ)

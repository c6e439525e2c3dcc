"""Leads attached Services back to the router when a tool has merged its manifest into them.

`kubectl apply` and Helm 3 add what their manifest says and leave what it does not mention: the selector of an
attached Service then asks for the application's labels and the router's, and selects nothing. Nobody but a
watch is fast enough for that. Any number of routers may do this at once: each write is conditional.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from typing import Any

import structlog

from provisioner import labels
from provisioner.cluster import Cluster
from provisioner.errors import LanewayError, TemporaryError
from provisioner.routing.router import attachment, feed
from provisioner.routing.router.feed import Change, Listed, Query
from provisioner.routing.router.watching import Files

Json = dict[str, Any]

LOOK_SECONDS = 2.0  # how often it is looked whether the chains have other namespaces
ATTEMPTS = 5
PAUSE_SECONDS = 0.5  # before another attempt, times the number of those before

log = structlog.get_logger()


class Mending:
    """Watches the Services of the chains' namespaces, and mends. Lives on the router's loop; the watches, and
    what they lead to, in threads of their own."""

    def __init__(self, cluster: Cluster, files: Files) -> None:
        self._cluster, self._files = cluster, files
        self._stop = threading.Event()

    async def run(self) -> None:
        """Goes on until it is cancelled; raises what ended a watch that should have gone on."""
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        watched: frozenset[str] = frozenset()
        try:
            while not self._broken.done():
                chains = await asyncio.to_thread(self._files.chains)
                wanted = frozenset(one for chain in chains.values() for one in chain.namespaces)
                if wanted != watched:
                    self._watch(wanted)
                    watched = wanted
                await asyncio.wait({self._broken}, timeout=LOOK_SECONDS)
            self._broken.result()
        finally:
            self._stop.set()

    def _watch(self, namespaces: Iterable[str]) -> None:
        loop = asyncio.get_running_loop()
        self._stop.set()
        queries = [Query("Service", one, f"!{labels.ROLE},!{labels.LANE}") for one in sorted(namespaces)]
        sink = feed.Sink(self._look, lambda error: _on(loop, self._broken, error))
        self._stop = feed.start(self._cluster, queries, sink)

    def _look(self, change: Change) -> None:
        for service in change.objects if isinstance(change, Listed) else [change.obj]:
            if _is_broken(service):
                mend(self._cluster, service)


def mend(cluster: Cluster, service: Json) -> None:
    """Leads one Service back to the router, as it is by now. What keeps that from being done is logged: the
    next change of the Service is the next occasion."""
    metadata = service["metadata"]
    where = f"Service {metadata['namespace']}/{metadata['name']}"
    waiting = threading.Event()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            now = cluster.get("Service", metadata["name"], metadata["namespace"])
            if now is not None and _is_broken(now):
                cluster.replace(attachment.mended(now))
                log.warning("router.mended", service=where, chain=attachment.chain_of(now))
            return
        except TemporaryError as error:
            log.info("router.mending_failed", service=where, error=str(error), attempt=attempt)
            waiting.wait(PAUSE_SECONDS * attempt)
        except LanewayError as error:
            log.error("router.mending_refused", service=where, error=str(error))  # noqa: TRY400
            return


def _is_broken(service: Json) -> bool:
    """Whether somebody wrote over an attachment so that it leads nowhere."""
    try:
        return attachment.mended(service) != service
    except (KeyError, TypeError, ValueError) as error:
        name = service["metadata"]["name"]
        log.warning("router.unreadable", service=name, error=str(error))
        return False


def _on(loop: asyncio.AbstractEventLoop, broken: asyncio.Future[None], error: Exception) -> None:
    def end() -> None:
        if not broken.done():
            broken.set_exception(error)

    loop.call_soon_threadsafe(end)

"""The watches behind the routing state: those of the chain files as they are, exchanged when these change.

A change of the files takes nothing away and interrupts nothing. What the new files describe is listed and
watched beside what is routed already, and takes its place as a whole once it is all known; a chain that no
file describes any more keeps what its Envoys have. Files that are wrong change nothing but `problem`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

import structlog

from provisioner.chain.model import Chain
from provisioner.errors import LanewayError
from provisioner.routing.links import Keys
from provisioner.routing.router import feed, metrics
from provisioner.routing.router.state import RoutingState, View

log = structlog.get_logger()

LOOK_SECONDS = 2.0  # how often the files are looked at


class Files(Protocol):
    """`provisioner.routing.keyring.Keyring`, as it is needed here."""

    @property
    def problem(self) -> LanewayError | None: ...

    def chains(self) -> Mapping[str, Chain]: ...

    def keys(self) -> Keys: ...


class Watching:
    """Lives on the router's loop."""

    def __init__(
        self, source: feed.Source, files: Files, state: RoutingState, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self._source, self._files, self._state, self._look_seconds = source, files, state, look_seconds
        self._newest = state.view
        self._stops: dict[View, threading.Event] = {}
        self._silent: dict[feed.Query, LanewayError] = {}
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def problem(self) -> str:
        """What keeps the chain files and the cluster as they are now from being routed, a line each; empty
        when they are."""
        return "\n".join(filter(None, [self._unused_files(), self._silence()]))

    def _silence(self) -> str:
        for query, error in self._silent.items():
            return f"what was known is routed until {_named(query)} is heard of again: {error}"
        return ""

    def _unused_files(self) -> str:
        if self._files.problem is not None:
            return f"what the files said before is used: {self._files.problem}"
        if self._newest is not self._state.view:
            return f"the chain files of before are used until these are listed: {_said(self._newest)}"
        return ""

    async def run(self) -> None:
        """Watches until it is cancelled; raises what ended a watch that should have gone on."""
        self._start(self._state.view)
        looking = asyncio.create_task(self._look())
        try:
            await asyncio.wait({looking, self._broken}, return_when=asyncio.FIRST_COMPLETED)
            (self._broken if self._broken.done() else looking).result()
        finally:
            looking.cancel()
            for stop in self._stops.values():
                stop.set()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._look_seconds)
            chains = await asyncio.to_thread(self._files.chains)
            self._state.sign_with(self._files.keys())
            if dict(chains) != self._newest.chains:
                self._renew(View(tuple(chains.values()), before=self._state.view))

    def _renew(self, view: View) -> None:
        """Lists what the files say now; what they said in between is not waited for any longer."""
        log.info("router.chains_changed", chains=sorted(view.chains))
        if self._newest is not self._state.view:
            self._stops.pop(self._newest).set()
        self._newest = view
        self._start(view)

    def _start(self, view: View) -> None:
        loop = asyncio.get_running_loop()
        sink = feed.Sink(
            lambda change: _on(loop, partial(self._take, view, change)),
            lambda error: _on(loop, partial(self._fail, view, error)),
            lambda query, error: _on(loop, partial(self._note_silence, view, query, error)),
        )
        self._stops[view] = feed.start(self._source, feed.queries(tuple(view.chains.values())), sink)

    def _take(self, view: View, change: feed.Change) -> None:
        if view not in self._stops:
            return
        metrics.CHANGES.labels(change.query.kind).inc()
        view.apply(change)
        if view is self._state.view:
            self._state.wake()
        elif not view.missing:
            self._stops.pop(self._state.view).set()
            self._state.show(view)
            log.info("router.chains", chains=sorted(view.chains))

    def _note_silence(self, view: View, query: feed.Query, error: LanewayError | None) -> None:
        if view not in self._stops:
            return
        if error is None:
            self._silent.pop(query, None)
        else:
            self._silent[query] = error
        metrics.SILENT.set(len(self._silent))

    def _fail(self, view: View, error: Exception) -> None:
        if view in self._stops and not self._broken.done():
            self._broken.set_exception(error)


def _on(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    loop.call_soon_threadsafe(call)


def _named(query: feed.Query) -> str:
    return f"{query.kind} in {query.namespace or 'the cluster'}"


def _said(view: View) -> str:
    return ", ".join(view.missing)

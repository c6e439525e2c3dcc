"""A work queue of keys: each key is reconciled by one call at a time, once for any number of notices.

Promises: a notice that comes while its key is being reconciled is not lost; a failing key is retried with
growing delays and never holds up another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from devcluster.api import ApiError
from devcluster.controllers.view import Key, Object, View, controller_of, key_of

FIRST_DELAY, LONGEST_DELAY = 0.05, 30.0  # seconds between retries of a failing key

_log = structlog.get_logger(__name__)

Reconcile = Callable[[Key], float | None]
"""Make one key right; returns seconds after which to look again, None for not before the next change."""


class Controller(Protocol):
    """What a node runs: `start` begins to take notes of changes, `queue.run()` does the work."""

    queue: WorkQueue

    def start(self) -> None: ...


class WorkQueue:
    """Calls `reconcile` for every key added. `reconcile` is synchronous: it never waits."""

    def __init__(self, name: str, reconcile: Reconcile) -> None:
        self._name = name
        self._reconcile = reconcile
        self._waiting: dict[Key, None] = {}
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._filled = asyncio.Event()

    def add(self, key: Key) -> None:
        self._waiting[key] = None
        self._filled.set()

    def follow(self, view: View, resource: str) -> None:
        """Adds the key of every object of a resource, and again whenever it was written."""

        def changed(before: Object | None, after: Object | None) -> None:
            if after is not None:
                self.add(key_of(after))

        view.on(resource, changed)

    def follow_owned(self, view: View, resource: str, kind: str) -> None:
        """Adds the key of the owner, of that kind, of every object of a resource that is written or gone."""

        def changed(before: Object | None, after: Object | None) -> None:
            for obj in (before, after):
                owner = controller_of(obj) if obj is not None else None
                if obj is not None and owner is not None and owner["kind"] == kind:
                    self.add((obj["metadata"]["namespace"], owner["name"]))

        view.on(resource, changed)

    async def run(self) -> None:
        while True:
            await self._filled.wait()
            while self._waiting:
                key = next(iter(self._waiting))
                del self._waiting[key]
                self._attempt(key)
                await asyncio.sleep(0)  # others run between two keys
            self._filled.clear()

    def _attempt(self, key: Key) -> None:
        try:
            again = self._reconcile(key)
        except ApiError as error:
            again = self._failed(key, error.code not in (404, 409), error)
        except Exception as error:  # noqa: BLE001 - one odd object must not stop the work on all others
            again = self._failed(key, True, error)
        else:
            self._failures.pop(key, None)
        self._schedule(key, again)

    def _failed(self, key: Key, surprising: bool, error: Exception) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(FIRST_DELAY * 2.0**failures, LONGEST_DELAY)
        fields = {"controller": self._name, "key": "/".join(key), "error": str(error), "retry_in": delay}
        if surprising:
            _log.error("reconcile.failed", **fields, exc_info=error)
        else:  # overtaken by another write
            _log.debug("reconcile.retried", **fields)
        return delay

    def _schedule(self, key: Key, seconds: float | None) -> None:
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        if seconds is not None:
            loop = asyncio.get_running_loop()
            self._timers[key] = loop.call_later(seconds, self._due, key)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

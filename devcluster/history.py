"""What changed, for watchers: a bounded past for each resource, and a queue for each watcher.

A watch from a revision that the past still covers misses nothing; from an older one it is refused with 410,
as by a real API server, and the client lists again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devcluster import errors

if TYPE_CHECKING:
    from devcluster.store import Record

ADDED, MODIFIED, DELETED, BOOKMARK = "ADDED", "MODIFIED", "DELETED", "BOOKMARK"

KEPT_PER_RESOURCE = 2048  # changes; at some 10 kB each this bounds the past of a busy resource to 20 MB
QUEUE_LIMIT = 50_000  # changes that a watcher may lag behind before it is cut off


@dataclass(frozen=True, slots=True)
class Change:
    """One change: the record after it (for DELETED the last state) and the one before it, if any."""

    revision: int
    kind: str
    record: Record
    previous: Record | None


class Subscription:
    """One watcher's queue. `closed` once the watcher lagged too far behind or the watch was cancelled."""

    def __init__(self, resource: str) -> None:
        self.resource = resource
        self.queue: deque[Change] = deque()
        self.closed = False
        self._ready = asyncio.Event()

    def push(self, change: Change) -> None:
        if len(self.queue) >= QUEUE_LIMIT:
            self.closed = True
        else:
            self.queue.append(change)
        self._ready.set()

    def close(self) -> None:
        self.closed = True
        self._ready.set()

    async def next(self) -> Change | None:
        """The next change; None once closed."""
        while not self.queue:
            if self.closed:
                return None
            self._ready.clear()
            await self._ready.wait()
        return self.queue.popleft()


class History:
    """The past of all resources and everyone who follows it."""

    def __init__(self) -> None:
        self._past: dict[str, deque[Change]] = {}
        self._forgotten: dict[str, int] = {}
        self._start = 0
        self._now = 0
        self._subscriptions: dict[str, set[Subscription]] = {}
        self.listeners: list[Callable[[Change], None]] = []

    def begin(self, revision: int) -> None:
        """Nothing before `revision` is known."""
        self._start = self._now = revision

    def publish(self, change: Change) -> None:
        resource = change.record.key[0]
        past = self._past.setdefault(resource, deque())
        if len(past) >= KEPT_PER_RESOURCE:
            self._forgotten[resource] = past.popleft().revision
        past.append(change)
        self._now = change.revision
        for subscription in self._subscriptions.get(resource, ()):
            subscription.push(change)
        for listener in self.listeners:
            listener(change)

    def subscribe(self, resource: str, since: int | None) -> Subscription:
        """Follow `resource` from after revision `since` (None: from now). ApiError 410 when it is too old."""
        subscription = Subscription(resource)
        if since is not None:
            self._check(resource, since)
            subscription.queue.extend(c for c in self._past.get(resource, ()) if c.revision > since)
        self._subscriptions.setdefault(resource, set()).add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        subscription.close()
        self._subscriptions.get(subscription.resource, set()).discard(subscription)

    def compact(self) -> None:
        """Forget the past: every older revision answers 410 from now on."""
        self._past.clear()
        self._forgotten.clear()
        self._start = self._now

    def close(self) -> None:
        """End every watch."""
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.close()

    def _check(self, resource: str, since: int) -> None:
        oldest = max(self._start, self._forgotten.get(resource, 0))
        if since < oldest:
            raise errors.expired(f"too old resource version: {since} ({oldest})")

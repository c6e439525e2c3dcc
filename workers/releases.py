"""What beat knows of the releases, and which of them have to be looked at since something has changed.

Whatever it names is a reason to look at a release, never a decision about it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from provisioner.errors import QueueError
from provisioner.release.model import Phase, Release
from workers import metrics, queue
from workers.debounce import Debounce
from workers.queue import Queue
from workers.relevance import Concern, Holders, OneLane

Json = dict[str, Any]

TAKING = (Phase.PROGRESSING, Phase.PAUSED, Phase.FINISHING, Phase.RESTORING)


@dataclass(frozen=True)
class OneRelease:
    """A release that is there, or was."""

    chain: str
    name: str


class Releases:
    """The releases of all chains, as their objects said last. Safe to share between threads."""

    def __init__(self) -> None:
        self._known: dict[OneRelease, Release] = {}
        self._due: Debounce[OneRelease] = Debounce()
        self._lock = threading.Lock()

    def changed(self, obj: Json, gone: bool) -> bool:
        """A Release came, changed or went. It is looked at; when it has ended, so are those that wait for it.
        Whether with this the first of its chain takes requests, or the last one does not any more."""
        which = OneRelease(obj["spec"]["chain"], obj["spec"]["name"])
        with self._lock:
            took = self._takes(which.chain)
            if gone:
                self._known.pop(which, None)
            else:
                self._known[which] = Release.from_object(obj)
            ended = gone or self._known[which].phase.over
            self._note((which, *(self._active(which.chain) if ended else ())))
            metrics.show_releases(list(self._known.values()))
            return took != self._takes(which.chain)

    def concerned(self, concern: Concern) -> None:
        """Something changed that a release may wait for: its lane, what that owns, the baseline."""
        with self._lock:
            if isinstance(concern, OneLane):
                which = OneRelease(concern.chain, concern.lane)
                self._note([which] if which in self._known else [])
            elif isinstance(concern, Holders):
                self._note(self._changing(concern.chain, concern.services))

    def flush(self, jobs: Queue) -> None:
        """Puts the jobs that are due. Raises QueueError; what could not be put stays due."""
        with self._lock:
            due = self._due.take(time.monotonic())
        for number, one in enumerate(due):
            try:
                jobs.put(queue.release(one.chain, one.name))
            except QueueError:
                with self._lock:
                    self._note(due[number:])
                raise

    def _note(self, releases: Iterable[OneRelease]) -> None:
        for one in releases:
            self._due.note(one, time.monotonic())

    def _active(self, chain: str) -> Iterator[OneRelease]:
        return (one for one, known in self._known.items() if one.chain == chain and not known.phase.over)

    def _takes(self, chain: str) -> bool:
        return any(self._known[one].phase in TAKING for one in self._active(chain))

    def _changing(self, chain: str, services: Collection[str]) -> Iterator[OneRelease]:
        """The releases that change one of these services."""
        for one in self._active(chain):
            if not {change.service for change in self._known[one].changes}.isdisjoint(services):
                yield one

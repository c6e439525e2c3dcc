"""Watches of the cluster that tell what changed, and outlast its absences.

Each `Watch` follows one kind in one namespace in a thread of its own: a snapshot first, then what changes
after it. A cut watch goes on where it was; one that is too old begins with a new snapshot, and what vanished
meanwhile is told as well. Objects whose fingerprint did not change are not told again.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from provisioner.errors import ConflictError, LanewayError
from workers import metrics
from workers.relevance import fingerprint

Json = dict[str, Any]
Tell = Callable[[Json, bool], None]  # an object, and whether it is gone

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between two tries while the API server is away

log = structlog.get_logger()


class Watched(Protocol):
    """What of the cluster a watch needs."""

    def snapshot(self, kind: str, namespace: str = "", labels: str = "") -> tuple[list[Json], str]: ...
    def watch(
        self, kind: str, namespace: str = "", labels: str = "", since: str = ""
    ) -> Iterator[tuple[str, Json]]: ...


@dataclass(frozen=True)
class Target:
    """What one watch follows; an empty namespace means all."""

    kind: str
    namespace: str = ""
    labels: str = ""


class Watch:
    """Follows one target from `start` until `stop`; `tell` is called in its thread."""

    def __init__(self, cluster: Watched, target: Target, tell: Tell) -> None:
        self._cluster, self._target, self._tell = cluster, target, tell
        self._stopped = threading.Event()
        self._known: dict[str, tuple[str, Json]] = {}  # uid -> fingerprint and the object's identity
        self._since = ""

    def start(self) -> None:
        name = f"watch {self._target.kind} {self._target.namespace}"
        threading.Thread(target=self._loop, name=name, daemon=True).start()

    def stop(self) -> None:
        """Nothing is told from now on; the thread ends with the watch that it is reading."""
        self._stopped.set()

    def follow(self) -> None:
        """One stretch: a snapshot where there is none to go on from, then changes until the watch ends."""
        target = self._target
        if not self._since:
            self._begin()
        for kind, obj in self._cluster.watch(target.kind, target.namespace, target.labels, self._since):
            if self._stopped.is_set():
                return
            self._since = obj["metadata"]["resourceVersion"]
            if kind != "BOOKMARK":
                self._note({"kind": target.kind, **obj}, gone=kind == "DELETED")

    def _begin(self) -> None:
        found, since = self._cluster.snapshot(self._target.kind, self._target.namespace, self._target.labels)
        there = {obj["metadata"]["uid"] for obj in found}
        for uid in self._known.keys() - there:
            self._tell(self._known.pop(uid)[1], True)
        for obj in found:
            self._note(obj, gone=False)
        self._since = since

    def _note(self, obj: Json, *, gone: bool) -> None:
        uid, seen = obj["metadata"]["uid"], fingerprint(obj)
        if gone:
            self._known.pop(uid, None)
        elif uid in self._known and self._known[uid][0] == seen:
            return
        else:
            self._known[uid] = seen, _identity(obj)
        self._tell(obj, gone)

    def _loop(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopped.is_set():
            try:
                self.follow()
                pause = FIRST_PAUSE
            except LanewayError as error:
                if isinstance(error, ConflictError):
                    self._since = ""
                metrics.WATCH_RESTARTS.labels(self._target.kind).inc()
                log.info("watch.restarted", kind=self._target.kind, error=str(error))
                self._stopped.wait(pause * (0.5 + random.random() / 2))
                pause = min(LONGEST_PAUSE, pause * 2)


def _identity(obj: Json) -> Json:
    """As much of an object as says whom its end concerns."""
    metadata = obj["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace", "uid", "labels") if key in metadata}
    spec = {"chain": obj["spec"]["chain"], "lane": obj["spec"]["lane"]} if obj["kind"] == "Lane" else {}
    return {"kind": obj["kind"], "metadata": kept, "spec": spec}

"""Watches of the cluster that tell what changed, and outlast its absences.

Each `Watch` follows one kind in one namespace in a thread of its own: a snapshot first, then what changes
after it. A cut watch goes on where it was; one that is too old begins with a new snapshot, and what vanished
meanwhile is told as well. Objects in which nothing relevant changed are not told again. That a lane has got
an object is not told either: whoever made it knows, and a leader begins with a sweep, which finds the rest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from provisioner.cluster import NotFoundError
from provisioner.errors import ConflictError, LanewayError
from provisioner.pauses import Pauses
from workers import metrics
from workers.relevance import View, is_news, is_owned, serves, view

Json = dict[str, Any]
Tell = Callable[[Json, bool], None]  # an object, and whether it is gone

UNSERVED_PAUSE = 15.0  # seconds between two looks for a kind that the cluster does not serve (yet)

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
        self._known: dict[str, tuple[View, Json]] = {}  # by uid, with the object's identity
        self._since = ""
        self._begun = False
        self._open = False

    def start(self) -> None:
        name = f"watch {self._target.kind} {self._target.namespace}"
        threading.Thread(target=self._loop, name=name, daemon=True).start()

    def is_empty(self) -> bool:
        """Whether it is known, as far as a watch can know, that there is no such object now."""
        return self._open and not self._known

    def stop(self) -> None:
        """Nothing is told from now on; the thread ends with the watch that it is reading."""
        self._stopped.set()

    def follow(self) -> None:
        """One stretch: a snapshot where there is none to go on from, then changes until the watch ends."""
        target = self._target
        if not self._since:
            self._begin()
        self._open = True
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
            self._note(obj, gone=False, missed=self._begun)
        self._since, self._begun = since, True

    def _note(self, obj: Json, *, gone: bool, missed: bool = False) -> None:
        """`missed`: an object that is new here may have changed before it was seen."""
        uid, now = obj["metadata"]["uid"], view(obj)
        before = self._known.get(uid)
        if gone:
            self._known.pop(uid, None)
            self._tell(obj, True)
            return
        self._known[uid] = now, _identity(obj)
        if before and is_owned(before[1]) and not is_owned(obj):
            self._tell(before[1], False)  # it lost its labels, which its lane puts back
        if is_news(before[0], now) if before else self._is_told_at_once(obj, missed=missed):
            self._tell(obj, False)

    def _is_told_at_once(self, obj: Json, *, missed: bool) -> bool:
        """Whether an object is told when it is seen for the first time."""
        return missed or not is_owned(obj) or (self._begun and serves(obj))

    def _loop(self) -> None:
        pauses = Pauses()
        while not self._stopped.is_set():
            pauses.begin()
            failed = not self._followed()
            self._rest(pauses.after(failed=failed))

    def _followed(self) -> bool:
        """One stretch; whether it ended as watches end."""
        try:
            self.follow()
        except NotFoundError:
            self._stopped.wait(UNSERVED_PAUSE)
        except LanewayError as error:
            if isinstance(error, ConflictError):
                self._since = ""
            log.info("watch.restarted", kind=self._target.kind, error=str(error))
            return False
        except Exception:
            self._since = ""  # nobody would hear of it if the watch ended here
            log.exception("watch.broken", kind=self._target.kind)
            return False
        return True

    def _rest(self, pause: float) -> None:
        if pause:
            self._open = False
            metrics.WATCH_RESTARTS.labels(self._target.kind).inc()
            self._stopped.wait(pause)


def _identity(obj: Json) -> Json:
    """As much of an object as says whom its end concerns."""
    metadata = obj["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace", "uid", "labels") if key in metadata}
    named = ("chain", "lane", "name", "release") if obj["kind"] in ("Lane", "Release") else ()
    spec = {key: obj["spec"][key] for key in named if key in obj["spec"]}
    return {"kind": obj["kind"], "metadata": kept, "spec": spec}

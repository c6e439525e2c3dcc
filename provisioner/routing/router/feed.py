"""Brings what the cluster says to the router's loop: one thread per watch, resumed where it ended.

A watch that breaks is taken up again from the last version seen; one too old is listed anew. Nothing is ever
taken away because the API server could not be reached.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from provisioner import labels
from provisioner.chain.model import Chain
from provisioner.errors import ConflictError, LanewayError
from provisioner.pauses import Pauses

Json = dict[str, Any]
_log = structlog.get_logger()


class Source(Protocol):
    """The part of `provisioner.cluster.Cluster` that is needed here."""

    def snapshot(self, kind: str, namespace: str = "", labels: str = "") -> tuple[list[Json], str]: ...

    def watch(
        self, kind: str, namespace: str = "", labels: str = "", since: str = ""
    ) -> Iterator[tuple[str, Json]]: ...


@dataclass(frozen=True)
class Query:
    """What one watch looks at; an empty namespace is for kinds that have none. `optional`: a cluster that was
    set up before there was the kind neither has it nor lets it be read, and then there is none of it."""

    kind: str
    namespace: str
    labels: str
    optional: bool = False


@dataclass(frozen=True)
class Listed:
    """Everything that a query finds, at one moment."""

    query: Query
    objects: Sequence[Json]


@dataclass(frozen=True)
class Changed:
    """One object changed, or is gone."""

    query: Query
    obj: Json
    gone: bool


Change = Listed | Changed


@dataclass(frozen=True)
class Sink:
    """Where changes go, an error that ended a watch for good, and one after which it is taken up again (None:
    the cluster was heard of again). All are called from other threads."""

    deliver: Callable[[Change], None]
    failed: Callable[[Exception], None]
    silent: Callable[[Query, LanewayError | None], None] = lambda query, error: None


def queries(chains: Sequence[Chain]) -> tuple[Query, ...]:
    """All that has to be watched to route these chains."""
    namespaces = sorted({namespace for chain in chains for namespace in chain.namespaces})
    return (
        Query("Lane", "", ""),
        Query("Release", "", "", optional=True),
        *(Query("Service", namespace, f"{labels.CHAIN},{labels.ROLE}=baseline") for namespace in namespaces),
        *(Query("EndpointSlice", namespace, labels.CHAIN) for namespace in namespaces),
    )


class Follower:
    """Follows one query. Blocks; runs in a thread of its own."""

    def __init__(self, source: Source, query: Query, sink: Sink, stop: threading.Event) -> None:
        self._source = source
        self._query = query
        self._sink = sink
        self._stop = stop
        self._version = ""  # up to where everything was delivered; empty: list first
        self._silent = False
        self._known = False  # it was listed, so that the cluster has the kind
        self._absent = False

    def run(self) -> None:
        """Delivers the query's list, then its changes, until told to stop. What nobody expected is told to
        the sink: a watch that ended unnoticed would leave the router with what was true once."""
        try:
            self._follow()
        except Exception as error:
            if not self._stop.is_set():  # else nobody follows any more, and who was told may be gone already
                self._sink.failed(error)
                raise

    def _follow(self) -> None:
        pauses = Pauses()
        while not self._stop.is_set():
            pauses.begin()
            failed = not self._advanced()
            if pause := pauses.after(failed=failed):
                self._stop.wait(pause)

    def _advanced(self) -> bool:
        """One stretch; whether it ended as watches end."""
        log = _log.bind(kind=self._query.kind, namespace=self._query.namespace)
        try:
            self._advance()
            self._heard()
        except ConflictError as error:
            log.info("router.relist", error=str(error))
            self._version = ""
        except LanewayError as error:
            if self._lacks_kind(error):
                self._deliver_none(error)
                return False
            log.warning("router.watch_failed", error=str(error))
            self._silent = True
            self._sink.silent(self._query, error)
            return False
        return True

    def _advance(self) -> None:
        """One list, where there is no version to go on from, and one watch to its end."""
        query = self._query
        if not self._version:
            objects, self._version = self._source.snapshot(query.kind, query.namespace, query.labels)
            self._known, self._absent = True, False
            self._heard()
            self._deliver(Listed(query, objects))
        for what, obj in self._source.watch(query.kind, query.namespace, query.labels, self._version):
            self._heard()
            if what != "BOOKMARK":
                self._deliver(Changed(query, {**obj, "kind": query.kind}, gone=what == "DELETED"))
            self._version = obj["metadata"]["resourceVersion"]

    def _lacks_kind(self, error: LanewayError) -> bool:
        """A right that was there and is not any more says nothing of what there is."""
        return self._query.optional and (
            error.reason == "NotFound" or (error.reason == "Forbidden" and not self._known)
        )

    def _deliver_none(self, error: LanewayError) -> None:
        """Said once; whether the kind has come is looked after all the while."""
        self._version = ""
        if not self._absent:
            self._absent = True
            _log.warning("router.kind_absent", kind=self._query.kind, error=str(error))
            self._deliver(Listed(self._query, ()))

    def _heard(self) -> None:
        if self._silent:
            self._silent = False
            self._sink.silent(self._query, None)

    def _deliver(self, change: Change) -> None:
        if not self._stop.is_set():
            self._sink.deliver(change)


def start(source: Source, wanted: Sequence[Query], sink: Sink) -> threading.Event:
    """Follows every query in a daemon thread. Set the event to end them (each after its current answer)."""
    stop = threading.Event()
    for query in wanted:
        follower = Follower(source, query, sink, stop)
        name = f"watch-{query.kind}-{query.namespace}"
        threading.Thread(target=follower.run, name=name, daemon=True).start()
    return stop

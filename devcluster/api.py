"""The Kubernetes API in-process: what the HTTP layer serves and what controllers and the kubelet call.

Everything but `watch` is synchronous on the loop's thread: a call that returned has happened, and no other
writer came between its reading and its writing. Refusals are `ApiError`. Objects returned by `list` and
`watch` are shared snapshots and must not be changed; those of `get` and of writes are the caller's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from devcluster import selectors
from devcluster.addresses import Services
from devcluster.admission import Completer
from devcluster.definitions import Definitions
from devcluster.deletion import Deleter, Deletion
from devcluster.errors import ApiError as ApiError
from devcluster.garbage import Collector
from devcluster.history import ADDED, DELETED, MODIFIED, Change, Subscription
from devcluster.namespaces import Namespaces
from devcluster.resources import Resources
from devcluster.store import Object, Record, Store
from devcluster.writes import Options, Target, Writer

List = list  # `Api.list` hides the builtin inside the class
LogSource = Callable[[Object, str, dict[str, str]], AsyncIterator[bytes]]
ProcessesSource = Callable[[], dict[str, list[int]]]  # process ids by "namespace/pod"


class Api:
    """One cluster's API over one store.

    Resources are named by their plural, with the group where there is one: "pods", "deployments.apps",
    "lanes.laneway.dev". `namespace` is "" for what is cluster-scoped, and for "all namespaces" in list and
    watch.
    """

    def __init__(self, store: Store, *, service_network: str = "127.96.0.0/16") -> None:
        self.store = store
        self.resources = Resources()
        completer = Completer(self.resources)
        self.writer = Writer(store, self.resources, completer)
        self.deleter = Deleter(store)
        self.collector = Collector(store, self.resources, self.deleter)
        completer.hooks["services"] = Services(store, service_network)
        completer.hooks["customresourcedefinitions.apiextensions.k8s.io"] = Definitions(self.resources, store)
        completer.hooks["namespaces"] = Namespaces(self.writer)
        self.log_source: LogSource | None = None
        self.processes_source: ProcessesSource | None = None
        for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
            if not store.get(("namespaces", "", name)):
                self.create("namespaces", "", {"metadata": {"name": name}})

    def target(self, resource: str, namespace: str, name: str = "", subresource: str = "") -> Target:
        found = self.resources.get(resource)
        return Target(found, namespace if found.namespaced else "", name, subresource, found.version)

    def get(self, resource: str, namespace: str, name: str) -> Object:
        return self.writer.current(self.target(resource, namespace, name)).copy()

    def list(self, resource: str, namespace: str = "", *, labels: str = "", fields: str = "") -> List[Object]:
        return [record.obj for record in self.records(resource, namespace, labels=labels, fields=fields)]

    def records(
        self, resource: str, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> List[Record]:
        self.resources.get(resource)
        accepts = _filter(labels, fields, resource)
        found = self.store.select(resource, namespace, selectors.marks(labels))
        return [record for record in found if accepts(record)]

    def create(self, resource: str, namespace: str, obj: Object, *, manager: str = "devcluster") -> Object:
        return self.writer.create(self.target(resource, namespace), obj, Options(manager)).copy()

    def update(
        self,
        resource: str,
        namespace: str,
        name: str,
        obj: Object,
        *,
        subresource: str = "",
        manager: str = "devcluster",
    ) -> Object:
        """Replace an object or one subresource of it; 409 when obj carries a stale resourceVersion."""
        target = self.target(resource, namespace, name, subresource)
        return self.writer.update(target, obj, Options(manager)).copy()

    def patch(
        self,
        resource: str,
        namespace: str,
        name: str,
        body: Any,
        *,
        kind: str = "merge",
        subresource: str = "",
        manager: str = "devcluster",
        force: bool = False,
    ) -> Object:
        """Patch an object; `kind` is "merge", "strategic", "json" or "apply" (which creates what is
        absent).
        """
        target = self.target(resource, namespace, name, subresource)
        return self.writer.patch(target, body, kind, Options(manager, force=force)).copy()

    def delete(
        self,
        resource: str,
        namespace: str,
        name: str,
        *,
        propagation: str = "Background",
        preconditions: dict[str, str] | None = None,
        grace: int | None = None,
    ) -> Object:
        """Delete an object: its last state, or the state in which it waits for finalizers or its kubelet."""
        wanted = preconditions or {}
        how = Deletion(propagation, wanted.get("uid", ""), wanted.get("resourceVersion", ""), grace)
        return self.deleter.delete(self.target(resource, namespace, name), how)[0].copy()

    def watch(
        self,
        resource: str,
        namespace: str = "",
        *,
        since: str = "",
        labels: str = "",
        fields: str = "",
        initial: bool | None = None,
    ) -> Watch:
        """Follow a resource: first all that is there as ADDED, or all changes after the resourceVersion
        `since`.

        The watch stands when this returns. `initial` overrides whether what is there comes first. ApiError
        410 when `since` is too old.
        """
        self.resources.get(resource)
        accepts = _filter(labels, fields, resource)
        whole = not since if initial is None else initial
        first = (
            [record for record in self.store.select(resource, namespace) if accepts(record)] if whole else []
        )
        subscription = self.store.history.subscribe(resource, int(since) if since else None)
        return Watch(self.store, subscription, first, namespace, accepts)


class Watch:
    """An async iterator of ("ADDED" | "MODIFIED" | "DELETED", object). Ends when closed or hopelessly
    behind.
    """

    def __init__(
        self,
        store: Store,
        subscription: Subscription,
        first: List[Record],
        namespace: str,
        accepts: Callable[[Record], bool],
    ) -> None:
        self.revision = store.revision
        self._store = store
        self._subscription = subscription
        self._first = first[::-1]
        self._namespace = namespace
        self._accepts = accepts

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> tuple[str, Object]:
        if self._first:
            return ADDED, self._first.pop().obj
        kind, record = await self.record()
        return kind, record.obj

    def initial(self) -> List[Record]:
        """What was there when the watch began and has not been taken yet; it is not repeated."""
        first, self._first = self._first[::-1], []
        return first

    async def record(self) -> tuple[str, Record]:
        """The next change with its record; StopAsyncIteration at the end."""
        while (change := await self._subscription.next()) is not None:
            kind = self._seen_as(change)
            if kind:
                return kind, change.record
        self.close()
        raise StopAsyncIteration

    def close(self) -> None:
        self._store.history.unsubscribe(self._subscription)

    def _seen_as(self, change: Change) -> str:
        """What a change is to a watcher of a selection: entering it is ADDED, leaving it DELETED, the rest
        nothing.
        """
        if self._namespace and change.record.key[1] != self._namespace:
            return ""
        before = change.previous is not None and self._accepts(change.previous)
        after = change.kind != DELETED and self._accepts(change.record)
        if before and after:
            return MODIFIED
        return ADDED if after else DELETED if before else ""


def _filter(labels: str, fields: str, resource: str) -> Callable[[Record], bool]:
    by_label, by_field = selectors.labels(labels), selectors.fields(fields, resource)

    def accepts(record: Record) -> bool:
        if by_label and not by_label(record.obj["metadata"].get("labels") or {}):
            return False
        return by_field is None or by_field(record.obj)

    return accepts

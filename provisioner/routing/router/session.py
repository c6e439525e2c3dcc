"""One Envoy's discovery stream as a state machine without IO: what it has, what it needs, in which order.

Delta discovery, aggregated. Promises:

- Only what Envoy does not have in this version is sent. After a reconnection it says what it has
  (`initial_resource_versions`); when all of it is current, nothing is sent.
- Make before break: clusters and their endpoints, then listeners, when all clusters are acknowledged, then
  routes. (An Envoy that runs acknowledges new clusters only once they have their endpoints.) Clusters are
  removed last. Endpoints and routes are never removed: they go with their cluster, or listener.
- A rejected response is not sent again until its content changes; Envoy keeps what it had.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from envoy.service.discovery.v3 import discovery_pb2

from provisioner.routing.envoy import CLUSTER, ENDPOINTS, LISTENER, ROUTES, Resource, Resources

ORDER = (CLUSTER, ENDPOINTS, LISTENER, ROUTES)
AFTER_CLUSTERS = (LISTENER, ROUTES)
EVERYTHING = "*"


@dataclass
class _Subscription:
    """What an Envoy wants of one type, the versions it was last sent, and the response not yet answered."""

    wildcard: bool
    names: set[str] = field(default_factory=set)
    has: dict[str, str] = field(default_factory=dict)
    pending: str = ""

    def wanted(self, resources: Mapping[str, Resource]) -> Iterable[Resource]:
        if self.wildcard:
            return resources.values()
        return (resources[name] for name in sorted(self.names) if name in resources)


@dataclass(frozen=True)
class Rejection:
    """Envoy did not take a response: of which type, and why in its own words."""

    type_url: str
    message: str


class Session:
    def __init__(self) -> None:
        self._subscriptions: dict[str, _Subscription] = {}
        self._nonces = count(1)
        self._refused: set[str] = set()

    def receive(self, request: Any) -> Rejection | None:
        """Takes a DeltaDiscoveryRequest in. Returns the rejection where it is one."""
        subscription = self._subscriptions.get(request.type_url)
        if subscription is None:
            subscription = self._open(request)
        self._subscribe(subscription, request)
        if request.response_nonce and request.response_nonce == subscription.pending:
            subscription.pending = ""
        self._refused.discard(request.type_url)
        if request.HasField("error_detail"):
            self._refused.add(request.type_url)
            return Rejection(request.type_url, request.error_detail.message)
        return None

    def responses(self, resources: Resources) -> list[Any]:
        """The DeltaDiscoveryResponses that may be sent now, given everything that should be there."""
        for type_url in ORDER:
            subscription = self._subscriptions.get(type_url)
            if subscription is None or (type_url in AFTER_CLUSTERS and self._waits_for(CLUSTER)):
                continue
            if not subscription.pending:
                if found := self._update(type_url, subscription, resources.get(type_url, {})):
                    return [found]
            elif type_url != CLUSTER:
                return []
        return [] if self._waits_for(CLUSTER) else self._remove_clusters(resources.get(CLUSTER, {}))

    @property
    def settled(self) -> bool:
        """Whether Envoy has taken all that it was sent."""
        return not self._refused and not any(self._waits_for(one) for one in self._subscriptions)

    def has_endpoints(self, resources: Resources) -> bool:
        """Whether Envoy has answered all that it was sent, and that is all endpoints that it asks for."""
        wanted, subscription = resources.get(ENDPOINTS, {}), self._subscriptions.get(ENDPOINTS)
        if subscription is None or any(map(self._waits_for, self._subscriptions)):
            return not wanted
        return all(subscription.has.get(one.name) == one.version for one in subscription.wanted(wanted))

    def _waits_for(self, type_url: str) -> bool:
        """Whether a response of the type is not answered yet."""
        subscription = self._subscriptions.get(type_url)
        return subscription is not None and bool(subscription.pending)

    def _open(self, request: Any) -> _Subscription:
        """The first request of a type; without names it is for everything, as Envoy asks for whole types."""
        names = set(request.resource_names_subscribe)
        opened = _Subscription(
            wildcard=not names or EVERYTHING in names, has=dict(request.initial_resource_versions)
        )
        self._subscriptions[request.type_url] = opened
        return opened

    def _subscribe(self, subscription: _Subscription, request: Any) -> None:
        """Names asked for again are sent again, unless the request itself says which version is there."""
        for name in request.resource_names_subscribe:
            if name not in request.initial_resource_versions:
                subscription.has.pop(name, None)
            subscription.names.add(name)
        for name in request.resource_names_unsubscribe:
            subscription.names.discard(name)
            subscription.has.pop(name, None)

    def _update(
        self, type_url: str, subscription: _Subscription, resources: Mapping[str, Resource]
    ) -> Any | None:
        changed = [
            one for one in subscription.wanted(resources) if subscription.has.get(one.name) != one.version
        ]
        removed = sorted(subscription.has.keys() - resources.keys()) if type_url == LISTENER else []
        if not changed and not removed:
            return None
        if type_url == CLUSTER:
            self._resend_endpoints(one.name for one in changed)
        return self._response(type_url, subscription, changed, removed)

    def _resend_endpoints(self, clusters: Iterable[str]) -> None:
        """A cluster that is updated warms up again, and waits for its endpoints to do so."""
        if endpoints := self._subscriptions.get(ENDPOINTS):
            for name in clusters:
                endpoints.has.pop(name, None)

    def _remove_clusters(self, resources: Mapping[str, Resource]) -> list[Any]:
        subscription = self._subscriptions.get(CLUSTER)
        removed = sorted(subscription.has.keys() - resources.keys()) if subscription else []
        return [self._response(CLUSTER, subscription, [], removed)] if subscription and removed else []

    def _response(
        self, type_url: str, subscription: _Subscription, changed: list[Resource], removed: list[str]
    ) -> Any:
        subscription.pending = str(next(self._nonces))
        subscription.has.update({one.name: one.version for one in changed})
        for name in removed:
            del subscription.has[name]
        return discovery_pb2.DeltaDiscoveryResponse(
            type_url=type_url,
            nonce=subscription.pending,
            resources=[
                discovery_pb2.Resource(name=one.name, version=one.version, resource=one.packed())
                for one in changed
            ],
            removed_resources=removed,
        )

"""Endpoints: the only resources that change when lanes do.

Built as protobuf messages directly, not from dicts, and each in its place, since what is put into a message
later is copied: a shard has hundreds of them and is built again for each change in it.

Envoy keeps only the first endpoint of an address within a cluster (envoyproxy/envoy#22417). Internal
endpoints carry the lane as `endpoint_id`, which makes each an address of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from envoy.config.endpoint.v3 import endpoint_pb2

from provisioner.lane.model import Mode
from provisioner.routing.envoy.resources import ENDPOINTS, Resource, from_message
from provisioner.routing.intent import Copy, Endpoint, State

BASELINE = "baseline"  # no lane can have this name


@dataclass(frozen=True)
class Place:
    """The service that endpoints are of, and the internal listeners that lead elsewhere than to a pod."""

    service: str
    fallback: str
    waker: str
    missing: str


def baseline(name: str, service: str, endpoints: Iterable[Endpoint]) -> Resource:
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    level = message.endpoints.add()
    for one in endpoints:
        _pod(level, one, [BASELINE], f"{service}={BASELINE}")
    return from_message(ENDPOINTS, name, message)


def shard(name: str, place: Place, endpoints: Iterable[Endpoint], copies: Sequence[Copy]) -> Resource:
    """The endpoints of a shard. A copy that is not ready has none, so that the baseline answers: marked as
    unhealthy instead, it would keep its subset alive and its requests would fail. One that sleeps has the
    waker alone, one that a strict lane lacks the listener that says so, and neither a way to the baseline."""
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    ready = [copy for copy in copies if copy.state is State.READY]
    _first(message.endpoints.add(), place, endpoints, copies, ready)
    if ready:
        second = message.endpoints.add(priority=1)
        for copy in ready:
            _instead(second, place, copy)
    return from_message(ENDPOINTS, name, message)


def _first(
    level: Any, place: Place, endpoints: Iterable[Endpoint], copies: Iterable[Copy], ready: Iterable[Copy]
) -> None:
    """Who is asked: pods, or an internal listener for copies that have none."""
    for one in endpoints:
        _pod(level, one, [BASELINE], f"{place.service}={BASELINE}")
    for (one, origin), lanes in _pods(ready).items():
        _pod(level, one, lanes, f"{place.service}={origin}")
    for copy in copies:
        if copy.state is State.ASLEEP:
            _to(level, place.waker, copy.lane)
        elif copy.state is State.MISSING:
            _to(level, place.missing, copy.lane)


def _pods(ready: Iterable[Copy]) -> dict[tuple[Endpoint, str], list[str]]:
    """By each pod, and whose it is, the lanes that it answers for: several, where some inherit it."""
    lanes: dict[tuple[Endpoint, str], list[str]] = {}
    for copy in ready:
        for one in copy.endpoints:
            lanes.setdefault((one, copy.origin or copy.lane), []).append(copy.lane)
    return lanes


def _instead(level: Any, place: Place, copy: Copy) -> None:
    """Where requests go that no pod of a ready copy took: back to the baseline, or nowhere."""
    if copy.mode is not Mode.LOOSE and not copy.origin:
        _to(level, place.missing, copy.lane)
    else:
        _to(level, place.fallback, copy.lane, f"{place.service}={BASELINE}")


def _pod(level: Any, endpoint: Endpoint, lanes: Sequence[str], served: str) -> None:
    made = level.lb_endpoints.add()
    socket = made.endpoint.address.socket_address
    socket.address, socket.port_value = endpoint.address, endpoint.port
    _mark(made, lanes, served)


def _to(level: Any, listener: str, lane: str, served: str = "") -> None:
    """An internal listener, for one lane. Most say who served by themselves."""
    made = level.lb_endpoints.add()
    internal = made.endpoint.address.envoy_internal_address
    internal.server_listener_name, internal.endpoint_id = listener, lane
    _mark(made, [lane], served)


def _mark(made: Any, lanes: Sequence[str], served: str) -> None:
    """`lanes` are those of which the request must carry one, `served` what the response says, as
    SERVICE=WHO."""
    fields = made.metadata.filter_metadata["envoy.lb"].fields
    if len(lanes) == 1:
        fields["lane"].string_value = lanes[0]
    else:
        fields["lane"].list_value.extend(lanes)
    if served:
        fields["served"].string_value = served

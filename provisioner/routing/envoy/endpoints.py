"""Endpoints: the only resources that change when lanes do.

Built as protobuf messages directly, not from dicts: a shard has hundreds of them and is built again for each
change in it.

Envoy keeps only the first endpoint of an address within a cluster (envoyproxy/envoy#22417). Internal
endpoints carry the lane as `endpoint_id`, which makes each an address of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from envoy.config.core.v3 import address_pb2, base_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from google.protobuf import struct_pb2

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
    return _assignment(name, [[_pod(one, [BASELINE], service, BASELINE) for one in endpoints]])


def shard(name: str, place: Place, endpoints: Iterable[Endpoint], copies: Sequence[Copy]) -> Resource:
    """The endpoints of a shard. A copy that is not ready has none, so that the baseline answers: marked as
    unhealthy instead, it would keep its subset alive and its requests would fail. One that sleeps has the
    waker alone, one that a strict lane lacks the listener that says so, and neither a way to the baseline."""
    ready = [copy for copy in copies if copy.state is State.READY]
    first = [_pod(one, [BASELINE], place.service, BASELINE) for one in endpoints]
    first += _pods(place, ready)
    first += [_to(place.waker, copy) for copy in copies if copy.state is State.ASLEEP]
    first += [_to(place.missing, copy) for copy in copies if copy.state is State.MISSING]
    second = [_instead(place, copy) for copy in ready]
    return _assignment(name, [first, second] if second else [first])


def _pods(place: Place, ready: Iterable[Copy]) -> list[Any]:
    """The pods of copies; one that answers for several lanes, since they inherit it, lists them all."""
    lanes: dict[tuple[Endpoint, str], list[str]] = {}
    for copy in ready:
        for one in copy.endpoints:
            lanes.setdefault((one, copy.origin or copy.lane), []).append(copy.lane)
    return [_pod(one, those, place.service, origin) for (one, origin), those in lanes.items()]


def _assignment(name: str, priorities: Iterable[list[Any]]) -> Resource:
    message = endpoint_pb2.ClusterLoadAssignment(
        cluster_name=name,
        endpoints=[
            endpoint_components_pb2.LocalityLbEndpoints(priority=level, lb_endpoints=members)
            for level, members in enumerate(priorities)
        ],
    )
    return from_message(ENDPOINTS, name, message)


def _pod(endpoint: Endpoint, lanes: Sequence[str], service: str, served: str) -> Any:
    socket = address_pb2.SocketAddress(address=endpoint.address, port_value=endpoint.port)
    return _endpoint(address_pb2.Address(socket_address=socket), lanes, f"{service}={served}")


def _instead(place: Place, copy: Copy) -> Any:
    """Where requests go that no pod of a ready copy took: back to the baseline, or nowhere."""
    if copy.mode is not Mode.LOOSE and not copy.origin:
        return _to(place.missing, copy)
    return _to(place.fallback, copy, f"{place.service}={BASELINE}")


def _to(listener: str, copy: Copy, served: str = "") -> Any:
    """An internal listener, for one lane. Most say who served by themselves."""
    internal = address_pb2.EnvoyInternalAddress(server_listener_name=listener, endpoint_id=copy.lane)
    return _endpoint(address_pb2.Address(envoy_internal_address=internal), [copy.lane], served)


def _endpoint(address: Any, lanes: Sequence[str], served: str) -> Any:
    """`lanes` are those of which the request must carry one, `served` what the response says, as
    SERVICE=WHO."""
    fields = {"lane": _lane(lanes)}
    if served:
        fields["served"] = struct_pb2.Value(string_value=served)
    return endpoint_components_pb2.LbEndpoint(
        endpoint=endpoint_components_pb2.Endpoint(address=address),
        metadata=base_pb2.Metadata(filter_metadata={"envoy.lb": struct_pb2.Struct(fields=fields)}),
    )


def _lane(lanes: Sequence[str]) -> Any:
    if len(lanes) == 1:
        return struct_pb2.Value(string_value=lanes[0])
    values = [struct_pb2.Value(string_value=lane) for lane in lanes]
    return struct_pb2.Value(list_value=struct_pb2.ListValue(values=values))

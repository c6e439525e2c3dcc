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

from provisioner.routing.envoy.resources import ENDPOINTS, Resource, from_message
from provisioner.routing.intent import Copy, Endpoint, State

BASELINE = "baseline"  # no lane can have this name


@dataclass(frozen=True)
class Place:
    """The service that endpoints are of, and the internal listeners that lead elsewhere than to a pod."""

    service: str
    fallback: str
    waker: str


def baseline(name: str, service: str, endpoints: Iterable[Endpoint]) -> Resource:
    return _assignment(name, [[_pod(one, BASELINE, service, BASELINE) for one in endpoints]])


def shard(name: str, place: Place, endpoints: Iterable[Endpoint], copies: Sequence[Copy]) -> Resource:
    """The endpoints of a shard. A copy that is not ready has none, so that the baseline answers: marked as
    unhealthy instead, it would keep its subset alive and its requests would fail. One that sleeps has the
    waker alone, and no way back to the baseline."""
    ready = [copy for copy in copies if copy.state is State.READY]
    first = [_pod(one, BASELINE, place.service, BASELINE) for one in endpoints]
    first += [_pod(one, copy.lane, place.service, copy.lane) for copy in ready for one in copy.endpoints]
    first += [_to_waker(place, copy.lane) for copy in copies if copy.state is State.ASLEEP]
    second = [_way_back(place, copy.lane) for copy in ready]
    return _assignment(name, [first, second] if second else [first])


def _assignment(name: str, priorities: Iterable[list[Any]]) -> Resource:
    message = endpoint_pb2.ClusterLoadAssignment(
        cluster_name=name,
        endpoints=[
            endpoint_components_pb2.LocalityLbEndpoints(priority=level, lb_endpoints=members)
            for level, members in enumerate(priorities)
        ],
    )
    return from_message(ENDPOINTS, name, message)


def _pod(endpoint: Endpoint, lane: str, service: str, served: str) -> Any:
    socket = address_pb2.SocketAddress(address=endpoint.address, port_value=endpoint.port)
    return _endpoint(address_pb2.Address(socket_address=socket), lane, f"{service}={served}")


def _way_back(place: Place, lane: str) -> Any:
    return _endpoint(_internal(place.fallback, lane), lane, f"{place.service}={BASELINE}")


def _to_waker(place: Place, lane: str) -> Any:
    """It says nothing of who served: the waker's listener does."""
    return _endpoint(_internal(place.waker, lane), lane, "")


def _internal(listener: str, lane: str) -> Any:
    internal = address_pb2.EnvoyInternalAddress(server_listener_name=listener, endpoint_id=lane)
    return address_pb2.Address(envoy_internal_address=internal)


def _endpoint(address: Any, lane: str, served: str) -> Any:
    """`lane` is what the request must carry, `served` what the response says, as SERVICE=WHO."""
    fields = {"lane": struct_pb2.Value(string_value=lane)}
    if served:
        fields["served"] = struct_pb2.Value(string_value=served)
    return endpoint_components_pb2.LbEndpoint(
        endpoint=endpoint_components_pb2.Endpoint(address=address),
        metadata=base_pb2.Metadata(filter_metadata={"envoy.lb": struct_pb2.Struct(fields=fields)}),
    )

"""Endpoints: the only resources that change when lanes do.

Built as protobuf messages directly, not from dicts: a shard has hundreds of them and is built again for each
change in it.

Envoy keeps only the first endpoint of an address within a cluster (envoyproxy/envoy#22417). Internal
endpoints carry the lane as `endpoint_id`, which makes each an address of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from envoy.config.core.v3 import address_pb2, base_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from google.protobuf import struct_pb2

from provisioner.routing.envoy.resources import ENDPOINTS, Resource, from_message
from provisioner.routing.intent import Copy, Endpoint, State

BASELINE = "baseline"  # no lane can have this name


def baseline(name: str, endpoints: Iterable[Endpoint]) -> Resource:
    return _assignment(name, [[_pod(one, BASELINE, BASELINE) for one in endpoints]])


def shard(name: str, fallback: str, endpoints: Iterable[Endpoint], copies: Iterable[Copy]) -> Resource:
    """The endpoints of a shard. A copy that is not ready has none, so that the baseline answers: marked as
    unhealthy instead, it would keep its subset alive and its requests would fail."""
    ready = [copy for copy in copies if copy.state is State.READY]
    first = [_pod(one, BASELINE, BASELINE) for one in endpoints]
    first += [_pod(one, copy.lane, copy.lane) for copy in ready for one in copy.endpoints]
    second = [_way_back(fallback, copy.lane) for copy in ready]
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


def _pod(endpoint: Endpoint, lane: str, served: str) -> Any:
    socket = address_pb2.SocketAddress(address=endpoint.address, port_value=endpoint.port)
    return _endpoint(address_pb2.Address(socket_address=socket), lane, served)


def _way_back(listener: str, lane: str) -> Any:
    internal = address_pb2.EnvoyInternalAddress(server_listener_name=listener, endpoint_id=lane)
    return _endpoint(address_pb2.Address(envoy_internal_address=internal), lane, BASELINE)


def _endpoint(address: Any, lane: str, served: str) -> Any:
    """`lane` is what the request must carry, `served` what the response says."""
    fields = {"lane": struct_pb2.Value(string_value=lane), "served": struct_pb2.Value(string_value=served)}
    return endpoint_components_pb2.LbEndpoint(
        endpoint=endpoint_components_pb2.Endpoint(address=address),
        metadata=base_pb2.Metadata(filter_metadata={"envoy.lb": struct_pb2.Struct(fields=fields)}),
    )

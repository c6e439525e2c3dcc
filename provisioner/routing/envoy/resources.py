"""Discovery resources: their types, versions by content, and the way from plain dicts to protobuf."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2

# Imported for what they register: messages that only ever appear inside an Any.
from envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2 as _ext_authz
from envoy.extensions.filters.http.health_check.v3 import health_check_pb2 as _health_check
from envoy.extensions.filters.http.jwt_authn.v3 import config_pb2 as _jwt
from envoy.extensions.filters.http.lua.v3 import lua_pb2 as _lua
from envoy.extensions.filters.http.router.v3 import router_pb2 as _router
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as _connection_manager,
)
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2 as _tcp_proxy
from envoy.extensions.http.header_formatters.preserve_case.v3 import preserve_case_pb2 as _preserve_case
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2 as _hosts
from envoy.extensions.retry.priority.previous_priorities.v3 import (
    previous_priorities_config_pb2 as _priorities,
)
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2 as _protocol_options
from google.protobuf import any_pb2, json_format

REGISTERED = (
    _connection_manager,
    _ext_authz,
    _health_check,
    _hosts,
    _jwt,
    _lua,
    _preserve_case,
    _priorities,
    _protocol_options,
    _router,
    _tcp_proxy,
)

TYPE = "type.googleapis.com/"
CLUSTER = TYPE + "envoy.config.cluster.v3.Cluster"
ENDPOINTS = TYPE + "envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = TYPE + "envoy.config.listener.v3.Listener"
ROUTES = TYPE + "envoy.config.route.v3.RouteConfiguration"

Json = dict[str, Any]
_MESSAGES = {
    CLUSTER: cluster_pb2.Cluster,
    ENDPOINTS: endpoint_pb2.ClusterLoadAssignment,
    LISTENER: listener_pb2.Listener,
    ROUTES: route_pb2.RouteConfiguration,
}


@dataclass(frozen=True)
class Resource:
    """One resource as it is sent. `body` is a serialized `google.protobuf.Any`'s value; equal content has
    the same version in every process."""

    type_url: str
    name: str
    version: str
    body: bytes

    def packed(self) -> Any:
        return any_pb2.Any(type_url=self.type_url, value=self.body)

    def to_json(self) -> Json:
        """As a plain dict, for people and for comparison."""
        message = _MESSAGES[self.type_url].FromString(self.body)
        found: Json = json.loads(json_format.MessageToJson(message, preserving_proto_field_name=True))
        return found


Resources = Mapping[str, Mapping[str, Resource]]  # by type, then by name


def from_message(type_url: str, name: str, message: Any) -> Resource:
    body = message.SerializeToString(deterministic=True)
    return Resource(type_url, name, _version(body), body)


def from_json(type_url: str, name: str, fields: Json) -> Resource:
    """From a plain dict; raises json_format.ParseError for a field that Envoy does not have.

    The version is that of the dict: a map inside an Any has its entries in another order in each process.
    """
    body = json_format.ParseDict(fields, _MESSAGES[type_url]()).SerializeToString(deterministic=True)
    return Resource(type_url, name, _version(json.dumps(fields, sort_keys=True).encode()), body)


def from_template(type_url: str, name: str, fields: Json) -> Resource:
    """As `from_json`, of fields that many resources share but for their `name`: they are read once."""
    text = json.dumps(fields, sort_keys=True)
    message = _MESSAGES[type_url]()
    message.CopyFrom(_read(type_url, text))
    message.name = name
    body = message.SerializeToString(deterministic=True)
    return Resource(type_url, name, _version(f"{name} {text}".encode()), body)


@lru_cache(maxsize=64)
def _read(type_url: str, text: str) -> Any:
    return json_format.Parse(text, _MESSAGES[type_url]())


def _version(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=12).hexdigest()


def typed(message: str, fields: Json | None = None) -> Json:
    """A `typed_config`: the message's full name and its fields."""
    return {"@type": TYPE + message, **(fields or {})}


def extension(name: str, message: str, fields: Json | None = None) -> Json:
    return {"name": name, "typed_config": typed(message, fields)}

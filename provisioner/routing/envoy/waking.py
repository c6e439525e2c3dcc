"""Where a request waits while the copy that it is for wakes up.

The endpoint of a copy that sleeps is an internal listener. It asks `laneway router`, by the protocol of
external authorization, and holds the request until the answer comes: the address of the pod that is ready by
now, or what to say instead. Holding and passing on are Envoy's own, so streams, trailers, upgrades and gRPC
are what they are anywhere else, and a body that is larger than a buffer waits at its sender.

When nobody answers, the answer is 503: never the baseline's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from provisioner.chain.model import Carriers
from provisioner.routing.envoy import clusters, defaults, listeners
from provisioner.routing.envoy.node import DISCOVERY
from provisioner.routing.envoy.resources import CLUSTER, LISTENER, Resource, extension, from_json, typed
from provisioner.routing.envoy.routes import CONNECT, PATIENT, asked, every_reply, everything, served

Json = dict[str, Any]

WOKEN = "woken"  # the cluster of whatever pod the waker names
ENDPOINT = "endpoint"  # the waker's word: HOST:PORT of that pod
SERVED = "served"  # the waker's word: who answers
LONGEST_SECONDS = 600  # that a request can be held for
RETRY_SECONDS = 5  # what a client is told when the waker could not be asked

# A router that restarts is back within a few seconds; whoever waits need not notice.
ASK_AGAIN: Json = {
    "retry_on": "connect-failure,refused-stream,reset,cancelled,internal,unavailable",
    "num_retries": 5,
    "retry_back_off": {"base_interval": "0.5s", "max_interval": "2s"},
}
_ASK = "envoy.filters.http.ext_authz"
_ASK_MESSAGE = "envoy.extensions.filters.http.ext_authz.v3"


@dataclass(frozen=True)
class Place:
    """The Service port whose requests are held; the waker is told these four."""

    chain: str
    namespace: str
    service: str
    port: int

    def context(self) -> dict[str, str]:
        return {
            "chain": self.chain,
            "namespace": self.namespace,
            "service": self.service,
            "port": str(self.port),
        }


def listener(place: Place, carriers: Carriers) -> Resource:
    """Holds the requests for the copies of one Service port that sleep. It depends on no lane."""
    name = clusters.waker_name(place.service, place.port)
    manager = {
        **defaults.connection_manager(),
        "stat_prefix": name,
        "http_filters": [_ask(carriers), listeners.router()],
        "route_config": _routes(place, carriers.header),
        "local_reply_config": _refusals(place.service, carriers.header),
    }
    fields = {
        "name": name,
        "internal_listener": {},
        "filter_chains": [{"filters": [extension(listeners.HTTP, listeners.HTTP_MESSAGE, manager)]}],
    }
    return from_json(LISTENER, name, fields)


def woken() -> Resource:
    """Leads to the pod that the waker named, without a wait for discovery to name it too."""
    fields = {
        "name": WOKEN,
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": defaults.LANE_CONNECT,
        "original_dst_lb_config": {"metadata_key": {"key": _ASK, "path": [{"key": ENDPOINT}]}},
        "circuit_breakers": defaults.circuit_breakers(),
        "typed_extension_protocol_options": defaults.upstream_protocols(),
    }
    return from_json(CLUSTER, WOKEN, fields)


def _ask(carriers: Carriers) -> Json:
    """Of the request's headers the waker is told two: nobody's cookies are its business."""
    told = (carriers.header.lower(), "accept")
    fields = {
        "transport_api_version": "V3",
        # longer than any request is held; an end of the connection is noticed at once
        "grpc_service": {
            "envoy_grpc": {"cluster_name": DISCOVERY},
            "timeout": f"{LONGEST_SECONDS + 30}s",
            "retry_policy": ASK_AGAIN,
        },
        "failure_mode_allow": False,
        "status_on_error": {"code": "ServiceUnavailable"},
        "allowed_headers": {"patterns": [{"exact": name} for name in told]},
    }
    return extension(_ASK, f"{_ASK_MESSAGE}.ExtAuthz", fields)


def _routes(place: Place, header: str) -> Json:
    settings = {"check_settings": {"context_extensions": place.context()}}
    route = {
        "match": {},
        # the pod was ready when it was named, and what could not be sent may be sent again
        "route": {
            **PATIENT,
            "cluster": WOKEN,
            "retry_policy": {"retry_on": "connect-failure,refused-stream", "num_retries": 2},
        },
        "response_headers_to_add": [served(header, f"{place.service}=%DYNAMIC_METADATA({_ASK}:{SERVED})%")],
        "typed_per_filter_config": {_ASK: typed(f"{_ASK_MESSAGE}.ExtAuthzPerRoute", settings)},
    }
    routes = [asked(route, way) for way in (everything(), CONNECT)]
    return {"virtual_hosts": [{"name": place.service, "domains": ["*"], "routes": routes}]}


def _refusals(service: str, header: str) -> Json:
    """What this listener says by itself: that nobody answered, and when to try again."""
    again = {
        "header": {"key": "retry-after", "value": str(RETRY_SECONDS)},
        "append_action": "ADD_IF_ABSENT",
    }
    said = [served(header, f"{service}=none"), again]
    return {"mappers": [{"filter": every_reply(), "headers_to_add": said}]}

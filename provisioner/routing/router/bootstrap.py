"""What an Envoy of ours starts with: who it is, where discovery is, and nothing else. Pure."""

from __future__ import annotations

from typing import Any

from provisioner.routing.envoy import Node
from provisioner.routing.envoy.node import ADMIN, DISCOVERY

Json = dict[str, Any]

_TYPE = "type.googleapis.com/"

# Whether the router takes connections. Found out at once at the start, and within a second when it is back;
# seldom while all is well.
CHECK: Json = {
    "timeout": "1s",
    "interval": "5s",
    "no_traffic_interval": "1s",
    "no_traffic_healthy_interval": "5s",
    "unhealthy_interval": "1s",
    "healthy_threshold": 1,
    "unhealthy_threshold": 1,
    "tcp_health_check": {},
}


def bootstrap(node: Node, discovery: tuple[str, int], admin: str, warm: int | None = None) -> Json:
    """Envoy's bootstrap as JSON. `discovery` is host and port; `admin` the path of a socket that only the
    pod can reach, since who reaches it may end Envoy; `warm` the port on the pod's loopback that tells what
    was true last while discovery cannot be reached."""
    return {
        "node": {
            "id": f"{node.chain}/{node.namespace}/{node.address}",
            "cluster": node.chain,
            "metadata": node.metadata(),
        },
        "admin": {"address": {"pipe": {"path": admin, "mode": 0o600}}},
        "bootstrap_extensions": [
            {
                "name": "envoy.bootstrap.internal_listener",
                "typed_config": {
                    "@type": _TYPE + "envoy.extensions.bootstrap.internal_listener.v3.InternalListener"
                },
            }
        ],
        "cluster_manager": {"load_stats_config": _reports()},
        "dynamic_resources": {"ads_config": _ads(), "cds_config": _from_ads(), "lds_config": _from_ads()},
        "static_resources": {"clusters": [_discovery_cluster(discovery, warm), _admin_cluster(admin)]},
    }


def _admin_cluster(path: str) -> Json:
    """What the listener of readiness reads counters from."""
    endpoint = {"endpoint": {"address": {"pipe": {"path": path}}}}
    assignment = {"cluster_name": ADMIN, "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {"name": ADMIN, "type": "STATIC", "connect_timeout": "1s", "load_assignment": assignment}


def _from_ads() -> Json:
    # waits for its first configuration however long that takes: an Envoy that knows nothing is not ready
    return {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}


def _ads() -> Json:
    retry = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}}
    return {
        "api_type": "DELTA_GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": DISCOVERY, "retry_policy": retry}}],
    }


def _reports() -> Json:
    """Where Envoy tells how many requests each endpoint got: counts that it keeps anyway."""
    return {
        "api_type": "GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": DISCOVERY}}],
    }


def _discovery_cluster(discovery: tuple[str, int], warm: int | None) -> Json:
    http2 = {"connection_keepalive": {"interval": "10s", "timeout": "5s"}}
    options = _TYPE + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    found: Json = {
        "name": DISCOVERY,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": DISCOVERY, "endpoints": [_endpoint(*discovery, 0)]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "explicit_http_config": {"http2_protocol_options": http2},
            }
        },
    }
    if warm is not None:
        found["load_assignment"]["endpoints"].append(_endpoint("127.0.0.1", warm, 1))
        found["health_checks"] = [CHECK]
    return found


def _endpoint(host: str, port: int, priority: int) -> Json:
    address = {"socket_address": {"address": host, "port_value": port}}
    return {"priority": priority, "lb_endpoints": [{"endpoint": {"address": address}}]}

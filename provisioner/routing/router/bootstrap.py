"""What an Envoy of ours starts with: who it is, where discovery is, and nothing else. Pure."""

from __future__ import annotations

from typing import Any

from provisioner.routing.envoy import Node
from provisioner.routing.envoy.node import DISCOVERY

Json = dict[str, Any]

_TYPE = "type.googleapis.com/"


def bootstrap(node: Node, discovery: tuple[str, int], admin: str) -> Json:
    """Envoy's bootstrap as JSON. `discovery` is host and port; `admin` the path of a socket that only the
    pod can reach, since who reaches it may end Envoy."""
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
        "static_resources": {"clusters": [_discovery_cluster(*discovery)]},
    }


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


def _discovery_cluster(host: str, port: int) -> Json:
    http2 = {"connection_keepalive": {"interval": "10s", "timeout": "5s"}}
    options = _TYPE + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    address = {"socket_address": {"address": host, "port_value": port}}
    return {
        "name": DISCOVERY,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": DISCOVERY,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "explicit_http_config": {"http2_protocol_options": http2},
            }
        },
    }

"""How requests from outside come into a mesh's chain: the gateway that its team has set up. Pure.

Every chain behind a mesh has one of its own making, with a route of the team for the shop's host and for the
preview hosts; Laneway finds it there and adds the lanes' ways beside it.
"""

from __future__ import annotations

from typing import Any

from tests.conformance.scene import DOMAIN, PORTS, SERVICES

Json = dict[str, Any]
HOST = "shop.example.com"
HOSTS = [HOST, f"*.{DOMAIN}", "*.preview.example.org"]  # the last is none of a lane's
MARKS = {"istio": "conformance"}  # the labels of the gateway's proxy
NAME = "outside"


def istio(namespace: str, address: str, port: int) -> tuple[Json, ...]:
    """A Gateway of istio's, bound to the proxy's address, and the team's VirtualService."""
    server = {
        "port": {"number": port, "name": "http", "protocol": "HTTP"},
        "bind": address,
        "hosts": ["*"],
    }
    to = {"destination": {"host": SERVICES[0], "port": {"number": PORTS["http"]}}}
    return (
        _object("networking.istio.io/v1", "Gateway", namespace, {"selector": MARKS, "servers": [server]}),
        _object(
            "networking.istio.io/v1",
            "VirtualService",
            namespace,
            {"hosts": HOSTS, "gateways": [NAME], "http": [{"name": "shop", "route": [to]}]},
        ),
    )


def gateway_api(namespace: str, port: int) -> tuple[Json, ...]:
    """A Gateway of the Gateway API, at the proxy's Service, and the team's HTTPRoute."""
    version = "gateway.networking.k8s.io/v1"
    gateway = {
        "gatewayClassName": "istio",
        "addresses": [{"type": "Hostname", "value": f"{NAME}.{namespace}.svc.cluster.local"}],
        "listeners": [
            {
                "name": "http",
                "port": port,
                "protocol": "HTTP",
                "allowedRoutes": {"namespaces": {"from": "Same"}},
            }
        ],
    }
    route = {
        "parentRefs": [{"name": NAME}],
        "hostnames": HOSTS,
        "rules": [{"backendRefs": [{"name": SERVICES[0], "port": PORTS["http"]}]}],
    }
    return (
        _object(version, "Gateway", namespace, gateway),
        _object(version, "HTTPRoute", namespace, route),
    )


def _object(version: str, kind: str, namespace: str, spec: Json) -> Json:
    metadata = {"name": NAME, "namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}

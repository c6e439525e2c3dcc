"""Listeners: one per Service port, one internal per HTTP port, one for readiness. They depend on no lane,
and on no release: where the chain is entered, routes are a resource of their own."""

from __future__ import annotations

from typing import Any

from provisioner.routing.envoy import clusters, defaults, scripts
from provisioner.routing.envoy import entrance as entering
from provisioner.routing.envoy.node import ADMIN, COUNTERS
from provisioner.routing.envoy.resources import LISTENER, Resource, extension, from_json
from provisioner.routing.envoy.routes import local_replies, name_of, route_table
from provisioner.routing.envoy.scripts import Lanes
from provisioner.routing.intent import Port, Service

Json = dict[str, Any]

READY = "ready"
HTTP = "envoy.filters.network.http_connection_manager"
HTTP_MESSAGE = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


def http(service: Service, port: Port, lanes: Lanes, address: str) -> Resource:
    """Where the requests of a Service port come in."""
    name, header, entrance = clusters.baseline_name(service.name, port.number), lanes.header, lanes.entrance
    manager = {
        **defaults.connection_manager(),
        "stat_prefix": name,
        "http_filters": [
            *(entering.checks(entrance) if entrance else []),
            scripts.lane_filter(service, port, lanes),
            router(),
        ],
        **_routes(service, port, lanes),
        "local_reply_config": local_replies(service.name, header),
    }
    return from_json(
        LISTENER, name, _bound(name, address, port.listener, extension(HTTP, HTTP_MESSAGE, manager))
    )


def _routes(service: Service, port: Port, lanes: Lanes) -> Json:
    if not lanes.entered:
        return {"route_config": route_table(service.name, port.number, lanes.header)}
    # no time-out for the first routes: the listener waits for them instead of starting without
    source = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    name = name_of(service.name, port.number, lanes.header)
    return {"rds": {"route_config_name": name, "config_source": source}}


def tcp(service: Service, port: Port, address: str) -> Resource:
    """Where the connections of a TCP port come in: all of them go to the baseline."""
    name = clusters.baseline_name(service.name, port.number)
    return from_json(LISTENER, name, _bound(name, address, port.listener, _passed_to(name)))


def fallback(service: Service, port: Port) -> Resource:
    """What the second priority of a lane leads to: the baseline, on a connection that is known to work."""
    name = clusters.fallback_name(service.name, port.number)
    fields = {
        "name": name,
        "internal_listener": {},
        "filter_chains": [{"filters": [_passed_to(clusters.baseline_name(service.name, port.number))]}],
    }
    return from_json(LISTENER, name, fields)


def ready(address: str, port: int) -> Resource:
    """Answers the readiness probe: 200, and 503 from `healthcheck/fail` on, when the pod is leaving. Gives
    Envoy's counters to read, and nothing else of what Envoy's admin interface can do."""
    check = {
        "pass_through_mode": False,
        "headers": [{"name": ":path", "string_match": {"exact": "/ready"}}],
    }
    manager = {
        "stat_prefix": READY,
        "http_filters": [
            extension(
                "envoy.filters.http.health_check",
                "envoy.extensions.filters.http.health_check.v3.HealthCheck",
                check,
            ),
            router(),
        ],
        "route_config": {
            "virtual_hosts": [{"name": READY, "domains": ["*"], "routes": [_counters()]}],
            # pods that started before there was the cluster do without counters, not without readiness
            "validate_clusters": False,
        },
    }
    return from_json(LISTENER, READY, _bound(READY, address, port, extension(HTTP, HTTP_MESSAGE, manager)))


def _counters() -> Json:
    reading = {"name": ":method", "string_match": {"exact": "GET"}}
    return {"match": {"path": COUNTERS, "headers": [reading]}, "route": {"cluster": ADMIN}}


def _bound(name: str, address: str, port: int, network_filter: Json) -> Json:
    return {
        "name": name,
        "address": {"socket_address": {"address": address, "port_value": port}},
        "filter_chains": [{"filters": [network_filter]}],
    }


def _passed_to(cluster: str) -> Json:
    fields = {"stat_prefix": cluster, "cluster": cluster, "idle_timeout": defaults.NEVER}
    return extension(
        "envoy.filters.network.tcp_proxy", "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", fields
    )


def router() -> Json:
    fields = {"suppress_envoy_headers": True}
    return extension("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", fields)

"""The two routes of a Service port, and what a response says of who answered."""

from __future__ import annotations

from typing import Any

from provisioner.routing.envoy import clusters, defaults
from provisioner.routing.envoy.resources import extension

Json = dict[str, Any]

# Set by the Lua filter, taken away by the route: neither side of the router ever sees it.
TARGET = "x-laneway-cluster"

# Only what cannot have reached an application is sent once more, and then to the next priority: the baseline.
RETRY: Json = {
    "retry_on": "connect-failure,refused-stream,reset-before-request",
    "num_retries": 1,
    "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.001s"},
    "retry_priority": extension(
        "envoy.retry_priorities.previous_priorities",
        "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
        {"update_frequency": 1},
    ),
}
CONNECT: Json = {"connect_matcher": {}}
# What an application's response took; 0 is no limit.
PATIENT: Json = {"timeout": defaults.NEVER, "idle_timeout": defaults.NEVER}


def route_table(service: str, port: int, header: str) -> Json:
    """With a lane: its shard, as the filter named it. Without: the baseline or nothing, and never again."""
    with_lane = {
        "match": {"headers": [{"name": TARGET, "present_match": True}]},
        "route": {**PATIENT, "cluster_header": TARGET, "retry_policy": RETRY},
        "request_headers_to_remove": [TARGET],
        "response_headers_to_add": [served(header, "%UPSTREAM_METADATA(envoy.lb:served)%")],
    }
    without = {"match": {}, "route": {**PATIENT, "cluster": clusters.baseline_name(service, port)}}
    routes = [asked(one, way) for one in (with_lane, without) for way in (everything(), CONNECT)]
    return {"virtual_hosts": [{"name": service, "domains": ["*"], "routes": routes}]}


def asked(route: Json, way: Json) -> Json:
    """A route for what is asked in one of two ways: by a path, or by CONNECT, which has none."""
    return {**route, "match": {**route["match"], **way}}


def served(header: str, who: str) -> Json:
    """The response header that says who answered, as SERVICE=WHO; the nearest hop's own word replaces a
    forwarded one. One that comes out empty is left out."""
    return {
        "header": {"key": f"{header.lower()}-served", "value": who},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def local_replies(service: str, header: str) -> Json:
    """A reply of Envoy's own to a request with a lane says that nobody answered."""
    tagged = {
        "metadata_filter": {
            "matcher": {"filter": "envoy.lb", "path": [{"key": "lane"}], "value": {"present_match": True}},
            "match_if_key_not_found": False,
        }
    }
    return {"mappers": [{"filter": tagged, "headers_to_add": [served(header, f"{service}=none")]}]}


def everything() -> Json:
    return {"prefix": "/"}


def every_reply() -> Json:
    """A filter that whatever a listener says by itself passes."""
    comparison = {"op": "GE", "value": {"default_value": 100, "runtime_key": "laneway.unused"}}
    return {"status_code_filter": {"comparison": comparison}}

"""The routes of a Service port, and what a response says of who answered.

Where the chain is entered they are a resource of their own, and know of the release that runs. While one
does, untagged requests are counted by `stat_prefix`: those that it has taken, and those of the baseline.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from provisioner.chain.model import Entry
from provisioner.routing import share as shares
from provisioner.routing.envoy import clusters, defaults
from provisioner.routing.envoy.resources import ROUTES, Resource, extension, from_json, typed
from provisioner.routing.intent import Share

Json = dict[str, Any]

# Set by the Lua filter, taken away by the route: neither side of the router ever sees it.
TARGET = "x-laneway-cluster"

LUA = "envoy.filters.http.lua"
LUA_MESSAGES = "envoy.extensions.filters.http.lua.v3"
SHARING = "share"  # the script that a route has the filter run in place of the usual one

# What share.lua has decided, in a request's metadata.
DECIDED, RELEASE, COOKIE = "laneway", "release", "cookie"
# The `stat_prefix` of the two kinds of untagged request, where the chain is entered.
RELEASED, BASELINE = "release", "baseline"

# Only what cannot have reached an application is sent again: first to another pod of the copy, where there is
# one, then to the next priority: the baseline, or what says 503 for a strict lane.
RETRY: Json = {
    "retry_on": "connect-failure,refused-stream,reset-before-request",
    "num_retries": 2,
    "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.001s"},
    "retry_host_predicate": [
        extension(
            "envoy.retry_host_predicates.previous_hosts",
            "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
        )
    ],
    "host_selection_retry_max_attempts": "3",
    "retry_priority": extension(
        "envoy.retry_priorities.previous_priorities",
        "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
        {"update_frequency": 2},
    ),
}
CONNECT: Json = {"connect_matcher": {}}
# What an application's response took; 0 is no limit.
PATIENT: Json = {"timeout": defaults.NEVER, "idle_timeout": defaults.NEVER}


def route_table(service: str, port: int, header: str) -> Json:
    """With a lane: its shard, as the filter named it. Without: the baseline or nothing, and never again."""
    return _table(service, (_with_lane(header), _without(service, port)))


def name_of(service: str, port: int, header: str) -> str:
    """The name of the routes where the chain is entered. With another header they have another name, so that
    a listener which reads that header has their like before it takes a request."""
    return f"{clusters.baseline_name(service, port)}/{header.lower()}"


def entered(service: str, port: int, header: str, entry: Entry, share: Share | None) -> Resource:
    """The same where the chain is entered, with what a release takes of the requests without a lane."""
    name = name_of(service, port, header)
    if share is None:
        return from_json(ROUTES, name, {"name": name, **route_table(service, port, header)})
    without = {
        **_without(service, port),
        "stat_prefix": BASELINE,
        "typed_per_filter_config": {LUA: _sharing(_told(share, entry))},
        "response_headers_to_add": [_cookie()],
    }
    table = _table(service, (_taken(header), _with_lane(header), without))
    return from_json(ROUTES, name, {"name": name, **table})


def _table(service: str, ways: Iterable[Json]) -> Json:
    routes = [asked(one, way) for one in ways for way in (everything(), CONNECT)]
    return {"virtual_hosts": [{"name": service, "domains": ["*"], "routes": routes}]}


def _with_lane(header: str) -> Json:
    return {
        "match": {"headers": [{"name": TARGET, "present_match": True}]},
        "route": {**PATIENT, "cluster_header": TARGET, "retry_policy": RETRY},
        "request_headers_to_remove": [TARGET],
        "response_headers_to_add": [served(header, "%UPSTREAM_METADATA(envoy.lb:served)%")],
    }


def _without(service: str, port: int) -> Json:
    return {"match": {}, "route": {**PATIENT, "cluster": clusters.baseline_name(service, port)}}


def _taken(header: str) -> Json:
    """As with a lane, but that the client named none, and is told of none."""
    one = _with_lane(header)
    released = {
        "filter": DECIDED,
        "path": [{"key": RELEASE}],
        "value": {"present_match": True},
    }
    return {
        **one,
        "match": {**one["match"], "dynamic_metadata": [released]},
        "response_headers_to_add": [_cookie()],
        "response_headers_to_remove": [f"{header.lower()}-served"],
        "stat_prefix": RELEASED,
    }


def _sharing(share: Json) -> Json:
    return typed(f"{LUA_MESSAGES}.LuaPerRoute", {"name": SHARING, "filter_context": {"share": share}})


def _told(share: Share, entry: Entry) -> Json:
    """What share.lua reads; what is not there is left out."""
    sticky, audience = share.sticky, share.audience
    told: Json = {
        "release": share.release,
        "lane": share.lane,
        "start": shares.start(share.release),
        "taken": shares.taken(share),
    }
    if sticky.header:
        told["header"] = sticky.header.lower()
    if sticky.cookie:
        told |= {"cookie": sticky.cookie, "attributes": shares.cookie_attributes(entry)}
    if audience.header:
        told["audience"] = {"header": audience.header.lower(), "value": audience.header_value}
    if audience.cookie:
        told["fans"] = {"cookie": audience.cookie, "value": audience.cookie_value}
    return told


def _cookie() -> Json:
    """Keeps a user in the bucket that was drawn; where none was it comes out empty, and is left out."""
    return {
        "header": {"key": "set-cookie", "value": f"%DYNAMIC_METADATA({DECIDED}:{COOKIE})%"},
        "append_action": "APPEND_IF_EXISTS_OR_ADD",
    }


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
    """A reply of Envoy's own to a request with a lane says that nobody answered; one that a release has taken
    named none, and hears nothing."""
    tagged, taken = _has("envoy.lb", "lane"), _has(DECIDED, RELEASE)
    taken["metadata_filter"]["matcher"]["invert"] = True
    taken["metadata_filter"]["match_if_key_not_found"] = True
    named = {"and_filter": {"filters": [tagged, taken]}}
    return {"mappers": [{"filter": named, "headers_to_add": [served(header, f"{service}=none")]}]}


def _has(namespace: str, key: str) -> Json:
    """A filter that requests pass whose metadata has a key."""
    matcher: Json = {"filter": namespace, "path": [{"key": key}], "value": {"present_match": True}}
    return {"metadata_filter": {"matcher": matcher, "match_if_key_not_found": False}}


def everything() -> Json:
    return {"prefix": "/"}


def every_reply() -> Json:
    """A filter that whatever a listener says by itself passes."""
    comparison = {"op": "GE", "value": {"default_value": 100, "runtime_key": "laneway.unused"}}
    return {"status_code_filter": {"comparison": comparison}}

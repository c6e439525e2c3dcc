"""Values for which Envoy's own default would change what an application sees. One table per place.

Envoy is made for edges, where limits and clean-up protect; in front of a Service that had none, each of them
is a change of behaviour. What no setting prevents is listed in docs/routing.md.
"""

from __future__ import annotations

from typing import Any

from provisioner.routing.envoy.resources import extension

Json = dict[str, Any]

NEVER = "0s"  # of a time-out: there is none
UNLIMITED = 4294967295
MOST_STREAMS = 2147483647
# On one connection to an application: what every server should take before it has said how much it takes
# (RFC 9113, 6.5.2). More go on further connections; a server that got more would refuse some.
UPSTREAM_STREAMS = 100
MOST_HEADERS = 10000
MOST_HEADER_KB = 8192
UPGRADES = ("websocket", "SPDY/3.1", "tcp", "CONNECT")
# Some clients offer TLS with every request (Apache's HttpClient 5 does). A server may ignore an offer; Envoy
# would refuse the request.
IGNORED_UPGRADES = [{"prefix": "TLS/", "ignore_case": True}]

# Below what applications keep connections open for, and not 0: a pooled connection that the application has
# just closed would fail a request that must not be sent twice.
UPSTREAM_IDLE = "1s"
# As long as a kernel tries; clients gave up by their own clocks before there was a router, and still do.
BASELINE_CONNECT = "60s"
# A copy that does not take connections is left for the baseline after this long. A kernel asks again
# after 1 s when its first packet was lost or came while many others stood in line: that must be in time.
LANE_CONNECT = "1.5s"


def case_preserved() -> Json:
    message = "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig"
    fields = {"forward_reason_phrase": True}
    return {
        "stateful_formatter": extension(
            "envoy.http.stateful_header_formatters.preserve_case", message, fields
        )
    }


def http1() -> Json:
    return {"enable_trailers": True, "allow_custom_methods": True, "header_key_format": case_preserved()}


def http2(streams: int) -> Json:
    """No guard against floods: who could flood the application before still can, and nobody else."""
    guards = (
        "max_outbound_frames",
        "max_outbound_control_frames",
        "max_consecutive_inbound_frames_with_empty_payload",
        "max_inbound_priority_frames_per_stream",
        "max_inbound_window_update_frames_per_data_frame_sent",
    )
    return {
        "max_concurrent_streams": streams,
        "allow_connect": True,
        # one bad message ends its stream, not all others of the connection
        "override_stream_error_on_invalid_http_message": True,
        **dict.fromkeys(guards, UNLIMITED),
    }


def connection_manager() -> Json:
    """Fields of the HTTP connection manager beside filters and routes."""
    return {
        "server_header_transformation": "PASS_THROUGH",
        "generate_request_id": False,
        "preserve_external_request_id": True,
        "skip_xff_append": True,
        "stream_idle_timeout": NEVER,
        "request_timeout": NEVER,
        "request_headers_timeout": NEVER,
        # A connection ends when all is sent. With a time, a client that does not read for that long loses the
        # end of its last answer, and a WebSocket that the application ends lives on for that long.
        "delayed_close_timeout": NEVER,
        "max_request_headers_kb": MOST_HEADER_KB,
        "normalize_path": False,
        "merge_slashes": False,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "proxy_100_continue": True,
        "upgrade_configs": [{"upgrade_type": name} for name in UPGRADES],
        "common_http_protocol_options": {
            "max_headers_count": MOST_HEADERS,
            "idle_timeout": NEVER,
            "headers_with_underscores_action": "ALLOW",
        },
        # else it is taken away from every request that comes without a client certificate
        "forward_client_cert_details": "ALWAYS_FORWARD_ONLY",
        "http_protocol_options": {
            **http1(),
            "accept_http_10": True,
            "default_host_for_http_10": "localhost",
            "ignore_http_11_upgrade": IGNORED_UPGRADES,
        },
        "http2_protocol_options": http2(MOST_STREAMS),
    }


def upstream_protocols() -> Json:
    """HTTP/1.1 and HTTP/2 (gRPC) on one port: upstream as the request came in."""
    options = {
        "common_http_protocol_options": {
            "idle_timeout": UPSTREAM_IDLE,
            "max_headers_count": MOST_HEADERS,
            "max_response_headers_kb": MOST_HEADER_KB,
        },
        "use_downstream_protocol_config": {
            "http_protocol_options": http1(),
            "http2_protocol_options": http2(UPSTREAM_STREAMS),
        },
    }
    message = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {message: extension("", message, options)["typed_config"]}


def circuit_breakers() -> Json:
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return {
        "thresholds": [
            {"priority": priority, **dict.fromkeys(limits, UNLIMITED)} for priority in ("DEFAULT", "HIGH")
        ]
    }

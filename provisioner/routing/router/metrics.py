"""What the router counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

STREAMS = Gauge("laneway_router_streams", "Envoys connected", ["chain", "envoy_namespace"])
SENT = Counter("laneway_router_resources_sent", "Resources sent to Envoys", ["type"])
REJECTED = Counter(
    "laneway_router_rejected",
    "Responses that an Envoy did not take; its log and the router's say why",
    ["chain", "envoy_namespace", "type"],
)
SILENT = Gauge("laneway_router_watches_silent", "Watches that broke, of which nothing was heard since")
CONFIG_AGE = Gauge(
    "laneway_router_config_age_seconds",
    "How long an Envoy has lacked what it should have: sent and not taken, or refused",
    ["chain", "envoy_namespace"],
)
CHANGES = Counter("laneway_router_changes", "Changes seen in the cluster", ["kind"])
UNREADABLE = Counter(
    "laneway_router_unreadable", "Objects that could not be read; the log names them", ["kind"]
)
WAKES = Counter("laneway_waker_wakes", "Times that a request had a lane woken", ["chain"])
HELD = Gauge("laneway_waker_held", "Requests that wait for a lane to wake up")
WAITS = Histogram(
    "laneway_waker_seconds",
    "How long requests for lanes that slept were held, by what became of them",
    ["result"],
    buckets=(0.1, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 60),
)

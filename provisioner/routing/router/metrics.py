"""What the router counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

STREAMS = Gauge("laneway_router_streams", "Envoys connected", ["chain", "envoy_namespace"])
SENT = Counter("laneway_router_resources_sent", "Resources sent to Envoys", ["type"])
REJECTED = Counter(
    "laneway_router_rejected",
    "Responses that an Envoy did not take; its log and the router's say why",
    ["chain", "envoy_namespace", "type"],
)
CHANGES = Counter("laneway_router_changes", "Changes seen in the cluster", ["kind"])
UNREADABLE = Counter(
    "laneway_router_unreadable", "Objects that could not be read; the log names them", ["kind"]
)

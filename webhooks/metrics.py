"""What the receiver counts, for Prometheus."""

from __future__ import annotations

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
SHARED = "PROMETHEUS_MULTIPROC_DIR"  # prometheus-client's: where several processes' values meet

DELIVERIES = Counter("laneway_deliveries", "Deliveries by what became of them", ["forge", "event", "result"])
ENQUEUE_SECONDS = Histogram(
    "laneway_enqueue_seconds",
    "Time until Redis had a delivery's jobs",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
CHAIN_FILES_WRONG = Gauge(
    "laneway_chain_files_wrong",
    "1 while a chain file is refused and the last good one is in use",
    multiprocess_mode="livemax",
)


def exposition() -> bytes:
    """All values, of every process of this receiver, in Prometheus' text format."""
    if SHARED not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)

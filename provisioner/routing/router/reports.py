"""Envoys tell which endpoints had requests: the load reporting service of their own protocol.

Envoy counts per endpoint whether anybody asks or not, so a request costs the same, and one without a lane
nothing more. A report names the endpoints that were used since the last one, or that have a request open, as
a WebSocket; so it grows with what is used, not with how often.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
from envoy.service.load_stats.v3 import lrs_pb2, lrs_pb2_grpc
from google.protobuf import duration_pb2

from provisioner.routing.router.activity import Activity
from provisioner.routing.router.discovery import node_of


class Reports(lrs_pb2_grpc.LoadReportingServiceServicer):
    """Has each Envoy report every `seconds`."""

    def __init__(self, activity: Activity, seconds: float) -> None:
        self._activity, self._seconds = activity, seconds

    async def StreamLoadStats(
        self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        node = await node_of(await anext(aiter(requests)), context)
        yield _order(self._seconds)
        async for report in requests:
            self._activity.report(node.chain, used(report))


def _order(seconds: float) -> Any:
    interval = duration_pb2.Duration()
    interval.FromMilliseconds(round(seconds * 1000))
    return lrs_pb2.LoadStatsResponse(
        send_all_clusters=True, report_endpoint_granularity=True, load_reporting_interval=interval
    )


def used(report: Any) -> Iterator[str]:
    """The addresses of the pods that a LoadStatsRequest tells of."""
    for cluster in report.cluster_stats:
        for locality in cluster.upstream_locality_stats:
            for endpoint in locality.upstream_endpoint_stats:
                if endpoint.address.HasField("socket_address"):
                    yield endpoint.address.socket_address.address

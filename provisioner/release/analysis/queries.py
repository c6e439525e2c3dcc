"""Which PromQL measures a metric: the user's own, or for the built-in ones what the mesh counts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from provisioner import durations, names
from provisioner.chain.model import Chain, Driver, WorkloadRef
from provisioner.chain.strategy import LATENCY, Metric
from provisioner.release.model import Release

# What of a gRPC call is the server's own failure: unknown, deadline exceeded, unimplemented, internal,
# unavailable, data loss. https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
FAILED_CALLS = "2|4|12|13|14|15"
_PLACEHOLDER = re.compile(r"\{(chain|lane|namespace|window)\}")


@dataclass(frozen=True)
class Asked:
    """The queries of one metric: its value in the lane and at the baseline, and how many requests are behind
    each. Empty: not asked."""

    lane: str
    baseline: str = ""
    requests: str = ""
    compared: str = ""

    def __iter__(self) -> Iterator[str]:
        return (one for one in (self.lane, self.baseline, self.requests, self.compared) if one)


def asked(metric: Metric, release: Release, chain: Chain, window: timedelta) -> Asked | None:
    """What Prometheus is asked for a metric; None where it cannot know a built-in one."""
    if metric.query:
        values = _values(release, chain, window)
        return Asked(filled(metric.query, values), filled(metric.baseline, values))
    return _istio(metric, release, chain, window) if chain.driver is Driver.ISTIO else None


def filled(query: str, values: dict[str, str]) -> str:
    """The query with its placeholders put in; every other brace is PromQL's."""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], query)


def _values(release: Release, chain: Chain, window: timedelta) -> dict[str, str]:
    return {
        "chain": chain.name,
        "lane": release.name,
        "namespace": _namespace(release, chain),
        "window": durations.format(window),
    }


def _namespace(release: Release, chain: Chain) -> str:
    """That of the entry; where the chain names none, of the first service that is released."""
    first = chain.entry.service or next((change.service for change in release.changes), "")
    return next((one.namespace for one in chain.services if one.name == first), chain.namespaces[0])


# --- what Istio counts: https://istio.io/latest/docs/reference/config/metrics/ ------------------------------


def _istio(metric: Metric, release: Release, chain: Chain, window: timedelta) -> Asked:
    """Of the released services alone, since only those have two versions, as their own proxies count."""
    changed = {change.service for change in release.changes}
    released = [one for one in chain.services if one.name in changed]
    spaces, period = {one.namespace for one in released}, durations.format(window)
    lane = _series({_copy(one.workload, release.name) for one in released}, spaces)
    baseline = _series({one.workload.name for one in released}, spaces)
    return Asked(
        _value(metric, lane, period),
        _value(metric, baseline, period),
        _increase(lane, period),
        _increase(baseline, period),
    )


def _copy(workload: WorkloadRef, lane: str) -> str:
    """What a workload's copy in the lane is called."""
    limit = names.STATEFULSET_LIMIT if workload.kind == "StatefulSet" else names.LABEL_LIMIT
    return names.derived(workload.name, lane, limit)


def _series(workloads: Iterable[str], namespaces: Iterable[str]) -> str:
    return (
        f'reporter=~"destination|waypoint",destination_workload=~"{_any(workloads)}"'
        f',destination_workload_namespace=~"{_any(namespaces)}"'
    )


def _any(some: Iterable[str]) -> str:
    """The regular expression of these names; of what names consist of, only a dot means something there."""
    return "|".join(sorted(some)).replace(".", "[.]")


def _value(metric: Metric, series: str, period: str) -> str:
    if metric.name == LATENCY:
        counted = f"sum by (le) (rate(istio_request_duration_milliseconds_bucket{{{series}}}[{period}]))"
        return f"histogram_quantile({metric.quantile}, {counted}) / 1000"
    good = f'{series},response_code!~"5..|0",grpc_response_status!~"{FAILED_CALLS}"'
    part = f"sum(rate(istio_requests_total{{{good}}}[{period}])) or vector(0)"
    return f"({part}) / sum(rate(istio_requests_total{{{series}}}[{period}]))"


def _increase(series: str, period: str) -> str:
    return f"sum(increase(istio_requests_total{{{series}}}[{period}]))"

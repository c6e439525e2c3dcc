"""Which PromQL measures a metric: the user's own, or for the built-in ones what the mesh counts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from provisioner import durations, names
from provisioner.chain.model import Chain, Driver
from provisioner.chain.strategy import LATENCY, Metric
from provisioner.release.model import Release

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
    released = {change.service for change in release.changes}
    workloads = [one.workload.name for one in chain.services if one.name in released]
    spaces = {one.namespace for one in chain.services if one.name in released}
    period = durations.format(window)
    lane = _istio_series((names.derived(one, release.name) for one in workloads), spaces)
    baseline = _istio_series(workloads, spaces)
    return Asked(
        _istio_value(metric, lane, period),
        _istio_value(metric, baseline, period),
        _increase(lane, period),
        _increase(baseline, period),
    )


def _istio_series(workloads: Iterable[str], namespaces: Iterable[str]) -> str:
    names_, spaces = "|".join(sorted(workloads)), "|".join(sorted(namespaces))
    return (
        'reporter=~"destination|waypoint"'
        f',destination_workload=~"{names_}",destination_workload_namespace=~"{spaces}"'
    )


def _istio_value(metric: Metric, series: str, period: str) -> str:
    if metric.name == LATENCY:
        counted = f"sum by (le) (rate(istio_request_duration_milliseconds_bucket{{{series}}}[{period}]))"
        return f"histogram_quantile({metric.quantile}, {counted}) / 1000"
    good = f'sum(rate(istio_requests_total{{{series},response_code!~"5..|0"}}[{period}])) or vector(0)'
    return f"({good}) / sum(rate(istio_requests_total{{{series}}}[{period}]))"


def _increase(series: str, period: str) -> str:
    return f"sum(increase(istio_requests_total{{{series}}}[{period}]))"

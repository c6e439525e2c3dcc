"""Takes one measurement of a release: asks Prometheus and the Envoys at the entry at once, within a time."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import httpx

from provisioner.chain.model import Chain
from provisioner.chain.strategy import LATENCY, Analysis, Metric
from provisioner.cluster import Cluster
from provisioner.errors import LanewayError
from provisioner.release.analysis import counters, counting, parallel, prometheus, queries
from provisioner.release.analysis.counters import Envoy, Failure
from provisioner.release.analysis.counting import BASELINE, RELEASE, Book, Reading
from provisioner.release.analysis.judging import Sample
from provisioner.release.analysis.memory import Memory
from provisioner.release.analysis.prometheus import Answer
from provisioner.release.analysis.queries import Asked
from provisioner.release.model import Release

SECONDS = 3.0  # for everything that is asked, in all

Said = Answer | Reading | Failure | None


@dataclass(frozen=True)
class Taken:
    """A sample of each metric, and the counters' book with the new readings; `trouble` says why that has
    none, empty where it has."""

    samples: Mapping[str, Sample]
    book: Book
    trouble: str


def take(
    release: Release, chain: Chain, analysis: Analysis, cluster: Cluster, memory: Memory, now: datetime
) -> Taken:
    """Never raises for what is down: that is in the samples."""
    asked = {one: queries.asked(one, release, chain, analysis.window) for one in analysis.metrics}
    envoys, trouble = _envoys(cluster, chain)
    said = _ask(_url(chain), asked.values(), envoys, chain.entry.service)
    read = [one for one in said.values() if isinstance(one, Reading)]
    failures = [one.message for one in said.values() if isinstance(one, Failure)]
    present = [one.uid for one in envoys]
    book = counting.recall(memory.counters)
    book = book.entered(read, present, now, analysis.window) if read else book
    trouble = trouble or ("" if read else "; ".join(failures[:1]))
    samples = {
        metric.name: _answered(found, said) if found else counted(metric, book, trouble)
        for metric, found in asked.items()
    }
    return Taken(samples, book, trouble)


def counted(metric: Metric, book: Book, trouble: str) -> Sample:
    """A built-in metric, by the Envoys' counters."""
    if trouble:
        return Sample(trouble=trouble)
    lane, baseline = book.counted(RELEASE), book.counted(BASELINE)
    if not book.slots:  # the first reading: what was before is the baseline's alone
        baseline = book.lifetime(BASELINE)
    values = [
        one.quantile(metric.quantile) if metric.name == LATENCY else one.success for one in (lane, baseline)
    ]
    return Sample(values[0], values[1], lane.total, baseline.total)


def _url(chain: Chain) -> str:
    """The Prometheus of the chain's file, whatever a Release says: who may write Releases is not thereby
    somebody who may have Laneway ask any address."""
    return chain.release.analysis.url if chain.release.analysis else ""


def _envoys(cluster: Cluster, chain: Chain) -> tuple[list[Envoy], str]:
    """The Envoys to be read, or why there are none."""
    try:
        found = counters.envoys(cluster, chain)
    except LanewayError as error:
        return [], f"the Envoys at the entry cannot be listed: {error}"
    return found, "" if found else (
        "no Envoy of Laneway's runs at the entry, so nobody counts its requests: see `laneway routes`, or "
        "give the metric a query"
    )


def _ask(
    url: str, asked: Iterable[Asked | None], envoys: Iterable[Envoy], service: str
) -> dict[object, Said]:
    until = time.monotonic() + SECONDS
    wanted = {query for one in asked if one for query in one}
    with_tls = ssl.create_default_context() if url.startswith("https:") else False
    client = httpx.Client(timeout=SECONDS, trust_env=False, verify=with_tls)
    try:
        calls: dict[object, Callable[[], Said]] = {
            **{query: partial(prometheus.ask, client, url, query, until) for query in wanted},
            **{one: partial(counters.read, client, one, service, until) for one in envoys},
        }
        found = parallel.answers(calls, SECONDS, None)
    finally:
        client.close()  # ends what is still on its way, too
    return {key: _late(key) if one is None else one for key, one in found.items()}


def _late(key: object) -> Said:
    if isinstance(key, Envoy):
        return key.silent("not in time")
    return Answer(
        trouble="Prometheus does not answer in time; see its load, and that its name can be resolved"
    )


def _answered(asked: Asked, said: Mapping[object, Said]) -> Sample:
    """The sample of a metric that Prometheus was asked for."""
    found = {query: one for query, one in said.items() if isinstance(one, Answer)}
    none = Answer()
    lane, baseline, requests, compared = (
        found.get(query, none) for query in (asked.lane, asked.baseline, asked.requests, asked.compared)
    )
    return Sample(
        lane.value,
        baseline.value,
        _count(requests) if asked.requests else None,
        _count(compared) if asked.compared else None,
        trouble=lane.trouble or requests.trouble,
        beside=baseline.trouble or compared.trouble,
    )


def _count(answer: Answer) -> float:
    """A number of requests; none where there is no data of any."""
    return answer.value if answer.value is not None and math.isfinite(answer.value) else 0.0

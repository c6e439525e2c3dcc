"""Reads what the Envoys at a chain's entry have counted of a release and of the baseline.

Each router pod of the entry's namespace serves its statistics at the port of its readiness. Which requests
are counted as which is decided by the route that they took there: `release` and `baseline` are the names of
its counters, and requests that name a lane themselves are in neither.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from provisioner.chain.model import Chain, Driver
from provisioner.cluster import Cluster
from provisioner.lane.model import moment
from provisioner.release.analysis.counting import INFINITE, SIDES, Counts, Reading
from provisioner.routing.router.deployment import marks

Json = dict[str, Any]

READY = "ready"  # the name of the port in a router's pod
PATH = "/stats/prometheus"
MOST_BYTES = 2**22
_COUNTED = "envoy_vhost_route_upstream_rq"


@dataclass(frozen=True)
class Failure:
    """Why an Envoy could not be read, for people."""

    message: str


@dataclass(frozen=True)
class Envoy:
    """A router pod that runs: where its statistics are, and since when its Envoy counts."""

    uid: str
    name: str
    started: datetime
    url: str

    def silent(self, why: str) -> Failure:
        return Failure(
            f"{self.name} does not tell its counters ({why}); see that it is ready and that no NetworkPolicy "
            f"keeps Laneway's workers from {self.url}: `laneway attach` writes one that lets them in"
        )


def envoys(cluster: Cluster, chain: Chain) -> list[Envoy]:
    """Those at the chain's entry; none where it is entered through a mesh's own gateway. LanewayError where
    the cluster does not answer."""
    if chain.driver is not Driver.ENVOY:
        return []
    selector = ",".join(f"{key}={value}" for key, value in sorted(marks(chain.name).items()))
    pods = (pod for space in _spaces(chain) for pod in cluster.list("Pod", space, labels=selector))
    return [found for pod in pods if (found := _running(pod))]


def read(client: httpx.Client, envoy: Envoy, service: str, until: float) -> Reading | Failure:
    """What it has counted at the entry `service`; empty: at whichever services it has."""
    left = max(0.1, until - time.monotonic())
    try:
        with client.stream(
            "GET", envoy.url, params={"filter": r"^vhost\..*\.route\."}, timeout=left
        ) as answer:
            text = _body(answer, until)
    except (httpx.HTTPError, OSError) as error:
        return envoy.silent(str(error) or type(error).__name__)
    if answer.status_code != httpx.codes.OK:
        return envoy.silent(f"HTTP {answer.status_code}")
    return understood(envoy, text, service)


def understood(envoy: Envoy, text: str, service: str) -> Reading | Failure:
    """What its statistics say."""
    try:
        return Reading(envoy.uid, envoy.started, counted(text, service))
    except (ValueError, LookupError, TypeError) as error:  # the parser's, of a page that is none
        return envoy.silent(f"they cannot be read: {type(error).__name__} {error}")


def counted(text: str, service: str = "") -> dict[str, Counts]:
    """Both sides' counts from Envoy's statistics in Prometheus' text format. ValueError where it is none."""
    samples = [
        one
        for family in text_string_to_metric_families(text)
        if family.name.startswith(_COUNTED)
        for one in family.samples
        if service in ("", one.labels.get("envoy_virtual_host"))
    ]
    return {side: _side([one for one in samples if one.labels.get("envoy_route") == side]) for side in SIDES}


def _side(samples: Iterable[Any]) -> Counts:
    total = failed = 0.0
    cumulative: dict[float, float] = {}
    for one in samples:
        if not 0 <= one.value < INFINITE:
            raise ValueError(f"{one.name} is {one.value}, which counts nothing")
        if one.name == f"{_COUNTED}_xx_total":  # the parser names counters so, whatever they are called
            total += one.value
            failed += one.value if one.labels.get("envoy_response_code_class") == "5" else 0.0
        elif one.name == f"{_COUNTED}_time_bucket":
            bound = float(one.labels["le"]) / 1000
            cumulative[bound] = cumulative.get(bound, 0.0) + one.value
    return Counts(total, failed, _apart(cumulative))


def _apart(cumulative: dict[float, float]) -> dict[float, float]:
    """How many lie in each bucket alone, without the empty ones."""
    found, before = {}, 0.0
    for bound, count in sorted(cumulative.items()):
        found[bound], before = count - before, count
    return {bound: count for bound, count in found.items() if count}


def _spaces(chain: Chain) -> tuple[str, ...]:
    entry = chain.entry.service
    return (chain.service(entry).namespace,) if entry else chain.namespaces


def _running(pod: Json) -> Envoy | None:
    """An Envoy that can be asked; None for a pod without an address or whose container does not run."""
    status = pod.get("status") or {}
    ports = {
        port.get("name"): port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports") or ()
    }
    states = (one.get("state") or {} for one in status.get("containerStatuses") or ())
    started = next((one["running"]["startedAt"] for one in states if "running" in one), None)
    if not status.get("podIP") or READY not in ports or not started:
        return None
    host = f"[{status['podIP']}]" if ":" in status["podIP"] else status["podIP"]
    meta = pod["metadata"]
    return Envoy(meta["uid"], meta["name"], moment(started), f"http://{host}:{ports[READY]}{PATH}")


def _body(answer: httpx.Response, until: float) -> str:
    read = b""
    for part in answer.iter_bytes():
        read += part
        if time.monotonic() > until or len(read) > MOST_BYTES:
            raise httpx.ReadTimeout("its answer is too long")
    return read.decode(errors="replace")

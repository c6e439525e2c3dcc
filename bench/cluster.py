"""Laneway on a real cluster: `python -m bench cluster --cluster CONTEXT`, never on the current context.

From a delivery to a lane's Ready, less what its pods took to start; what a request through the router waits
longer than at the same pods without it; processor and memory of each process with 0, 10 and 100 lanes;
requests that failed while the chain was attached, while each process was restarted, and while the chain was
detached. Everything is made for the run and removed after it. About ten minutes.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import cluster_site, cluster_usage
from bench.cluster_release import RELEASE, SYSTEM
from bench.cluster_site import NAMESPACE, PORT, Forge, Site
from devcluster.dev.cluster import context
from devcluster.dev.cluster.installation import PROCESSES
from provisioner import labels
from provisioner.cluster import Cluster, connect
from provisioner.errors import LanewayError
from tests.support.waiting import until

Json = dict[str, Any]
Row = dict[str, Any]

FIRST, ALL = 10, 100  # lanes
ROUNDS = 3000
PATIENCE = 600.0  # seconds until a hundred lanes are ready, on a machine that is busy
THROUGH, DIRECT = f"echo.{NAMESPACE}:{PORT}", f"direct.{NAMESPACE}:{PORT}"


def run(name: str) -> list[Row]:
    """The figures of the cluster that the context of this name leads to."""
    with tempfile.TemporaryDirectory(prefix="laneway-bench-") as folder:
        chosen = context.choose(name, Path(folder))
        site = Site(chosen, Path(folder))
        try:
            site.up()
            with site.reached() as forge:
                return list(_told(_measured(site, forge, connect(str(chosen.kubeconfig)))))
        finally:
            site.down()


def _told(rows: Iterator[Row]) -> Iterator[Row]:
    """Says each figure when it is known: all of them take minutes."""
    for row in rows:
        print(f"{row['value']:>12,g} {row['unit']:<12} {row['figure']}", file=sys.stderr)
        yield row


def _measured(site: Site, forge: Forge, cluster: Cluster) -> Iterator[Row]:
    with site.watched([THROUGH]) as seen:
        site.release.job("attach", "attach")
    yield from failed("attaching", seen)
    yield from latencies(site)
    yield from cluster_usage.rows(site, 0)
    names = [f"pr-{number}" for number in range(1, ALL + 1)]
    forge.branches(names)
    yield from deliveries(forge, cluster, names[:FIRST])
    yield from cluster_usage.rows(site, FIRST)
    yield crowd(forge, cluster, names[FIRST:])
    yield from cluster_usage.rows(site, ALL)
    tagged = f"{THROUGH}@{names[0]}"
    for process in PROCESSES:
        with site.watched([THROUGH, tagged]) as seen:
            site.restart(f"{RELEASE}-{process}", SYSTEM)
        yield from failed(f"a rolling restart of {process}", seen)
    with site.watched([THROUGH, tagged]) as seen:
        site.restart(cluster_site.envoys(), NAMESPACE)
    yield from failed("a rolling restart of the Envoys", seen)
    with site.watched([THROUGH]) as seen:
        site.release.job("detach", "detach")
    yield from failed("detaching", seen)


def failed(during: str, seen: Mapping[str, int]) -> Iterator[Row]:
    """Requests that were not answered 200, of all that were sent meanwhile."""
    wrong = sum(count for outcome, count in seen.items() if outcome != "ok")
    row = figure(f"requests that failed while {during}", wrong, "requests", target=0, ok=wrong == 0)
    yield {**row, "of": sum(seen.values()), "outcomes": dict(seen)}


def latencies(site: Site) -> Iterator[Row]:
    """What one hop of the router adds; an untagged request, and one of a lane whose baseline answers."""
    tagged = f"{THROUGH}@nobody"
    waits = site.latency(ROUNDS, [DIRECT, THROUGH, tagged])
    for share, name in ((0.50, "p50"), (0.99, "p99")):
        direct = quantile(waits[DIRECT], share)
        yield figure(f"a request without the router, {name}", direct * 1e3, "ms")
        for address, what in ((THROUGH, "untagged"), (tagged, "of a lane")):
            extra = (quantile(waits[address], share) - direct) * 1e3
            yield figure(f"the router adds, {what}, {name}", extra, "ms")


def deliveries(forge: Forge, cluster: Cluster, names: Sequence[str]) -> Iterator[Row]:
    """One lane after the other, from the delivery to Ready."""
    found = [_delivery(forge, cluster, number, name) for number, name in enumerate(names, 1)]
    own = [before + after for before, _, after in found]
    yield figure("delivery to Ready", statistics.median(map(sum, found)), "s")
    yield figure("delivery to Ready, less the pods' own start", statistics.median(own), "s", target="< 2")
    yield figure("of it, delivery to the pod", statistics.median(before for before, _, _ in found), "s")
    yield figure("of it, the pod's readiness to Ready", statistics.median(after for *_, after in found), "s")
    yield figure("the same, the slowest", max(own), "s")


def _delivery(forge: Forge, cluster: Cluster, number: int, name: str) -> tuple[float, float, float]:
    """Seconds from the delivery to the lane's pod, to its readiness, and to the lane's Ready."""
    with watching(cluster) as moments:
        began = time.monotonic()
        forge.open(number, name)
        until(lambda: name in moments.ready and name in moments.started, f"{name} is Ready", PATIENCE)
    created, started = moments.created[name], moments.started[name]
    return created - began, started - created, max(0.0, moments.ready[name] - started)


def crowd(forge: Forge, cluster: Cluster, names: Sequence[str]) -> Row:
    """All at once."""
    with watching(cluster) as moments:
        began = time.monotonic()
        for number, name in enumerate(names, FIRST + 1):
            forge.open(number, name)
        until(lambda: set(names) <= set(moments.ready), "all are Ready", PATIENCE)
        took = max(moments.ready.values()) - began
    return figure(f"{len(names)} deliveries at once, until all are Ready", took, "s")


@dataclass
class Moments:
    """When each lane's pod was seen first, and seen ready, and the lane Ready; by the monotonic clock."""

    created: dict[str, float] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)
    ready: dict[str, float] = field(default_factory=dict)

    def pod(self, pod: Json) -> None:
        name = pod["metadata"].get("labels", {}).get(labels.LANE, "")
        self.created.setdefault(name, time.monotonic())
        if _is_true(pod, "Ready"):
            self.started.setdefault(name, time.monotonic())

    def lane(self, lane: Json) -> None:
        if lane.get("status", {}).get("phase") == "Ready":
            self.ready.setdefault(lane["spec"]["lane"], time.monotonic())


@contextmanager
def watching(cluster: Cluster) -> Iterator[Moments]:
    """What happens to lanes and their pods from now on, as the API server tells it."""
    moments = Moments()
    over = threading.Event()
    ours = f"{labels.CHAIN}={cluster_site.CHAIN}"
    watches = (("Pod", NAMESPACE, f"{ours},{labels.LANE}", moments.pod), ("Lane", "", ours, moments.lane))

    def follow(kind: str, namespace: str, selected: str, take: Callable[[Json], None]) -> None:
        while not over.is_set():
            try:
                found, since = cluster.snapshot(kind, namespace, selected)
                for one in found:
                    take(one)
                for event, one in cluster.watch(kind, namespace, selected, since):
                    if event in ("ADDED", "MODIFIED"):
                        take(one)
                    if over.is_set():
                        return
            except LanewayError as error:  # somebody changes the definition of Lanes, or the server is busy
                print(f"watching {kind}s again: {error}", file=sys.stderr)

    for kind, namespace, selected, take in watches:
        threading.Thread(target=follow, args=(kind, namespace, selected, take), daemon=True).start()
    try:
        yield moments
    finally:
        over.set()


def figure(name: str, value: float, unit: str, **more: object) -> Row:
    return {"figure": name, "value": round(value, 4), "unit": unit, **more}


def quantile(waits: Sequence[float], share: float) -> float:
    return waits[min(len(waits) - 1, int(share * len(waits)))]


def _is_true(obj: Json, condition: str) -> bool:
    found = obj.get("status", {}).get("conditions", [])
    return any(one["type"] == condition and one["status"] == "True" for one in found)

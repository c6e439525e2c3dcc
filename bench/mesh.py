"""Lanes in a mesh on a real cluster: `python -m bench mesh --cluster CONTEXT`, never on the current context.

For each driver that has a mesh under it, with 1, 100 and 1,000 lanes of one service, all with a copy of it:
what a request costs a stock Envoy that istiod tells its routes, as a sidecar; what is written when one lane
changes, in objects and bytes; and the time from the first write to the first request that goes another way.
The cluster needs istiod and the CRDs of Gateway API, and this machine must be its node. About six minutes.

Why a request costs more with more lanes, unlike with the built-in driver: both APIs become one list of routes
for each host, and Envoy tries a list from its top until one matches. A lane's request pays for every lane in
front of its own, one without a lane for all of them. At an inner hop that is one comparison of one header for
each lane. Where a chain in Istio is entered, each lane has a second route, by baggage, which asks that no
header names a lane; a request that has `baggage` is held against one expression for each lane there. The
built-in driver knows lanes by the metadata of endpoints, which Envoy finds by hash.

The lanes' pods are one Envoy that answers by itself, on the node.
"""

from __future__ import annotations

import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import structlog

from bench import mesh_site
from bench.envoy import best, least, row
from bench.envoy_load import Load, Target, first_answer, measure
from bench.mesh_site import ANSWERED_BY, BASELINE, COPY, Site
from bench.mesh_town import PORT, Application, Town, last_lane
from devcluster.dev.cluster import context
from devcluster.dev.cluster.context import Context
from provisioner.chain.model import Driver
from provisioner.routing.drivers import MESHES
from tests.support.mesh import Place
from tests.support.waiting import until

Row = dict[str, Any]

COUNTS = (1, 100, 1_000)  # lanes
ROUNDS = 24
LOAD = Load(0.2, connections=8, depth=16)
CHANGES = 10
PATIENCE = 60.0  # seconds for any one measurement


@dataclass(frozen=True)
class Case:
    """What is measured: a driver, at an inner hop or where the chain is entered."""

    driver: Driver
    entered: bool = False

    @property
    def name(self) -> str:
        return f"{self.driver.value}, {'the entry' if self.entered else 'an inner hop'}"

    @property
    def asked(self) -> tuple[str, ...]:
        """The kinds of requests."""
        by_baggage = ("last by baggage",) if self.entered else ()
        return ("first", "last", *by_baggage, "untagged")


CASES = (*map(Case, MESHES), Case(Driver.ISTIO, entered=True))


class Meter:
    """What rounds of load found at one sidecar with one kind of request."""

    def __init__(self, site: Site, asked: str) -> None:
        self._target = target(site, asked)
        self._threads = Path(f"/proc/{site.sidecar.process.pid}/task")
        self.rates: list[float] = []
        self.costs: list[float] = []  # Envoy's own processor time for a request, microseconds

    def round(self, pool: ProcessPoolExecutor) -> None:
        before = self._busy()
        found = pool.submit(measure, self._target, LOAD).result(PATIENCE)
        self.rates.append(found.rate)
        self.costs.append((self._busy() - before) / found.answers / 1e3)

    def _busy(self) -> int:
        """Nanoseconds, which the clock of processes does not count finely enough for a short round."""
        return sum(int((one / "schedstat").read_text().split()[0]) for one in self._threads.iterdir())


Meters = dict[str, dict[int, Meter]]  # by kind of request and number of lanes


def target(site: Site, asked: str) -> Target:
    """A kind of request, for the load's client."""
    first, last = site.town.lanes[0].name, site.town.lanes[-1].name
    host = site.sidecar.address
    if asked == "last by baggage":
        return Target(host, PORT, headers=f"baggage: user=7,preview-lane={last}\r\n")
    return Target(host, PORT, {"first": first, "last": last}.get(asked, ""))


def run(name: str) -> list[Row]:
    """The figures of the cluster that the context of this name leads to."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="laneway-bench-"))
        chosen = context.choose(name, Path(folder))
        pool = stack.enter_context(ProcessPoolExecutor(2, mp_context=get_context("spawn")))
        application = stack.enter_context(mesh_site.answering(Place(chosen, "").host))
        return [one for case in CASES for one in _told(_measured(case, chosen, pool, application))]


def _told(rows: Iterator[Row]) -> Iterator[Row]:
    """Says each figure when it is known: all of them take minutes."""
    for one in rows:
        print(f"{one['value']:>12,.5g} {one['unit']:<11} {one['figure']}", file=sys.stderr)
        yield one


def _measured(
    case: Case, chosen: Context, pool: ProcessPoolExecutor, application: Application
) -> Iterator[Row]:
    with ExitStack() as stack:
        sites = [stack.enter_context(_site(case, chosen, application, count)) for count in COUNTS]
        yield settled(case, sites)
        yield from costs(case, requests(case, sites, pool))
        for site in sites:
            yield from effects(case, site, pool)
    yield from written(case, application)


def _site(case: Case, chosen: Context, application: Application, count: int) -> AbstractContextManager[Site]:
    return mesh_site.standing(
        chosen, lambda namespace: Town(case.driver, namespace, count, application, case.entered)
    )


def settled(case: Case, sites: Sequence[Site]) -> Row:
    """How long istiod is at work on all that was written at once, seen by a change in each namespace: it also
    writes the status of every HTTPRoute, and hears of each."""
    began = time.monotonic()
    for site in reversed(sites):
        last = site.town.lanes[-1]
        site.unroute_last()
        site.wait_for(last, BASELINE)
        site.route_last()
        site.wait_for(last, COPY)
    count = sum(site.town.count for site in sites)
    figure = f"{case.name}: {count:,} lanes written at once: until istiod follows every change again"
    return row(figure, time.monotonic() - began, "s")


def requests(case: Case, sites: Sequence[Site], pool: ProcessPoolExecutor) -> Meters:
    """In turn, so that what else the machine does meets all alike."""
    meters = {asked: {one.town.count: Meter(one, asked) for one in sites} for asked in case.asked}
    order = [meter for by_count in meters.values() for meter in by_count.values()]
    for number in range(ROUNDS):
        first = number % len(order)
        for one in order[first:] + order[:first]:
            one.round(pool)
    return meters


def costs(case: Case, meters: Meters) -> Iterator[Row]:
    """Of each, the better quarter of its rounds; ratios are to one lane, with the same kind of request."""
    few, *more = COUNTS
    for asked, by_count in meters.items():
        what = f"{case.name}: {asked}"
        one = by_count[few]
        yield row(f"{what}: Envoy's processor time for a request with {few} lane", least(one.costs), "µs")
        yield row(f"{what}: requests/s with {few} lane", best(one.rates), "requests/s")
        for count in more:
            cost, rate = (
                least(by_count[count].costs) / least(one.costs),
                best(by_count[count].rates) / best(one.rates),
            )
            yield row(f"{what}: processor time with {count:,} lanes to that with {few}", cost, "x")
            yield row(f"{what}: throughput with {count:,} lanes to that with {few}", rate, "x")
    yield from slopes(case, meters)


def slopes(case: Case, meters: Meters) -> Iterator[Row]:
    """What one more lane costs, and why."""
    few, many = COUNTS[0], COUNTS[-1]
    for asked, why in (
        ("last", "Envoy tries a host's routes in order; a lane's is behind those of the lanes before it"),
        ("last by baggage", "in front of it Envoy matches one expression for each lane"),
        ("untagged", "what is for everybody is behind all lanes' routes"),
    ):
        if asked in meters:
            found = {count: least(meters[asked][count].costs) for count in (few, many)}
            each = (found[many] - found[few]) / (many - few) * 1e3
            yield row(f"{case.name}: {asked}: each further lane adds ({why})", each, "ns")


def effects(case: Case, site: Site, pool: ProcessPoolExecutor) -> Iterator[Row]:
    """From the first write to the first answer of somebody else, for the last lane's routes taken away and
    written again."""
    asked = target(site, "last")
    gone, back = [], []
    for _ in range(CHANGES):
        gone.append(_seconds(site.unroute_last, asked, BASELINE, pool))
        back.append(_seconds(site.route_last, asked, COPY, pool))
    for what, found in (("removed", gone), ("added", back)):
        figure = f"{case.name}: from write to effect, one of {site.town.count:,} lanes {what}"
        yield row(f"{figure}, median", statistics.median(found), "s")
        yield row(f"{figure}, longest of {CHANGES}", max(found), "s")


def _seconds(write: Callable[[], None], asked: Target, who: str, pool: ProcessPoolExecutor) -> float:
    """Asks every millisecond, from before the write on."""
    asking = pool.submit(first_answer, asked, f"{ANSWERED_BY}: {who}".encode(), PATIENCE)
    until(asking.running, "the client asks")
    began = time.monotonic()
    write()
    return asking.result(PATIENCE) - began


def written(case: Case, application: Application) -> Iterator[Row]:
    """What one lane's change writes when all are at one service, with the host that they share."""
    for count in COUNTS:
        found = last_lane(Town(case.driver, "shop", count, application, case.entered))
        what = f"{case.name}: written when one of {count:,} lanes changes"
        yield row(f"{what}: objects", found.objects, "")
        yield row(f"{what}: bytes", found.bytes, "B")

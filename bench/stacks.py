"""Whether stacked lanes cost more than others: pods that answer for four lanes beside such as answer for one.

Two real Envoys with 3,000 lanes each, asked in turn in one run. In one every lane has a pod of its own; in
the other three of four lanes have none, and are answered by the fourth, their parent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context

import structlog

from bench.envoy import (
    LANES,
    ROUNDS,
    Application,
    Json,
    Measurement,
    Row,
    answering,
    best,
    least,
    names,
    one_service,
    pod,
    row,
    served,
    started,
)
from tests.support.routing import Envoy, Store, endpoint_slice, lane, twin, wait_until

HEIGHT = 4  # lanes that one pod answers for
CHILD = "upon-the-last"
CHANGES = 15
LEAST, MOST = 0.95, 1.10


def run() -> list[Row]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(2, mp_context=get_context("spawn")))
        application = stack.enter_context(answering())
        alone, stacked = Store(), Store()
        alone.put(*one_service(application, names(LANES)))
        stacked.put(*stacks(application))
        envoys = [started(stack, (), max_lanes=LANES, store=one) for one in (alone, stacked)]
        wait_until(lambda: served(envoys[1].address, CHILD) == f"payment={names(LANES)[-1]}", 20, "the child")
        return [*requests(pool, envoys), *changes(application, (alone, stacked), envoys)]


def stacks(application: Application) -> Iterator[Json]:
    """A service with as many lanes, most of which inherit its copy; the last one's is the application."""
    last = names(LANES)[-1]
    yield from (twin("payment"), endpoint_slice("payment", [application.baseline]))
    for number, name in enumerate(names(LANES - HEIGHT)):
        root = names(LANES)[number - number % HEIGHT]
        if name == root:
            yield from (lane(name), pod("payment", name, number))
        else:
            yield lane(name, parent=root)
    yield from (lane(last), endpoint_slice("payment", [application.copy], last))
    yield from (lane(one, parent=last) for one in (CHILD, "other", "another"))


def requests(pool: ProcessPoolExecutor, envoys: list[Envoy]) -> Iterator[Row]:
    """What a request costs in a lane of its own and in one that inherits."""
    asked = (names(LANES)[-1], CHILD)
    own, lent = (
        Measurement(envoy.address, envoy.process.pid, name) for envoy, name in zip(envoys, asked, strict=True)
    )
    for number in range(ROUNDS):
        for one in (own, lent) if number % 2 else (lent, own):
            one.round(pool)
    throughput, cost = best(lent.rates) / best(own.rates), least(lent.costs) / least(own.costs)
    yield row(
        "throughput of stacked lanes to that of others", throughput, "x", ">= 0.95", throughput >= LEAST
    )
    yield row("Envoy's processor time for a request, stacked to others", cost, "x", "<= 1.10", cost <= MOST)


def changes(application: Application, stores: tuple[Store, Store], envoys: list[Envoy]) -> Iterator[Row]:
    """How long the loss of the last lane's copy takes to be routed, and its return."""
    last = names(LANES)[-1]
    copied = endpoint_slice("payment", [application.copy], last)
    for what, store, envoy, name in zip(
        ("others", "stacked lanes"), stores, envoys, (last, CHILD), strict=True
    ):
        waits = []
        for _ in range(CHANGES):
            store.delete(copied)
            waits.append(_seconds_until(envoy, name, "baseline"))
            store.put(copied)
            waits.append(_seconds_until(envoy, name, last))
        p95 = sorted(waits)[int(0.95 * len(waits))]
        yield row(f"a lost or regained copy is routed, {what}: p95", p95 * 1e3, "ms", "< 1000", p95 < 1)


def _seconds_until(envoy: Envoy, name: str, who: str) -> float:
    began = time.monotonic()
    wait_until(lambda: served(envoy.address, name) == f"payment={who}", 20, "the change")
    return time.monotonic() - began

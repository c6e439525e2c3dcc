"""The sweep as workers run it: its convergences go through the queue, its counts to Prometheus.

The convergences are put for later, so many a second, and not at once: ten thousand of them never stand before
a delivery, and one that a delivery brings about meanwhile takes the place of the sweep's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

from prometheus_client import Counter, Gauge

from provisioner.chain.model import Chain
from provisioner.sweep.retention import Action
from provisioner.sweep.sweep import Report, sweep
from provisioner.world import World
from workers import queue
from workers.queue import Queue

SECONDS = 900.0  # how long one sweep may go on writing

FINDINGS = Counter("laneway_sweep_findings", "What sweeps found and did", ["action", "reason"])
ORPHANS = Counter("laneway_orphans_found", "Objects found whose Lane was gone")
REMOVED = Counter("laneway_lanes_removed", "Lanes that sweeps ended", ["reason"])
BRAKE = Gauge(
    "laneway_sweep_brake", "1 while the last sweep of this process removed nothing, to be confirmed"
)
LOOKED = Gauge("laneway_sweep_lanes", "Lanes that the last sweep of this process looked at")


def run(
    chains: Iterable[Chain], world: World, jobs: Queue, *, dry_run: bool = False, confirm: bool = False
) -> Report:
    """One sweep. Raises HeldError when another one runs, QueueError when the queue does not answer, before
    anything is written."""
    if not dry_run:
        jobs.reachable()
    enqueue = paced(jobs, world.settings.sweep_rate)
    report = sweep(
        chains,
        world,
        dry_run=dry_run,
        confirm=confirm,
        enqueue=enqueue,
        advance=lambda chain, name: jobs.put(queue.release(chain, name)),
    )
    if not dry_run:
        count(report)
    return report


def paced(jobs: Queue, rate: float) -> Callable[[str, str], None]:
    """Puts convergences so that `rate` of them get due in a second."""
    numbers = itertools.count()

    def enqueue(chain: str, lane: str) -> None:
        jobs.later(queue.converge_again(chain, lane), next(numbers) / rate)

    return enqueue


def count(report: Report) -> None:
    """Adds a sweep to this process' metrics."""
    for (action, why), count in report.counts().items():
        FINDINGS.labels(action.value, why.value).inc(count)
        if action is Action.REMOVE_OBJECT:
            ORPHANS.inc(count)
        if action is Action.REMOVE_LANE:
            REMOVED.labels(why.value).inc(count)
    BRAKE.set(bool(report.brake))
    LOOKED.set(report.lanes)

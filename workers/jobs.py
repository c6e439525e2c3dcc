"""What the tasks do, as plain functions. No Celery here.

One lane converges in one job at a time. Whoever finds the lane's lock taken leaves a mark and goes; the
holder compares the marks when it has let the lock go and, if there is a new one, puts one more job. So any
number of events during a run cause exactly one more run, which sees the newest truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from provisioner.chain.book import ChainBook
from provisioner.chain.model import Chain
from provisioner.errors import LanewayError
from provisioner.events import ForgeEvent
from provisioner.lane.model import Lane
from provisioner.lane.record import Recorded
from provisioner.reconcile import Outcome
from provisioner.release import pushed, story
from provisioner.world import World
from workers import metrics, queue, sweeping
from workers.fence import Fence
from workers.locks import Locks
from workers.queue import Queue

log = structlog.get_logger()


class Record(Protocol):
    """`provisioner.lane.record.record`: folds an event into the cluster; the lanes that have to converge."""

    def __call__(self, event: ForgeEvent, chain: Chain, world: World) -> tuple[Recorded, ...]: ...


class Converge(Protocol):
    """`provisioner.reconcile.converge`: makes one lane what it should be."""

    def __call__(self, chain: Chain, name: str, world: World, written: Lane | None = None) -> Outcome: ...


class Advance(Protocol):
    """`provisioner.release.story.advance`: takes one release as far as it gets now."""

    def __call__(self, chain: Chain, name: str, world: World) -> story.Outcome: ...


@dataclass(frozen=True)
class Context:
    """What the jobs of one process share."""

    book: ChainBook
    queue: Queue
    locks: Locks
    world: Callable[[Fence], World]  # a world whose writes the fence lets through
    record: Record
    converge: Converge
    seconds: float  # how long a job may go on writing
    advance: Advance = story.advance


def deliver(data: Mapping[str, Any], chain_name: str, context: Context) -> None:
    """Makes one delivery durable in the cluster and has the lanes concerned converge. A push to the base
    branch may start a release."""
    chain = context.book.get(chain_name)
    event, world = ForgeEvent.from_json(dict(data)), context.world(Fence(context.seconds))
    if (started := pushed.begin(chain, event, world)) is not None:
        context.queue.put(queue.release(chain.name, started.name))
    for found in context.record(event, chain, world):
        if not _converged_at_once(found.written, context):
            context.queue.put(queue.converge(chain.name, found.lane))


def converge(chain_name: str, lane: str, context: Context, written: Lane | None = None) -> None:
    """One convergence of a lane, unless another job is at it. `written`: the Lane, if this job wrote it."""
    chain = context.book.get(chain_name)
    name = f"{chain.name}.{lane}"
    context.locks.mark(name)
    with context.locks.hold(name) as held:
        if held is None:
            _leave(chain, lane, context)
            return
        seen = context.locks.marked(name)
        fence = Fence(context.seconds, held.valid)
        try:
            _converge(chain, lane, context, context.world(fence), written)
        finally:
            held.release()
            if context.locks.marked(name) != seen:
                context.queue.put(queue.converge(chain.name, lane))


def sweep(context: Context) -> None:
    """One sweep over the lanes of all chains. Raises HeldError while another one runs, or died a short time
    ago: it is tried again then."""
    world = context.world(Fence(sweeping.SECONDS))
    sweeping.run(context.book.chains().values(), world, context.queue)


def _converged_at_once(written: Lane | None, context: Context) -> bool:
    """Whether a lane that begins or ends converged within the job that wrote it, which spares reading what is
    known; what comes between is better done in a job of its own, where several events make one run.
    Whatever is in the way is for such a job, too: the delivery is safe in the cluster by now."""
    if written is None or not (written.is_new or not written.wanted):
        return False
    try:
        converge(written.chain, written.name, context, written)
    except LanewayError as error:
        log.info("lane.later", lane=written.object_name, reason=error.reason, error=str(error))
        return False
    return True


def _converge(chain: Chain, lane: str, context: Context, world: World, written: Lane | None) -> None:
    again = queue.converge_again(chain.name, lane)
    # before the run, which does what is forgotten here; after it, it might be what a newer run has put
    context.queue.cancel(again.key)
    outcome = context.converge(chain, lane, world, written)
    for step, seconds in outcome.steps.items():
        metrics.STEP_SECONDS.labels(step).observe(seconds)
    if outcome.again is not None:
        context.queue.later(again, outcome.again)


def _leave(chain: Chain, lane: str, context: Context) -> None:
    """The holder of the lock will see the mark. Should it die first, its lock ends and this job is due."""
    metrics.LOCK_BUSY.inc()
    context.queue.later(queue.converge_again(chain.name, lane), context.locks.seconds)

"""A release's job: it takes one release as far as it gets now, one job at a time for each. No Celery here.

It is put whenever something changes that the release waits for (`beat`), and for the time at which the run
before said that it is worth looking again. Nothing is lost when a job is: the next one does what is left.
"""

from __future__ import annotations

import time

import structlog

from provisioner.chain.model import Chain
from provisioner.release import outbox, store
from provisioner.release.model import Phase, Release
from provisioner.release.story import Outcome
from provisioner.world import World
from workers import metrics, queue
from workers.fence import Fence
from workers.jobs import Context

BACK = (Phase.RESTORING, Phase.ROLLING_BACK)

log = structlog.get_logger()


def release(chain_name: str, name: str, context: Context) -> None:
    """One step of a release, unless another job is at it: that one puts another when it is through."""
    chain = context.book.get(chain_name)
    lock = f"release:{chain.name}.{name}"
    context.locks.mark(lock)
    with context.locks.hold(lock) as held:
        if held is None:
            metrics.LOCK_BUSY.inc()
            context.queue.later(queue.release_again(chain.name, name), context.locks.seconds)
            return
        seen = context.locks.marked(lock)
        try:
            _advance(chain, name, context, context.world(Fence(context.seconds, held.valid)))
        finally:
            held.release()
            if context.locks.marked(lock) != seen:
                context.queue.put(queue.release(chain.name, name))


def _advance(chain: Chain, name: str, context: Context, world: World) -> None:
    again = queue.release_again(chain.name, name)
    context.queue.cancel(again.key)  # before the run, which does what is forgotten here
    began = time.monotonic()
    outcome = context.advance(chain, name, world)
    if outcome.fell:
        metrics.RELEASE_ZERO.observe(time.monotonic() - began)
    _follow(chain, name, outcome, context, world)
    if outcome.again == 0:
        context.queue.put(queue.release(chain.name, name))
    elif outcome.again is not None:
        context.queue.later(again, outcome.again)


def _follow(chain: Chain, name: str, outcome: Outcome, context: Context, world: World) -> None:
    """What else has to happen, since this run wrote something."""
    if outcome.lane:
        context.queue.put(queue.converge(chain.name, name))
    if outcome.before is None or outcome.after is None:
        return
    if outbox.pending(outcome.after, chain.release.notify, world.now()):
        context.queue.put(queue.notify(chain.name, name))
    if _goes_back(outcome.after) and not _goes_back(outcome.before):
        metrics.RELEASE_ROLLBACKS.labels(chain.name, outcome.after.reason).inc()
    if outcome.ended:
        for other in store.every(world.cluster, chain.name):
            if not other.phase.over:
                context.queue.put(queue.release(chain.name, other.name))


def _goes_back(release: Release) -> bool:
    return release.phase in (*BACK, Phase.ROLLED_BACK)

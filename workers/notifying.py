"""The job that tells the listeners of a release what happened to it. No Celery here.

One job at a time tells a release's listeners, so that notices keep their order; one that finds another at it
comes back. What was not taken is told again later, by a job of its own.
"""

from __future__ import annotations

from provisioner.release import notices
from workers import metrics, queue
from workers.fence import Fence
from workers.jobs import Context

BUSY_SECONDS = 1.0  # until one that found another at it comes back


def notify(chain_name: str, name: str, context: Context) -> None:
    """Tells what is to be told of a release. ConfigError where there is no key to sign with."""
    chain = context.book.get(chain_name)
    again = queue.notify_again(chain.name, name)
    with context.locks.hold(f"{chain.name}.{name}/notices") as held:
        if held is None:
            context.queue.later(again, BUSY_SECONDS)
            return
        told = notices.tell(chain, name, context.world(Fence(context.seconds, held.valid)))
    metrics.RELEASE_NOTICES.labels("taken").inc(told.taken)
    metrics.RELEASE_NOTICES.labels("failed").inc(told.failed)
    if told.again is not None:
        context.queue.later(again, told.again)

"""Which chains an event concerns, and putting its jobs into the queue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from provisioner.chain.model import Chain
from provisioner.events import ForgeEvent
from workers import queue
from workers.queue import Queue


class Status(StrEnum):
    QUEUED = "queued"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    PONG = "pong"


@dataclass(frozen=True)
class Receipt:
    """What the forge is told."""

    delivery: str
    status: Status
    reason: str = ""
    chains: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        optional = {"reason": self.reason, "chains": list(self.chains)}
        return {"delivery": self.delivery, "status": self.status.value} | {
            key: value for key, value in optional.items() if value
        }


def concerned(chains: Iterable[Chain], event: ForgeEvent) -> tuple[str, ...]:
    """The names of the chains that list the event's repository, sorted."""
    return tuple(sorted(chain.name for chain in chains if chain.repository(event.repository)))


def dispatch(event: ForgeEvent, chains: Iterable[Chain], jobs: Queue) -> Receipt:
    """Queues one job for each chain that the event concerns.

    When it raises QueueError some chains may have their job: the forge's next try queues the others.
    """
    names = concerned(chains, event)
    if not names:
        reason = f"repository {event.repository} belongs to no chain"
        return Receipt(event.delivery, Status.IGNORED, reason)
    unique = f"{event.forge}/{event.delivery}"
    fresh = [name for name in names if jobs.put(queue.deliver(event.to_json(), unique, name))]
    if fresh:
        return Receipt(event.delivery, Status.QUEUED, chains=tuple(fresh))
    return Receipt(event.delivery, Status.DUPLICATE, "this delivery is queued, or was done a short time ago")

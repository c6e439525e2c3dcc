"""Which baseline a copy is derived from that does not follow it: the one that it notes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from provisioner import labels
from provisioner.copies import clone, live, refusals, template
from provisioner.copies.clone import Order

Json = dict[str, Any]


def noted(order: Order, owned: Iterable[Json], workloads: Iterable[Json]) -> Json | None:
    """The baseline workload that a copy of the lane notes, out of what the lane owns; None where there is
    none yet, or where another revision of it is wanted that is among `workloads`, the baseline of now.

    Raises RefusedError where somebody has changed the note.
    """
    for one in () if order.follows else owned:
        if live.service_of(one) != order.service.name or live.is_left_over(one, order.lane.uid):
            continue
        try:
            if (found := clone.derived_from(one)) is not None:
                return None if _is_outdated(order, found, workloads) else found
        except ValueError:
            refusals.refuse(
                order.service,
                f"the annotation {labels.DERIVED_FROM} of its copy is not as Laneway wrote it; "
                "remove the copy, and it is derived from the baseline of now",
            )
    return None


def _is_outdated(order: Order, noted: Json, workloads: Iterable[Json]) -> bool:
    if not order.revision or template.revision(order.service, noted) == order.revision:
        return False
    now = refusals.workload(order.service, workloads)
    return template.revision(order.service, now) == order.revision

"""What a lane's status says of its ancestors: the condition Inherits, and where one of them answers. Pure.

| reason | status | what is so |
|---|---|---|
| Inherits | True | the ancestors that are named answer for what the lane lacks |
| LineCut | True | so they do, but one further up is not asked: it is not open, one too many, or met already |
| ParentNotOpen | False | the baseline answers for what the lane lacks, since no ancestor can |

A lane without a parent has no such condition. Where an ancestor answers at a service, the service's `route`
is `parent`, and `from` says which. A run tells what was so when it read the ancestors; they change, and beat
has their children looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from provisioner.lane.family import Family
from provisioner.lane.model import Lane, Mode
from provisioner.status import conditions

Json = dict[str, Any]

INHERITS = "Inherits"
PARENT = "parent"  # the route of a service that an ancestor answers at
_LENT = frozenset(("lane", "waker"))  # the ancestor's own routes at what it can answer


def told(found: Json, lane: Lane, family: Family | None, now: datetime) -> Json:
    """A lane's status with its ancestors in it; None: a run ended before it had read them, and they are told
    as they were."""
    if family is None:
        known = conditions.before(lane, INHERITS)
        before = {"ancestors": lane.status["ancestors"]} if "ancestors" in lane.status else {}
        return found | before | {"conditions": [*found["conditions"], *([known] if known else [])]}
    services = found.get("services")
    if services is not None:
        found = found | {"services": [_service(one, lane.mode, family.ancestors) for one in services]}
    if not lane.parent:
        return found
    names = [one.name for one in family.ancestors]
    inherits = conditions.made(lane, now, INHERITS, *_judge(family))
    return found | {"conditions": [*found["conditions"], inherits], "ancestors": names}


def _service(one: Json, mode: Mode, ancestors: Sequence[Lane]) -> Json:
    own = {key: value for key, value in one.items() if key != "from"}
    if own.get("route") == PARENT:
        own["route"] = "baseline"
    if own.get("route") != "baseline" or mode is Mode.ALL:
        return own
    lender = next((above.name for above in ancestors if _lends(above, own["name"])), "")
    return own | {"route": PARENT, "from": lender} if lender else own


def _lends(above: Lane, service: str) -> bool:
    services = above.status.get("services") or ()
    return any(one["name"] == service and one.get("route") in _LENT for one in services)


def _judge(family: Family) -> tuple[bool, str, str]:
    """Whether any ancestor answers, reason and message."""
    names = ", then ".join(one.name for one in family.ancestors)
    if not names:
        return False, "ParentNotOpen", f"{family.cut}: the baseline answers for what the lane lacks"
    message = f"{names} answers for what the lane lacks, then the baseline"
    if family.cut:
        return True, "LineCut", f"{message}; {family.cut}, and is not asked"
    return True, INHERITS, message

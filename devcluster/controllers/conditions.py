"""Lists of conditions, as statuses have them. Pure but for the clock that dates a change."""

from __future__ import annotations

from devcluster.controllers.view import Object, now


def condition(conditions: list[Object], kind: str) -> Object | None:
    return next((c for c in conditions if c["type"] == kind), None)


def without(conditions: list[Object], kind: str) -> list[Object]:
    return [c for c in conditions if c["type"] != kind]


def with_condition(
    conditions: list[Object], kind: str, status: str, reason: str, message: str, *, touched: bool = False
) -> list[Object]:
    """The list with one condition set. Dates change with the status; `touched` renews the update's."""
    old = condition(conditions, kind)
    said = {"status": status, "reason": reason, "message": message}
    if old is not None and said.items() <= old.items() and not touched:
        return conditions
    moment = now()
    since = old["lastTransitionTime"] if old is not None and old["status"] == status else moment
    new = {"type": kind, **said, "lastUpdateTime": moment, "lastTransitionTime": since}
    if kind == "ReplicaFailure":
        del new["lastUpdateTime"]  # ReplicaSet conditions have none
    return [*without(conditions, kind), new]

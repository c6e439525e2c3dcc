"""Carries out a plan: writes and removes what it says, one service's refusal not holding up the others.

A copy is made whole or not at all: when the cluster refuses one object of a new copy (by RBAC, a quota, an
admission webhook), what this run has made for it goes again. A service that was refused the last time is
tried without effect first, so that a lasting refusal does not make and remove an object in every run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import structlog

from provisioner.cluster import Cluster
from provisioner.copies import live
from provisioner.copies.plan import Identity, Plan, Snapshot, Write, identity
from provisioner.copies.taking import applied
from provisioner.errors import LanewayError, PermanentError
from provisioner.lane.model import Lane
from provisioner.status.readiness import State

Json = dict[str, Any]

log = structlog.get_logger()


def carry_out(made: Plan, before: Snapshot, lane: Lane, cluster: Cluster) -> tuple[Plan, Snapshot]:
    """The plan with what it met on the way among its problems, and what the lane owns now.

    Raises PermanentError when something may not be removed, TemporaryError when it has to be tried again.
    """
    return _Carrier(made, before, lane, cluster).carry_out()


class _Carrier:
    def __init__(self, made: Plan, before: Snapshot, lane: Lane, cluster: Cluster) -> None:
        self._made, self._before, self._cluster = made, before, cluster
        self._live = {identity(one): one for one in before.owned}
        self._problems: dict[str, LanewayError] = dict(made.problems)
        self._refused_before = _refused(lane)

    def carry_out(self) -> tuple[Plan, Snapshot]:
        for name in self._refused_before:
            self._rehearse([write for write in self._made.writes if live.service_of(write.body) == name])
        for write in self._made.writes:
            if live.service_of(write.body) not in self._problems:
                self._write(write)
        self._remove()
        after = replace(self._before, owned=tuple(self._live.values()))
        return replace(self._made, problems=self._problems), after

    def _rehearse(self, writes: list[Write]) -> None:
        for write in writes:
            try:
                applied(write.body, write.live, self._cluster.rehearse)
            except PermanentError as error:
                self._problems[live.service_of(write.body)] = error

    def _write(self, write: Write) -> None:
        try:
            self._live[identity(write.body)] = applied(write.body, write.live, self._cluster.apply)
        except PermanentError as error:
            name = live.service_of(write.body)
            self._problems[name] = error
            self._retreat(name)

    def _retreat(self, service: str) -> None:
        """Removes what this run has made of a copy that was not there before."""
        if any(live.service_of(one) == service for one in self._before.owned):
            return
        for key, thing in list(self._live.items()):
            if live.service_of(thing) == service and self._undo(key, thing["metadata"]["uid"]):
                del self._live[key]

    def _undo(self, key: Identity, uid: str) -> bool:
        kind, namespace, name = key
        try:
            self._cluster.delete(kind, name, namespace, uid=uid)
        except PermanentError as error:
            # it may be made, but not removed: it goes with its Lane, and the status says what was refused
            log.warning("copy.half_made", kind=kind, namespace=namespace, name=name, error=str(error))
            return False
        return True

    def _remove(self) -> None:
        for one in self._made.removals:
            self._cluster.delete(
                one.kind, one.name, one.namespace, uid=one.uid, resource_version=one.resource_version
            )
            self._live.pop((one.kind, one.namespace, one.name), None)


def _refused(lane: Lane) -> frozenset[str]:
    """The services that had a problem when the lane was looked at last."""
    ordinary = {"", *State}
    services = lane.status.get("services") or ()
    return frozenset(one["name"] for one in services if one.get("state", "") not in ordinary)

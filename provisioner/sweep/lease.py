"""A Lease in the cluster that lets one process at a time do a thing, by whatever way it was started.

It ends by itself when its holder dies: `seconds` after the last renewal, by the clocks of both machines. It
spares double work only; what keeps two holders from harm is that every write is conditional.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from provisioner.cluster import Cluster
from provisioner.errors import ConflictError, TemporaryError
from provisioner.lane.model import moment, stamp

Json = dict[str, Any]


class HeldError(TemporaryError):
    """Somebody else holds the Lease."""

    reason = "Held"


@dataclass(frozen=True)
class Place:
    """Which Lease, and for how many seconds a renewal holds it."""

    namespace: str
    name: str
    seconds: int = 60

    def __str__(self) -> str:
        return f"Lease {self.namespace}/{self.name}"


@dataclass
class Held:
    """A Lease that this process holds. `renew` it along the work."""

    cluster: Cluster
    place: Place
    now: Callable[[], datetime]
    holder: str
    found: Json = field(default_factory=dict)

    def renew(self) -> None:
        """Keeps it; a request only when a third of its time is over. ConflictError when it was lost."""
        if self.now() - moment(self.found["spec"]["renewTime"]) >= timedelta(seconds=self.place.seconds / 3):
            spec = {**self.found["spec"], "renewTime": stamp(self.now())}
            self.found = self.cluster.replace({**self.found, "spec": spec})

    def release(self) -> None:
        """Gives it back, unless it was lost."""
        spec = {**self.found["spec"], "holderIdentity": ""}
        try:
            self.cluster.replace({**self.found, "spec": spec})
        except ConflictError as error:
            raise ConflictError("somebody else took it over meanwhile", where=str(self.place)) from error


@contextmanager
def hold(cluster: Cluster, place: Place, now: Callable[[], datetime]) -> Iterator[Held]:
    """Holds the Lease for the time of the block. Raises HeldError, which says by whom and since when."""
    held = take(cluster, place, now)
    try:
        yield held
    finally:
        held.release()


def take(cluster: Cluster, place: Place, now: Callable[[], datetime]) -> Held:
    """As `hold`, for a holder that gives it back itself."""
    held = Held(cluster, place, now, _identity())
    held.found = _take(held)
    return held


def _take(held: Held) -> Json:
    place, now = held.place, held.now()
    found = held.cluster.get("Lease", place.name, place.namespace)
    spec = (found or {}).get("spec") or {}
    left = _left(spec, now)
    if spec.get("holderIdentity") and left > 0:
        raise HeldError(
            f"{spec['holderIdentity']} has held it since {spec.get('acquireTime', '?')}; "
            f"wait for its end, or {left:.0f} s if it died",
            where=str(place),
            retry_after=left,
        )
    wanted = {
        "holderIdentity": held.holder,
        "leaseDurationSeconds": place.seconds,
        "acquireTime": stamp(now),
        "renewTime": stamp(now),
    }
    try:
        return held.cluster.create(_new(place, wanted)) if found is None else _replaced(held, found, wanted)
    except ConflictError as error:
        raise HeldError("somebody else took it at this moment", where=str(place)) from error


def _left(spec: Json, now: datetime) -> float:
    """For how many seconds the last renewal still holds it."""
    renewed = spec.get("renewTime")
    if not renewed:
        return 0.0
    return float(spec.get("leaseDurationSeconds") or 0) - (now - moment(renewed)).total_seconds()


def _replaced(held: Held, found: Json, spec: Json) -> Json:
    return held.cluster.replace({**found, "spec": spec})


def _new(place: Place, spec: Json) -> Json:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": place.name, "namespace": place.namespace},
        "spec": spec,
    }


def _identity() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"

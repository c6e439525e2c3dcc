"""A Lease in the cluster that lets one process at a time do a thing, by whatever way it was started.

It ends by itself when its holder dies: `seconds` after the last renewal, by the clocks of both machines. A
renewal that lies ahead of the clock of whoever wants the Lease tells nothing: it is dated back to now, so
that a holder that died with a wrong clock is waited for no longer than any other; one that lives does not
mind. It spares double work only; what keeps two holders from harm is that every write is conditional.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from provisioner.cluster import Cluster, NotFoundError
from provisioner.errors import ConflictError, TemporaryError
from provisioner.lane.model import moment, stamp

Json = dict[str, Any]

AHEAD = 2  # a renewal that would hold for so many times its length comes from a clock that is wrong


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
    """A Lease that this process holds. `renew` it along the work. `clock` gives monotonic seconds."""

    cluster: Cluster
    place: Place
    now: Callable[[], datetime]
    holder: str
    clock: Callable[[], float] = time.monotonic
    found: Json = field(default_factory=dict)
    renewed: float = 0.0  # by `clock`

    def begin(self, found: Json) -> None:
        """Notes that it was taken, as the cluster has it."""
        self.found, self.renewed = found, self.clock()

    def renew(self) -> None:
        """Keeps it; a request only when a third of its time is over. ConflictError when it was lost."""
        if self.clock() - self.renewed >= self.place.seconds / 3:
            self.begin(self._change(renewTime=stamp(self.now())))

    def release(self) -> None:
        """Gives it back. ConflictError when it was lost."""
        self._change(holderIdentity="")

    def _change(self, **fields: str) -> Json:
        """Writes over what was there when it was taken, or what those who wait made of that."""
        try:
            return self._replaced(self.found, fields)
        except (ConflictError, NotFoundError) as error:
            now = self.cluster.get("Lease", self.place.name, self.place.namespace)
            if now is None or _spec(now).get("holderIdentity") != self.holder:
                raise ConflictError("somebody else took it over meanwhile", where=str(self.place)) from error
            return self._replaced(now, fields)

    def _replaced(self, found: Json, fields: dict[str, str]) -> Json:
        return self.cluster.replace({**found, "spec": {**found["spec"], **fields}})


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
    held.begin(_take(held))
    return held


def _take(held: Held) -> Json:
    place, now = held.place, held.now()
    found = held.cluster.get("Lease", place.name, place.namespace)
    if found is not None and _left(_spec(found), now) > 0:
        raise _refusal(held, found, now)
    wanted = {
        "holderIdentity": held.holder,
        "leaseDurationSeconds": place.seconds,
        "acquireTime": stamp(now),
        "renewTime": stamp(now),
    }
    try:
        if found is None:
            return held.cluster.create(_new(place, wanted))
        return held.cluster.replace({**found, "spec": wanted})
    except ConflictError as error:
        raise HeldError("somebody else took it at this moment", where=str(place)) from error


def _refusal(held: Held, found: Json, now: datetime) -> HeldError:
    """That somebody has it, and for how long at most if that one died. Dates a renewal back that is ahead of
    our clock by more than clocks differ."""
    spec, place = _spec(found), held.place
    left, lasts = _left(spec, now), _lasts(spec)
    if left > AHEAD * lasts:
        left = lasts
        try:
            held.cluster.replace({**found, "spec": {**spec, "renewTime": stamp(now)}})
        except (ConflictError, NotFoundError):  # its holder lives, or somebody else has done it
            pass
    return HeldError(
        f"{spec['holderIdentity']} has held it since {spec.get('acquireTime', '?')}; "
        f"wait for its end, or {left:.0f} s if it died",
        where=str(place),
        retry_after=left,
    )


def _left(spec: Json, now: datetime) -> float:
    """For how many seconds the last renewal still holds it."""
    renewed = spec.get("renewTime")
    if not renewed or not spec.get("holderIdentity"):
        return 0.0
    return _lasts(spec) - (now - moment(renewed)).total_seconds()


def _lasts(spec: Json) -> float:
    return float(spec.get("leaseDurationSeconds") or 0)


def _spec(found: Json) -> Json:
    return found.get("spec") or {}


def _new(place: Place, spec: Json) -> Json:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": place.name, "namespace": place.namespace},
        "spec": spec,
    }


def _identity() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"

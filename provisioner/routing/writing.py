"""Writes the routes of one lane: what differs from what the cluster has.

In order: what is new or changed, then what is shared, then what goes. So a route never leads to something
that is gone, and an object that others refer to is there before and after they do. Every write is conditional
on what was read, except of an object that was not there: that is applied without force.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from provisioner import labels
from provisioner.cluster import Cluster
from provisioner.copies import clone, live, taking
from provisioner.copies.plan import identity
from provisioner.errors import ForeignObjectError, PermanentError
from provisioner.routing.mesh import Compiled, Existing, Finding
from provisioner.routing.router import attachment

Json = dict[str, Any]


class Writing:
    """One time. `findings` are what the cluster did not take, `changed` whether anything was written, and
    `stale` whether an object is still there as it should not be."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.findings: set[Finding] = set()
        self.changed = self.stale = False

    def write(self, compiled: Compiled, existing: Existing) -> list[Json]:
        """Writes what differs; what the lane owns then."""
        before = {identity(one): one for one in existing.owned}
        wanted = {identity(one): clone.sealed(one) for one in self._ours(compiled.own, existing)}
        after = [done for key, one in wanted.items() if (done := self._apply(one, before.get(key)))]
        for one in compiled.shared:
            self._put(one)
        for key, one in before.items():  # in the order of `Driver.owns`
            if key not in wanted:
                self._remove(one)
        for one in compiled.released:
            self._remove(one)
        return after

    def _ours(self, wanted: Iterable[Json], existing: Existing) -> Iterator[Json]:
        """What is wanted, without objects of a name that somebody else has taken."""
        theirs = {identity(one): one for one in existing.theirs}
        for one in wanted:
            if (other := theirs.get(identity(one))) is None:
                yield one
                continue
            kind, namespace, name = identity(one)
            message = f"{kind} {namespace}/{name} exists and belongs to {live.belongs_to(other)}; rename it"
            self.findings.add(Finding(live.service_of(one), "ForeignObject", message, blocks=True))

    def _apply(self, wanted: Json, there: Json | None) -> Json | None:
        """None where the cluster does not take it, which is said."""
        if there is not None and not live.is_going(there) and covers(there, wanted):
            return there
        try:
            done = _written(wanted, there, self._cluster)
        except PermanentError as error:
            service = live.service_of(wanted)
            self.findings.add(Finding(service, error.reason, str(error), blocks=True))
            self.stale |= there is not None
            return None
        self.changed = True
        return done

    def _put(self, wanted: Json) -> None:
        """Writes a shared object: only as it was read. One that is its user's again is left without a field
        that Laneway claims."""
        if "resourceVersion" not in wanted["metadata"]:
            self._cluster.create(wanted)
        else:
            done = self._cluster.replace(wanted)
            if labels.SPEC_HASH not in (wanted["metadata"].get("annotations") or {}):
                self._cluster.replace(attachment.disowned(done))
        self.changed = True

    def _remove(self, one: Json) -> None:
        if live.is_going(one):
            return
        metadata = one["metadata"]
        self._cluster.delete(
            one["kind"],
            metadata["name"],
            metadata["namespace"],
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
        )
        self.changed = True


def _written(wanted: Json, there: Json | None, cluster: Cluster) -> Json:
    """What a lane owns, as it is once written. Raises ForeignObjectError."""
    if there is None:
        kind, namespace, name = identity(wanted)
        (owner,) = wanted["metadata"]["ownerReferences"]
        taken = cluster.get(kind, name, namespace)
        if taken is not None and live.is_anothers(taken, owner["name"]):
            # no conflict would tell: another chain's lane writes as the same manager
            message = f"belongs to {live.belongs_to(taken)}, a lane of another chain"
            raise ForeignObjectError(message, where=taking.named(wanted))
    return taking.applied(wanted, there, cluster.apply)


def covers(there: Any, wanted: Any) -> bool:
    """Whether an object is as it is wanted, whatever defaults the cluster has added. Lists have no more
    entries than are wanted, and in the same order: in a route either would count."""
    if isinstance(wanted, Mapping):
        return isinstance(there, Mapping) and all(
            key in there and covers(there[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(there, list) and len(there) == len(wanted) and all(map(covers, there, wanted))
    return bool(there == wanted)

"""What a driver for a mesh is: pure, from an intent and the objects that are there to the objects to write.

A mesh driver never talks to the cluster: `settle` reads what it names in `reads`, asks it what has to be, and
writes that. It promises that equal input in any order gives equal output, and that nothing of anybody else is
in `own`. Objects that are not one lane's alone are in `shared`, whole, as they are to be: they are written
only if they still are as `Existing` had them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from provisioner import labels
from provisioner.lane.model import Lane
from provisioner.routing.intent import ChainIntent

Json = dict[str, Any]

NOT_SHARED = "ShareNotRouted"  # the reason of a finding for which no release may go on


@dataclass(frozen=True, order=True)
class Finding:
    """What routing has to say of a service, in the condition Routed and by `laneway check`. `blocks`: there
    is no route of the lane at this service."""

    service: str
    reason: str
    message: str
    blocks: bool = False


@dataclass(frozen=True)
class Requirement:
    """A kind that the cluster must serve. `optional`: the driver looks at it where there is one."""

    kind: str
    group: str
    version: str
    plural: str
    optional: bool = False

    @property
    def definition(self) -> str:
        """The name of its CustomResourceDefinition."""
        return f"{self.plural}.{self.group}"

    @property
    def path(self) -> str:
        """How a message names it."""
        return f"{self.plural}.{self.version}.{self.group}"


@dataclass(frozen=True)
class Responder:
    """Where the answer to a request for a copy that is missing in a strict lane comes from."""

    name: str
    namespace: str
    http: int
    grpc: int


@dataclass(frozen=True)
class Existing:
    """What the cluster holds in the chain's namespaces, raw JSON with kind and apiVersion.

    `theirs` are the objects of the kinds in `Driver.reads` that are no lane's: the users', and what the
    chain's lanes share. `owned` are those of the lanes in `lanes`. `services` are the Services that are no
    lane's. `named` are the names of all the chain's lanes, read for the lane of a release alone.
    """

    lanes: Mapping[str, Lane] = field(default_factory=dict)  # those to write for, with their uids
    services: tuple[Json, ...] = ()
    theirs: tuple[Json, ...] = ()
    owned: tuple[Json, ...] = ()
    responder: Responder | None = None
    named: frozenset[str] = frozenset()

    def of(self, kind: str) -> tuple[Json, ...]:
        """The objects of a kind that are no lane's."""
        return tuple(one for one in self.theirs if one["kind"] == kind)


@dataclass(frozen=True)
class Compiled:
    """What is to be. `own` are objects of one lane alone, labelled and owned by it, applied server-side and
    removed when they are wanted no longer. `shared` are whole objects: with a resourceVersion they replace
    the one that has it, without one they must not exist yet. `released` are shared objects, as they were
    read, to delete."""

    own: tuple[Json, ...] = ()
    shared: tuple[Json, ...] = ()
    released: tuple[Json, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Settled:
    """What is to be said of a lane's routes, and whether any had to be written. `meshed`: the chain is routed
    by a mesh at all; `routed` are the services where a copy answers the lane's requests; `lane` is the Lane
    where it had to be written, too; `intent` what the routes were made from, `version` changes with them;
    `stale`: some routes are not as they should be, since the cluster does not take the change."""

    findings: tuple[Finding, ...] = ()
    changed: bool = False
    meshed: bool = False
    routed: frozenset[str] = frozenset()
    lane: Lane | None = None
    intent: ChainIntent | None = None
    version: str = ""
    stale: bool = False


def unshared(findings: Iterable[Finding], services: Collection[str]) -> str:
    """Why a release of these services cannot take requests, by what was found about its lane's routes; empty
    where it can. `services` has the chain's entry among them."""
    found = [
        one.message
        for one in findings
        if one.reason == NOT_SHARED or (one.blocks and (not one.service or one.service in services))
    ]
    return "; ".join(found)


BUILT_IN = Settled()  # of a chain that the built-in router routes: discovery sees to it


class Driver(Protocol):
    """How lanes are routed by one API. `finalizer`: a lane carries one, since its end changes shared objects.
    A kind in `reads` or `owns` is in `kinds.py`; one that is not in `requires` as well is built in. `shares`
    are the kinds, of `reads`, of objects that say something of several lanes. In `owns`, what refers to
    others stands before those, since it goes before them. `heeds_releases`: what it writes for any lane
    depends on whether a release of the chain runs."""

    @property
    def requires(self) -> tuple[Requirement, ...]: ...
    @property
    def reads(self) -> tuple[str, ...]: ...
    @property
    def owns(self) -> tuple[str, ...]: ...
    @property
    def finalizer(self) -> bool: ...
    @property
    def shares(self) -> tuple[str, ...]: ...
    @property
    def heeds_releases(self) -> bool: ...

    def compile(self, intent: ChainIntent, existing: Existing) -> Compiled:
        """For the lanes in `existing.lanes`; what shared objects hold of other lanes stays. A lane of
        `existing.lanes` without a copy in the intent has no routes any more."""
        ...

    def lanes_in(self, live: Json, chain: str) -> frozenset[str]:
        """The lanes of a chain of which an object of a kind in `shares` says something."""
        ...

    def accepted(self, live: Json) -> Finding | None:
        """What the status of an object that a lane owns says against it; None: nothing."""
        ...


@lru_cache(maxsize=1 << 12)
def _owners(name: str, uid: str) -> list[Json]:
    """The reference by which the cluster collects an object with its lane; the same object for all of its."""
    return [{"apiVersion": labels.API_VERSION, "kind": "Lane", "name": name, "uid": uid, "controller": True}]


def metadata(lane: Lane, service: str, namespace: str, name: str) -> Json:
    """The metadata of an object of one lane alone, about one service."""
    return {
        "name": name,
        "namespace": namespace,
        "labels": labels.of_copy(lane.chain, lane.name, service),
        "ownerReferences": _owners(lane.object_name, lane.uid),
    }

"""Which copy answers a lane's request at a service: its own, an ancestor's, or none. Pure.

| the lane has there | loose | strict `members` | strict `all` |
|---|---|---|---|
| a ready pod | it | it | it |
| a copy that sleeps | the waker | the waker | the waker |
| a copy without a ready pod | the nearest ancestor's, else the baseline | 503 | 503 |
| nothing, the service is not its own | the nearest ancestor's, else the baseline | as loose | 503 |

A lane's own services are those that its status says are in it, and those of which it has an object: a copy
that is about to be made is missing in a strict lane from the start. Before the first status nobody knows
which they will be, and in a strict lane each may be one.

A lane's ancestors are its parent, that one's parent and so on, `ANCESTORS` at most, up to the first that
cannot be entered (it was closed, or never was) or was met already. Of them the nearest counts that has a
ready pod there, or a copy that sleeps: a request that needs it wakes it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from provisioner import names
from provisioner.chain.model import Chain
from provisioner.lane.model import Mode, Phase
from provisioner.routing.intent import Copy, Endpoint, State
from provisioner.routing.slices import Slice

Json = dict[str, Any]

WAKER = "waker"  # the route of a service whose copy sleeps, in `Lane.status.services`
ANCESTORS = 4

_name = lru_cache(maxsize=1 << 16)(names.derived)  # thousands are asked for at each change, always the same


@dataclass(frozen=True)
class Routed:
    """A lane that requests may enter. `asleep` are the services of which the waker has the requests while
    they have no ready pod; while the lane is `resting`, even when they have one. `own` are its services, of
    interest in a strict lane alone; None: not known yet. `parent` need not be a lane that there is."""

    mode: Mode = Mode.LOOSE
    asleep: frozenset[str] = frozenset()
    resting: bool = False
    own: frozenset[str] | None = frozenset()
    parent: str = ""

    def insists(self, service: str, *, there: bool) -> bool:
        """Whether nobody but the lane itself may answer at a service; `there`: it has an object of it."""
        if self.mode is Mode.MEMBERS:
            return there or self.own is None or service in self.own
        return self.mode is Mode.ALL


@dataclass(frozen=True)
class Site:
    """A service: its ports' names, its EndpointSlices by lane, and the lanes of its chain."""

    service: str
    ports: tuple[str, ...]
    slices: Mapping[str, Collection[Slice]]
    routed: Mapping[str, Routed]


def routed_lanes(lanes: Iterable[Json], chain: Chain) -> dict[str, Routed]:
    """The lanes of a chain that requests may still enter: a lane that ends has no routes."""
    entry = chain.entry.service
    return {lane["spec"]["lane"]: _routed(lane, entry) for lane in lanes if _open(lane, chain.name)}


def _routed(lane: Json, entry: str) -> Routed:
    """A lane that is not all awake sleeps at the chain's entry as well: who waits there has a browser's
    patience, and those in between their own time-outs."""
    spec, status = lane["spec"], lane.get("status") or {}
    resting = status.get("phase") == Phase.SLEEPING
    waking = [one for one in status.get("services") or () if one.get("route") == WAKER]
    asleep = {one["name"] for one in waking}
    if entry and (any(not one.get("ready") for one in waking) or (resting and waking)):
        asleep.add(entry)
    mode = Mode(spec.get("mode", Mode.LOOSE))
    return Routed(mode, frozenset(asleep), resting, _own_services(mode, status), spec.get("parent", ""))


def _own_services(mode: Mode, status: Json) -> frozenset[str] | None:
    if mode is not Mode.MEMBERS:
        return frozenset()
    services = status.get("services")
    return None if services is None else frozenset(one["name"] for one in services if one.get("inLane"))


def _open(lane: Json, chain: str) -> bool:
    ends = (
        lane["metadata"].get("deletionTimestamp")
        or (lane.get("status") or {}).get("phase") == Phase.TERMINATING
    )
    return lane["spec"]["chain"] == chain and not ends


class Child(Protocol):
    """Anything of a lane that says whose child the lane is; empty: of none."""

    @property
    def parent(self) -> str: ...


Known = TypeVar("Known", bound=Child)


def line(lane: str, parent: str, find: Callable[[str], Known | None]) -> tuple[dict[str, Known], str]:
    """What is found of a lane's ancestors by their names, nearest first; and whom the last one names beyond,
    empty where that is nobody. `find` is asked for ancestors alone."""
    found: dict[str, Known] = {}
    while parent and parent != lane and parent not in found and len(found) < ANCESTORS:
        known = find(parent)
        if known is None:
            break
        found[parent] = known
        parent = known.parent
    return found, parent


def ancestors(lane: str, routed: Mapping[str, Routed]) -> tuple[str, ...]:
    """The lanes that stand in for what a lane lacks, nearest first."""
    return tuple(line(lane, routed[lane].parent, routed.get)[0])


def every_copy(site: Site) -> dict[str, tuple[Copy, ...]]:
    """For each lane that is anything at a service, its copy at each port, in the order of the ports."""
    found = ((lane, copies(lane, site)) for lane in site.routed)
    return {lane: there for lane, there in found if there is not None}


def copies(lane: str, site: Site) -> tuple[Copy, ...] | None:
    """A routed lane's copy at each port of a service; None where the baseline answers for want of any."""
    mine, there = site.routed[lane], lane in site.slices
    line = ancestors(lane, site.routed) if mine.parent else ()
    insists = mine.insists(site.service, there=there)
    if not (there or insists or line or site.service in mine.asleep):
        return None
    found = tuple(_copy(lane, port, site, () if insists else line) for port in site.ports)
    if insists:
        return tuple(_or_missing(one) for one in found)
    return found if there or any(one.state is not State.UNREADY for one in found) else None


def _or_missing(copy: Copy) -> Copy:
    return replace(copy, state=State.MISSING) if copy.state is State.UNREADY else copy


def _copy(lane: str, port: str, site: Site, line: Iterable[str]) -> Copy:
    own = _own_copy(lane, port, site)
    if own.state is State.UNREADY:
        for ancestor in line:
            lent = _own_copy(ancestor, port, site)
            if lent.state is not State.UNREADY:
                return replace(lent, lane=lane, mode=own.mode, origin=ancestor)
    return own


def _own_copy(lane: str, port: str, site: Site) -> Copy:
    """What a lane has at a port by itself; where that is nothing, an unready copy without a name."""
    slices, routed = site.slices.get(lane, ()), site.routed[lane]
    ready = endpoints(slices, port, "ready")
    name = _name(site.service, lane) if slices else ""
    if site.service in routed.asleep and (routed.resting or not ready):
        return Copy(lane, State.ASLEEP, (), routed.mode, name=name)
    return Copy(lane, State.READY if ready else State.UNREADY, ready, routed.mode, name=name)


def endpoints(slices: Iterable[Slice], port: str, which: str) -> tuple[Endpoint, ...]:
    """The endpoints of a port, by its name; `which`: those that are `ready`, or `leaving`."""
    found = {
        Endpoint(address, number)
        for one in slices
        for name, number in one.ports
        if name == port
        for address in getattr(one, which)
    }
    return tuple(sorted(found))


def served(header: str) -> str:
    """The header of an answer that says who gave it, by the one that carries the lane's name."""
    return f"{header.lower()}-served"


def lacking(chain: str, lane: str, service: str) -> str:
    """What a strict lane answers with its 503 where it has no ready copy, with every driver."""
    return (
        f"lane {lane} has no ready copy of {service}, and is strict: the baseline does not answer for it. "
        f"What it waits for: laneway status {chain} {lane}\n"
    )

"""What the router knows of the cluster, and the intent that follows from it, piece by piece.

Fed with lists and changes; a change costs what it touches, not what there is: parts that did not change stay
the same objects, which the compiler recognises. Not safe between threads: it lives on the router's loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from provisioner.chain.model import Chain
from provisioner.lane.model import object_name
from provisioner.release.model import Release
from provisioner.routing import attached, lineage, share
from provisioner.routing.intent import ChainIntent, Copy, Service, Standing
from provisioner.routing.lineage import Routed
from provisioner.routing.slices import Slice, read_slice

Json = dict[str, Any]
Key = tuple[str, str, str]  # chain, namespace, service

LaneKey = tuple[str, str]  # chain, lane


class _Known:
    """One service: its twin, its slices by lane, and what was built of them."""

    def __init__(self) -> None:
        self.twin: Json | None = None
        self.slices: dict[str, tuple[Slice, ...]] = {}
        self.copies: dict[str, tuple[Copy, ...]] = {}
        self._outdated: set[str] | None = None  # lanes to look at again; None: all
        self._built: Service | None = None

    def set_twin(self, twin: Json | None) -> None:
        self.twin, self._built, self._outdated = twin, None, None

    def outdate(self, lanes: Iterable[str]) -> None:
        """What was built of these lanes may be wrong."""
        if self._outdated is not None:
            self._outdated.update(lanes)

    def put(self, found: Slice) -> None:
        self.slices[found.lane] = (*self.slices.get(found.lane, ()), found)
        self._outdate_baseline(found.lane)

    def drop(self, old: Slice) -> None:
        left = tuple(one for one in self.slices[old.lane] if one.key != old.key)
        if left:
            self.slices[old.lane] = left
        else:
            del self.slices[old.lane]
        self._outdate_baseline(old.lane)

    def _outdate_baseline(self, lane: str) -> None:
        if not lane:
            self._built = None

    def service(self, chain: Chain, routed: Mapping[str, Routed]) -> Service | None:
        """The service's intent; None while it is not attached."""
        if self.twin is None:
            return None
        if self._outdated is None or self._outdated:
            self._renew(self.twin, routed)
        if self._built is None:
            baseline = self.slices.get("", ())
            self._built = attached.assemble(chain, self.twin, baseline, self.copies)
        return self._built

    def _renew(self, twin: Json, routed: Mapping[str, Routed]) -> None:
        """Looks at the outdated lanes; whatever is as it was stays the same object."""
        site = attached.site(twin, self.slices, routed)
        outdated = {*routed, *self.copies} if self._outdated is None else self._outdated
        for lane in outdated:
            now = lineage.copies(lane, site) if lane in routed else None
            if now == self.copies.get(lane):
                continue
            self._built = None
            if now is None:
                del self.copies[lane]
            else:
                self.copies[lane] = now
        self._outdated = set()


class Inventory:
    """`rejected` is told of each object that cannot be read, and why; what was known of it before stays."""

    def __init__(self, chains: Sequence[Chain], rejected: Callable[[Json, Exception], None]) -> None:
        self._rejected = rejected
        self._chains = {chain.name: chain for chain in chains}
        self._services: dict[Key, _Known] = {}
        self._lanes: dict[str, Json] = {}
        self._routed: dict[str, dict[str, Routed]] = {name: {} for name in self._chains}
        self._children: dict[LaneKey, set[str]] = {}
        self._slices: dict[tuple[str, str], Slice] = {}
        self._twins: dict[tuple[str, str], Key] = {}
        self._pods: dict[str, LaneKey] = {}  # by address: of which lane it is
        self._releases: dict[str, Release] = {}
        self._running: dict[str, Release | None] = {}  # by chain
        self._takes = {
            "Lane": self._put_lane,
            "Service": self._put_twin,
            "EndpointSlice": self._put_slice,
            "Release": self._put_release,
        }

    def replace(self, kind: str, namespace: str, objects: Iterable[Json]) -> None:
        """Takes a whole list in: what it does not hold is gone."""
        listed = {obj["metadata"]["name"]: obj for obj in objects}
        for name in self._names(kind, namespace) - listed.keys():
            self._forget(kind, namespace, name)
        for obj in listed.values():
            self.put(obj)

    def put(self, obj: Json) -> None:
        """Takes one object in, new or changed."""
        try:
            self._takes[obj["kind"]](obj)
        except (KeyError, TypeError, ValueError) as error:
            self._rejected(obj, error)

    def remove(self, obj: Json) -> None:
        """An object is gone."""
        metadata = obj["metadata"]
        self._forget(obj["kind"], metadata.get("namespace", ""), metadata["name"])

    def intent(self, chain: str) -> ChainIntent:
        """What the chain's routing has to achieve now. KeyError for a chain that is not configured."""
        wanted = self._chains[chain]
        services = (
            self._services[key].service(wanted, self._routed[chain])
            for key in sorted(self._services)
            if key[0] == chain
        )
        found = tuple(service for service in services if service)
        return attached.whole(wanted, found, self._running.get(chain))

    def standing(self, where: Key, lane: str, number: int) -> Standing:
        """Who can answer a lane's request at a port of a service; nobody where that is not routed."""
        chain, known = self._chains.get(where[0]), self._services.get(where)
        if chain is None or known is None:
            return Standing()
        service = known.service(chain, self._routed[chain.name])
        for place, port in enumerate(service.ports if service else ()):
            if port.number == number:
                copies = known.copies.get(lane)
                return Standing(copies[place] if copies else None, port.baseline)
        return Standing()

    def lane(self, chain: str, lane: str) -> Json | None:
        """The Lane object as it was seen last."""
        return self._lanes.get(object_name(chain, lane))

    def ancestors(self, chain: str, lane: str) -> tuple[str, ...]:
        """The lanes that stand in for what a lane lacks; none for one that cannot be entered."""
        routed = self._routed.get(chain, {})
        return lineage.ancestors(lane, routed) if lane in routed else ()

    def users(self, addresses: Iterable[str]) -> set[LaneKey]:
        """The lanes whose pods have these addresses."""
        return {found for one in addresses if (found := self._pods.get(one))}

    @property
    def chains(self) -> tuple[str, ...]:
        return tuple(self._chains)

    def _names(self, kind: str, namespace: str) -> set[str]:
        if kind in ("Lane", "Release"):
            return set(self._lanes if kind == "Lane" else self._releases)
        keys = self._slices if kind == "EndpointSlice" else self._twins
        return {name for where, name in keys if where == namespace}

    def _forget(self, kind: str, namespace: str, name: str) -> None:
        if kind == "Lane":
            self._forget_lane(name)
        elif kind == "Release":
            self._set_release(name, None)
        elif kind == "EndpointSlice":
            self._forget_slice((namespace, name))
        elif key := self._twins.pop((namespace, name), None):
            self._services[key].set_twin(None)

    def _put_lane(self, obj: Json) -> None:
        chain, lane = obj["spec"]["chain"], obj["spec"]["lane"]
        if chain not in self._chains:
            return
        routed = lineage.routed_lanes([obj], self._chains[chain]).get(lane)
        self._lanes[obj["metadata"]["name"]] = obj
        self._set_routed(chain, lane, routed)

    def _forget_lane(self, name: str) -> None:
        if obj := self._lanes.pop(name, None):
            self._set_routed(obj["spec"]["chain"], obj["spec"]["lane"], None)

    def _put_release(self, obj: Json) -> None:
        found = Release.from_object(obj)
        share.running([found])  # raises for a status that somebody broke, before anything is forgotten
        self._set_release(obj["metadata"]["name"], found if found.chain in self._chains else None)

    def _set_release(self, name: str, now: Release | None) -> None:
        before = self._releases.pop(name, None)
        if now is not None:
            self._releases[name] = now
        for chain in {one.chain for one in (before, now) if one}:
            mine = (one for one in self._releases.values() if one.chain == chain)
            self._running[chain] = share.running(mine)

    def _set_routed(self, chain: str, lane: str, now: Routed | None) -> None:
        """None: requests may not enter the lane any more."""
        routed = self._routed[chain]
        before = routed.pop(lane, None)
        if now is not None:
            routed[lane] = now
        if before == now:
            return
        self._set_parent(chain, lane, before.parent if before else "", now.parent if now else "")
        family = self._family(chain, lane)
        for key, known in self._services.items():
            if key[0] == chain:
                known.outdate(family)

    def _set_parent(self, chain: str, lane: str, before: str, now: str) -> None:
        if before:
            self._children[chain, before].discard(lane)
            if not self._children[chain, before]:
                del self._children[chain, before]
        if now:
            self._children.setdefault((chain, now), set()).add(lane)

    def _family(self, chain: str, lane: str) -> set[str]:
        """A lane and those that it may stand in for."""
        found, edge = {lane}, {lane}
        for _ in range(lineage.ANCESTORS):
            edge = {child for one in edge for child in self._children.get((chain, one), ())} - found
            found |= edge
        return found

    def _put_twin(self, obj: Json) -> None:
        key = attached.service_name(obj)
        if self._serves(key):
            attached.ports(obj)  # raises for a note that somebody broke, before anything is forgotten
            self._twins[(key[1], obj["metadata"]["name"])] = key
            self._known(key).set_twin(obj)

    def _put_slice(self, obj: Json) -> None:
        found = read_slice(obj)
        place = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        if found == self._slices.get(place):
            return
        self._forget_slice(place)
        if found and self._serves(key := (found.chain, place[0], found.service)):
            self._slices[place] = found
            known = self._known(key)
            known.put(found)
            if found.lane:
                known.outdate(self._family(found.chain, found.lane))
                self._pods.update(dict.fromkeys(found.ready, (found.chain, found.lane)))

    def _forget_slice(self, place: tuple[str, str]) -> None:
        old = self._slices.pop(place, None)
        if old is None:
            return
        known = self._services[(old.chain, place[0], old.service)]
        for address in old.ready:
            self._pods.pop(address, None)
        known.drop(old)
        if old.lane:
            known.outdate(self._family(old.chain, old.lane))

    def _serves(self, key: Key) -> bool:
        """Also a service that the chain's file names no longer: as long as it is attached, its requests come
        this way."""
        return key[0] in self._chains

    def _known(self, key: Key) -> _Known:
        return self._services.setdefault(key, _Known())

"""What the router knows of the cluster, and the intent that follows from it, piece by piece.

Fed with lists and changes; a change costs what it touches, not what there is: parts that did not change stay
the same objects, which the compiler recognises. Not safe between threads: it lives on the router's loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from provisioner.chain.model import Chain
from provisioner.lane.model import object_name
from provisioner.routing import intent
from provisioner.routing.intent import ChainIntent, Copy, Routed, Service, Standing
from provisioner.routing.slices import Slice, read_slice

Json = dict[str, Any]
Key = tuple[str, str, str]  # chain, namespace, service

LaneKey = tuple[str, str]  # chain, lane

KINDS = ("Lane", "Service", "EndpointSlice")


class _Known:
    """One service: its twin, its slices by lane, and what was built of them."""

    def __init__(self) -> None:
        self.twin: Json | None = None
        self.slices: dict[str, dict[tuple[str, str], Slice]] = {}
        self.copies: dict[str, tuple[Copy, ...]] = {}
        self.built: Service | None = None

    def forget_lane(self, lane: str) -> None:
        self.copies.pop(lane, None)
        self.built = None

    def set_twin(self, twin: Json | None) -> None:
        self.twin, self.built = twin, None
        self.copies.clear()

    def service(self, chain: Chain, routed: Mapping[str, Routed]) -> Service | None:
        """The service's intent; None while it is not attached."""
        if self.twin is None:
            return None
        if self.built is None:
            lanes = {*self.slices, *intent.sleepers(intent.service_name(self.twin)[2], routed)}
            missing = {lane: self.slices.get(lane, {}).values() for lane in lanes - self.copies.keys()}
            self.copies |= intent.copies(self.twin, missing, routed)
            baseline = tuple(self.slices.get("", {}).values())
            self.built = intent.assemble(chain, self.twin, baseline, self.copies)
        return self.built


class Inventory:
    """`rejected` is told of each object that cannot be read, and why; what was known of it before stays."""

    def __init__(self, chains: Sequence[Chain], rejected: Callable[[Json, Exception], None]) -> None:
        self._rejected = rejected
        self._chains = {chain.name: chain for chain in chains}
        self._services: dict[Key, _Known] = {}
        self._lanes: dict[str, Json] = {}
        self._routed: dict[str, dict[str, Routed]] = {name: {} for name in self._chains}
        self._slices: dict[tuple[str, str], Slice] = {}
        self._twins: dict[tuple[str, str], Key] = {}
        self._pods: dict[str, LaneKey] = {}  # by address: of which lane it is

    def replace(self, kind: str, namespace: str, objects: Iterable[Json]) -> None:
        """Takes a whole list in: what it does not hold is gone."""
        listed = {obj["metadata"]["name"]: obj for obj in objects}
        for name in self._names(kind, namespace) - listed.keys():
            self._forget(kind, namespace, name)
        for obj in listed.values():
            self.put(obj)

    def put(self, obj: Json) -> None:
        """Takes one object in, new or changed."""
        take = {"Lane": self._put_lane, "Service": self._put_twin, "EndpointSlice": self._put_slice}[
            obj["kind"]
        ]
        try:
            take(obj)
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
        return ChainIntent(chain, wanted.carriers, wanted.shards, found, wanted.entry, wanted.warmup)

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

    def users(self, addresses: Iterable[str]) -> set[LaneKey]:
        """The lanes whose pods have these addresses."""
        return {found for one in addresses if (found := self._pods.get(one))}

    @property
    def chains(self) -> tuple[str, ...]:
        return tuple(self._chains)

    def _names(self, kind: str, namespace: str) -> set[str]:
        if kind == "Lane":
            return set(self._lanes)
        keys = self._slices if kind == "EndpointSlice" else self._twins
        return {name for where, name in keys if where == namespace}

    def _forget(self, kind: str, namespace: str, name: str) -> None:
        if kind == "Lane":
            self._forget_lane(name)
        elif kind == "EndpointSlice":
            self._forget_slice((namespace, name))
        elif key := self._twins.pop((namespace, name), None):
            self._services[key].set_twin(None)

    def _put_lane(self, obj: Json) -> None:
        chain, lane = obj["spec"]["chain"], obj["spec"]["lane"]
        if chain not in self._chains:
            return
        routed = intent.routed_lanes([obj], self._chains[chain]).get(lane)
        self._lanes[obj["metadata"]["name"]] = obj
        self._set_routed(chain, lane, routed)

    def _forget_lane(self, name: str) -> None:
        if obj := self._lanes.pop(name, None):
            self._set_routed(obj["spec"]["chain"], obj["spec"]["lane"], None)

    def _set_routed(self, chain: str, lane: str, now: Routed | None) -> None:
        """None: requests may not enter the lane any more."""
        routed = self._routed[chain]
        before = routed.pop(lane, None)
        if now is not None:
            routed[lane] = now
        if before == now:
            return
        woken = now.asleep if now else frozenset()
        for key, known in self._services.items():
            if key[0] == chain and (lane in known.slices or lane in known.copies or key[2] in woken):
                known.forget_lane(lane)

    def _put_twin(self, obj: Json) -> None:
        key = intent.service_name(obj)
        if self._serves(key):
            intent.ports(obj)  # raises for a note that somebody broke, before anything is forgotten
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
            known.slices.setdefault(found.lane, {})[place] = found
            known.forget_lane(found.lane)
            if found.lane:
                self._pods.update(dict.fromkeys(found.ready, (found.chain, found.lane)))

    def _forget_slice(self, place: tuple[str, str]) -> None:
        old = self._slices.pop(place, None)
        if old is None:
            return
        known = self._services[(old.chain, place[0], old.service)]
        for address in old.ready:
            self._pods.pop(address, None)
        of_lane = known.slices[old.lane]
        del of_lane[place]
        if not of_lane:
            del known.slices[old.lane]
        known.forget_lane(old.lane)

    def _serves(self, key: Key) -> bool:
        """Also a service that the chain's file names no longer: as long as it is attached, its requests come
        this way."""
        return key[0] in self._chains

    def _known(self, key: Key) -> _Known:
        return self._services.setdefault(key, _Known())

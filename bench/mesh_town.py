"""A chain in a mesh, as plain objects: one service, and a ready copy of it in each of many lanes. Pure.

What a mesh's driver makes of it is what the product would write. All lanes are at one service, which is the
worst that so many can do to it: a host of Istio's has one line for each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain, Driver, Entry, Lifecycle, Service, WorkloadRef
from provisioner.lane.model import Lane
from provisioner.names import derived
from provisioner.routing import mesh_intent
from provisioner.routing.drivers import MESHES
from provisioner.routing.mesh import Compiled, Existing
from provisioner.routing.slices import read_slice

Json = dict[str, Any]

CHAIN, SERVICE, ENTRY = "shop", "payment", "frontend"
PORT = 8080
DOMAIN = "{lane}.preview.example.com"
CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
# so kube-proxy leaves them alone: nobody asks for them but by a sidecar
NO_PROXY = {"service.kubernetes.io/service-proxy-name": "none"}


@dataclass(frozen=True)
class Application:
    """Where the pods are said to be, all on one host: the baseline's port, and that of every copy."""

    host: str
    baseline: int
    copy: int


@dataclass(frozen=True)
class Town:
    """The chain in a namespace, with so many lanes. `entered`: its entry is this service, where every carrier
    counts; else it is an inner hop, where the header alone does."""

    driver: Driver
    namespace: str
    count: int
    application: Application
    entered: bool = False

    @cached_property
    def lanes(self) -> tuple[Lane, ...]:
        """In the order of their names, which is that of their routes."""
        return tuple(
            Lane(CHAIN, f"pr-{number:04}", uid=f"uid-{number}", created=CREATED)
            for number in range(1, self.count + 1)
        )

    @cached_property
    def chain(self) -> Chain:
        return Chain(
            name=CHAIN,
            repositories=(),
            services=tuple(self._listed(one) for one in (ENTRY, SERVICE)),
            entry=Entry(SERVICE if self.entered else ENTRY, DOMAIN),
            driver=self.driver,
            lifecycle=Lifecycle(max_lanes=self.count),
        )

    def _listed(self, name: str) -> Service:
        return Service(name, WorkloadRef("Deployment", name), "image:{sha}", self.namespace, (f"{name}/**",))

    @property
    def baseline(self) -> Json:
        """The Service that the team has."""
        return self._service(SERVICE, {})

    def furniture(self) -> Iterator[Json]:
        """What is there without any route: Services, and where they lead."""
        yield from (self.baseline, self._slice(SERVICE, {}, self.application.baseline))
        for lane in self.lanes:
            name, marks = derived(SERVICE, lane.name), labels.of_copy(CHAIN, lane.name, SERVICE)
            yield from (self._service(name, marks), self._slice(name, marks, self.application.copy))

    def compiled(
        self, lanes: Sequence[Lane], theirs: Iterable[Json] = (), *, is_ready: bool = True
    ) -> Compiled:
        """What the driver wants for these lanes, beside what is there that is no lane's."""
        live = [one for one in theirs if one["kind"] == "Service"] or [self.baseline]
        of_lanes = [self._of_copy(one) for one in lanes] if is_ready else []
        slices = [found for one in of_lanes if (found := read_slice(one))]
        intent = mesh_intent.build(self.chain, live, slices, lanes)
        there = Existing({one.name: one for one in lanes}, services=tuple(live), theirs=tuple(theirs))
        return MESHES[self.driver].compile(intent, there)

    def _of_copy(self, lane: Lane) -> Json:
        marks = labels.of_copy(CHAIN, lane.name, SERVICE)
        return self._slice(derived(SERVICE, lane.name), marks, self.application.copy)

    def _service(self, name: str, marks: dict[str, str]) -> Json:
        port = {"name": "http", "port": PORT, "targetPort": PORT, "protocol": "TCP", "appProtocol": "http"}
        metadata = {"name": name, "namespace": self.namespace, "labels": {**marks, **NO_PROXY}}
        return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [port]}}

    def _slice(self, service: str, marks: dict[str, str], port: int) -> Json:
        named = {**marks, **NO_PROXY, "kubernetes.io/service-name": service}
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"{service}-x", "namespace": self.namespace, "labels": named},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [self.application.host], "conditions": {"ready": True}}],
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        }


@dataclass(frozen=True)
class Written:
    """What one change writes: objects of the lane alone, and those that it shares with others."""

    own: tuple[Json, ...]
    shared: tuple[Json, ...]

    @property
    def objects(self) -> int:
        return len(self.own) + len(self.shared)

    @property
    def bytes(self) -> int:
        """As they are sent."""
        return size(self.own) + size(self.shared)


def size(things: Iterable[Json]) -> int:
    return sum(len(json.dumps(one, separators=(",", ":"))) for one in things)


def last_lane(town: Town) -> Written:
    """What is written when the last lane's copy becomes ready, and all others have their routes."""
    before = town.compiled(town.lanes[:-1])
    made = town.compiled(town.lanes[-1:], [town.baseline, *before.shared])
    return Written(made.own, made.shared)


def unowned(thing: Json) -> Json:
    """The object for a cluster that has no Lane: it would be collected at once."""
    kept = {key: value for key, value in thing["metadata"].items() if key != "ownerReferences"}
    return {**thing, "metadata": kept}

"""What it costs to compile a whole chain, for each driver: 30 services, each with a copy in every lane.

No data plane and no cluster: from plain objects to an intent, and from the intent to what the driver writes.
Linear: twice as many lanes take about twice as long, so the time per lane at 1,000 is held against that at
250. A change in one lane costs the built-in driver what it touches, since it keeps what it made; the others
compile one lane at a time anyway. Times are the processor's: compiling waits for nothing.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain, Driver, Entry, Lifecycle, Service, WorkloadRef
from provisioner.lane.model import Lane, Member
from provisioner.names import derived
from provisioner.routing import attached, mesh_intent
from provisioner.routing import mesh as mesh_contract
from provisioner.routing.drivers import MESHES
from provisioner.routing.envoy import Compiler, Node, Resource, Resources, compile_intent
from provisioner.routing.envoy.node import FIRST_LISTENER
from provisioner.routing.intent import ChainIntent
from provisioner.routing.mesh import Compiled, Existing
from provisioner.routing.slices import Slice, read_slice

Json = dict[str, Any]
Row = dict[str, Any]

LANES, FEW = 1_000, 250
SERVICES = 30
NAMESPACE = "shop"
NODE = Node("shop", NAMESPACE, "192.0.2.1")
MOST_SECONDS = 1.0
MOST_SLOPE = 1.5  # time per lane at many lanes, of that at few
TURNS = 5


@dataclass(frozen=True)
class Town:
    """A chain with this many lanes, as plain objects."""

    chain: Chain
    lanes: tuple[Lane, ...]
    slices: tuple[Json, ...]

    @property
    def read(self) -> list[Slice]:
        return [found for one in self.slices if (found := read_slice(one))]


def town(lanes: int, driver: Driver = Driver.ENVOY) -> Town:
    names = [f"service-{number}" for number in range(SERVICES)]
    services = tuple(
        Service(one, WorkloadRef("Deployment", one), "image:{sha}", NAMESPACE, (f"{one}/**",))
        for one in names
    )
    chain = Chain(
        name="shop",
        repositories=(),
        services=services,
        entry=Entry(names[0], "{lane}.preview.example.com"),
        driver=driver,
        lifecycle=Lifecycle(max_lanes=LANES),
    )
    made = tuple(_lane(number) for number in range(lanes))
    slices = [_slice(one, "", 1) for one in names]
    slices += [_slice(one, lane.name, number) for number, lane in enumerate(made) for one in names]
    return Town(chain, made, tuple(slices))


def _lane(number: int) -> Lane:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    member = Member("acme/shop", f"feature-{number}", "0" * 40, number + 1, at)
    return Lane("shop", f"feature-{number}", (member,), uid=f"uid-{number}", resource_version="1", created=at)


def _slice(service: str, lane: str, number: int) -> Json:
    behind = derived(service, lane) if lane else f"{service}-baseline"
    marks = {**labels.of_chain("shop"), labels.SERVICE: service}
    marks |= {labels.LANE: lane} if lane else {labels.ROLE: "baseline"}
    place = int(service.rpartition("-")[2])
    address = f"10.{place}.{number // 250}.{number % 250 + 1}"
    return {
        "kind": "EndpointSlice",
        "metadata": {"name": f"{behind}-x", "namespace": NAMESPACE, "labels": marks},
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def _live(service: str) -> Json:
    ports = [{"name": "http", "port": 8080, "protocol": "TCP", "appProtocol": "http"}]
    metadata = {"name": service, "namespace": NAMESPACE, "uid": service, "resourceVersion": "1"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}}


def _twin(service: str, listener: int) -> Json:
    marks = {**labels.of_chain("shop"), labels.SERVICE: service, labels.ROLE: "baseline"}
    notes = {labels.LISTENERS: f'{{"8080": {listener}}}'}
    metadata = {"name": f"{service}-baseline", "namespace": NAMESPACE, "labels": marks, "annotations": notes}
    return {**_live(service), "metadata": metadata}


def attached_intent(of: Town) -> ChainIntent:
    """As the built-in router has it."""
    twins = [_twin(one.name, FIRST_LISTENER + place) for place, one in enumerate(of.chain.services)]
    return attached.build([of.chain], twins, of.slices, [one.to_object() for one in of.lanes]).chains[0]


def meshed_intent(of: Town) -> ChainIntent:
    """As a mesh's driver has it."""
    services = [_live(one.name) for one in of.chain.services]
    return mesh_intent.build(of.chain, services, of.read, of.lanes)


def run() -> list[Row]:
    rows = [*_envoy()]
    for driver, mesh in MESHES.items():
        rows += _mesh(driver, mesh)
    return rows


def _envoy() -> Iterator[Row]:
    few, many = town(FEW), town(LANES)
    built = _seconds(lambda: attached_intent(many))
    yield _row(f"envoy: {_size(LANES)} to an intent", built, "s")
    intent, small = attached_intent(many), attached_intent(few)
    seconds = _seconds(lambda: compile_intent(intent, NODE))
    yield from _judged("envoy", seconds, _seconds(lambda: compile_intent(small, NODE)))
    yield from _envoy_change(many)


def _envoy_change(of: Town) -> Iterator[Row]:
    """A pod of one lane's copy is another."""
    moved = [one for one in of.slices if one["metadata"]["labels"].get(labels.LANE) == "feature-7"]
    endpoints = [{"addresses": ["192.0.2.77"], "conditions": {"ready": True}}]
    changed = replace(
        of, slices=tuple({**one, "endpoints": endpoints} if one is moved[0] else one for one in of.slices)
    )
    compiler, after = Compiler(), attached_intent(changed)
    before = _versions(compiler.shared(attached_intent(of), NAMESPACE))
    found = compiler.shared(after, NAMESPACE)
    sent = [one for one in _resources(found) if before.get((one.type_url, one.name)) != one.version]
    yield _row(
        f"envoy: resources sent when one of {LANES:,} lanes changes", len(sent), "", "1", len(sent) == 1
    )
    yield _row(
        f"envoy: bytes sent when one of {LANES:,} lanes changes", sum(len(one.body) for one in sent), "B"
    )


def _resources(found: Resources) -> list[Resource]:
    return [one for by_name in found.values() for one in by_name.values()]


def _versions(found: Resources) -> dict[tuple[str, str], str]:
    return {(one.type_url, one.name): one.version for one in _resources(found)}


def _mesh(driver: Driver, mesh: mesh_contract.Driver) -> Iterator[Row]:
    """All lanes at once, though the product compiles one at a time; then one, as it does."""

    def compiled(of: Town, lanes: Sequence[Lane]) -> Callable[[], Compiled]:
        intent, services = meshed_intent(of), tuple(_live(one.name) for one in of.chain.services)
        existing = Existing(lanes={one.name: one for one in lanes}, services=services)
        return lambda: mesh.compile(intent, existing)

    few, many = town(FEW, driver), town(LANES, driver)
    seconds = _seconds(compiled(many, many.lanes))
    yield from _judged(driver.value, seconds, _seconds(compiled(few, few.lanes)))
    own = compiled(many, many.lanes[7:8])().own
    what = f"when one of {LANES:,} lanes with {SERVICES} copies changes"
    yield _row(f"{driver.value}: objects of its own {what}", len(own), "")
    yield _row(f"{driver.value}: bytes of its own {what}", len(json.dumps(own)), "B")


def _judged(driver: str, many: float, few: float) -> Iterator[Row]:
    slope = (many / LANES) / (few / FEW)
    yield _row(f"{driver}: {_size(LANES)} compiled", many, "s", f"< {MOST_SECONDS:g} s", many < MOST_SECONDS)
    what = f"{driver}: time per lane at {LANES:,} lanes, of that at {FEW}"
    yield _row(what, slope, "", f"<= {MOST_SLOPE:g}", slope <= MOST_SLOPE)


def _row(figure: str, value: float, unit: str, target: str = "", ok: bool | None = None) -> Row:
    return {"figure": figure, "value": round(value, 4), "unit": unit, "target": target, "ok": ok}


def _size(lanes: int) -> str:
    return f"{lanes:,} lanes x {SERVICES} services"


def _seconds(work: Callable[[], object]) -> float:
    """The least of several turns: what else the machine does only ever adds."""
    found = []
    for _ in range(TURNS):
        gc.collect()
        gc.freeze()  # what is given is as large as what is made, and no part of the work
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
        gc.unfreeze()
    return min(found)

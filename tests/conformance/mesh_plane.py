"""The mesh drivers: a real API server and istiod, and a stock Envoy as the sidecar of all applications.

Who would be a worker is here: after a lane's copies were shown, the product's own `settle` writes its routes.
"""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from devcluster.dev.cluster import context
from devcluster.dev.cluster.context import Context
from provisioner import labels
from provisioner.cluster import Cluster, connect
from provisioner.git import Repositories
from provisioner.lane import store
from provisioner.lane.model import Lane as Stored
from provisioner.routing import settle
from provisioner.settings import Settings
from provisioner.world import World
from tests.conformance import objects, outside
from tests.conformance.hops.application import Instance
from tests.conformance.hops.calling import Target
from tests.conformance.hops.client import Activity, Hops, running
from tests.conformance.interruptions import CutOff
from tests.conformance.scene import BASELINE, OUTSIDE, PORTS, SERVICES, Copy, Lane
from tests.support import mesh
from tests.support.commands import LANEWAY, process
from tests.support.waiting import until

CRDS = Path(__file__).parents[2] / "charts" / "laneway" / "crds"
SPOKEN = {"http": "HTTP", "admin": "HTTP", "grpc": "GRPC"}


class MeshPlane:
    """The objects of copies are written as Kubernetes writes them; those of routes by the driver alone."""

    def __init__(self, place: objects.Place, cluster: Cluster, hops: Hops, host: str, folder: Path) -> None:
        self.place, self.cluster, self.hops, self._host = place, cluster, hops, host
        self.settings: Mapping[str, str] = {}
        self.chain = place.parsed()
        self._instances: dict[tuple[str, str], Instance] = {}
        settings = Settings(mirrors=folder, namespace=place.namespace)
        repositories = Repositories(folder, max_bytes=settings.mirror_bytes, timeout=20)
        self._world = World(cluster, repositories, settings, lambda: datetime.now(UTC))
        for service in SERVICES:
            self._start(service, BASELINE)
            self.show(service, BASELINE, Copy.READY)

    def _start(self, service: str, who: str, *, listens: bool = True) -> Instance:
        ports = dict(zip(PORTS, mesh.free_ports(self._host, len(PORTS)), strict=True))
        made = Instance(service, who, self._host, ports)
        if listens:
            self.hops.start(made)
        self._instances[service, who] = made
        self.cluster.apply(objects.service(self.place, made), force=True)
        return made

    def deploy(self, lanes: Mapping[str, Lane]) -> None:
        for name, one in lanes.items():
            for service, copy in one.copies.items():
                self._start(service, name, listens=copy is not Copy.CRASHED)
                self.show(service, name, copy)
            self.cluster.apply(objects.lane(self.place, name, one), force=True)
            status = {"status": objects.lane_status(one)}
            self.cluster.merge("Lane", f"{self.place.chain}.{name}", status, subresource="status")

    def show(self, service: str, lane: str, copy: Copy) -> None:
        made = self._instances[service, lane]
        seen = objects.endpoint_slice(self.place, made, ready=copy is not Copy.UNREADY)
        self.cluster.apply(seen, force=True)

    def join(self, service: str, lane: str) -> Instance:
        host = _elsewhere()
        assert host != self._host, "istiod takes two endpoints of a Service at one address for one"
        ports = dict(zip(PORTS, mesh.free_ports(host, len(PORTS)), strict=True))
        made = Instance(service, lane, host, ports, number=1)
        self.hops.start(made)
        self.cluster.apply(objects.endpoint_slice(self.place, made, ready=True), force=True)
        return made

    def lose(self, one: Instance) -> Activity:
        state = self.hops.kill(one.service, one.who, one.number)
        self.cluster.delete("EndpointSlice", objects.slice_name(one), self.place.namespace)
        return state

    def settle(self, lane: str, fails_at: int = 0) -> None:
        settle.settle(self.chain, self._lane(lane), self._cut_off(fails_at))

    def withdraw(self, lane: str, fails_at: int = 0) -> None:
        settle.withdraw(self.chain, self._lane(lane), self._cut_off(fails_at))

    def _lane(self, name: str) -> Stored:
        found = store.read(self.cluster, self.place.chain, name)
        assert found is not None
        return found

    def _cut_off(self, fails_at: int) -> World:
        cluster: Any = CutOff(self.cluster, fails_at)
        return replace(self._world, cluster=cluster)

    def remove(self, lane: str) -> None:
        found = store.release(self.cluster, self._lane(lane))
        self.cluster.delete("Lane", found.object_name)
        for (service, who), made in list(self._instances.items()):
            if who == lane:
                name = objects.service_name(made)
                self.cluster.delete("EndpointSlice", f"{name}-x", self.place.namespace)
                self.cluster.delete("Service", name, self.place.namespace)
                self.hops.kill(service, who)
                del self._instances[service, who]

    def clear(self) -> None:
        """Takes away what the namespace does not hold."""
        for one in self.cluster.list("Lane", labels=f"{labels.CHAIN}={self.place.chain}"):
            store.release(self.cluster, Stored.from_object(one))
            self.cluster.delete("Lane", one["metadata"]["name"])


def roads(sidecar: mesh.Proxy) -> dict[tuple[str, str], Target]:
    """Each Service port, as applications reach it by their sidecar."""
    return {
        (service, port): Target(service, sidecar.address, number, f"{service}:{number}")
        for service in SERVICES
        for port, number in PORTS.items()
    }


@contextmanager
def plane(driver: str, cluster_name: str, folder: Path) -> Iterator[MeshPlane]:
    """Running in a namespace of its own, with the baseline alone."""
    chosen = context.choose(cluster_name, folder)
    name = f"laneway-conformance-{uuid.uuid4().hex[:6]}"
    place = objects.Place(f"shop-{name[-6:]}", name, driver)
    with ExitStack() as stack:
        stack.enter_context(_furnished(chosen, name))
        hops = stack.enter_context(running(SERVICES, folder / "hops.log"))
        at = mesh.Place(chosen, name)
        made = MeshPlane(place, connect(str(chosen.kubeconfig)), hops, at.host, folder / "mirrors")
        made.settings = objects.settings(place, folder, chosen.kubeconfig)
        stack.callback(made.clear)
        stack.enter_context(_responder(place, made.cluster, at.host, folder / "responder.log"))
        spoken = {number: SPOKEN[port] for port, number in PORTS.items()}
        hops.lay(roads(stack.enter_context(mesh.sidecar(at, spoken))))
        hops.lay({(OUTSIDE, "http"): stack.enter_context(_gateway(at, driver))})
        yield made


@contextmanager
def _responder(place: objects.Place, cluster: Cluster, host: str, log: Path) -> Iterator[None]:
    """`laneway responder`, as the chart would run it."""
    wanted = Settings()
    http, grpc = mesh.free_ports(host, 2)
    where = Instance(wanted.responder_service, BASELINE, host, {"http": http, "grpc": grpc})
    numbers = {"http": wanted.responder_port, "grpc": wanted.responder_grpc_port}
    cluster.apply(objects.service(place, where, numbers), force=True)
    cluster.apply(objects.endpoint_slice(place, where, ready=True), force=True)
    settings = {
        "LANEWAY_RESPONDER_HOST": host,
        "LANEWAY_RESPONDER_PORT": str(http),
        "LANEWAY_RESPONDER_GRPC_PORT": str(grpc),
    }
    with process((*LANEWAY, "responder"), settings, log):
        until(lambda: _listens(host, http), "the responder listens", seconds=60)
        yield


def _elsewhere() -> str:
    """The address of this machine from which it would speak to others."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # of RFC 5737; nothing is sent
        found: str = probe.getsockname()[0]
        return found


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


@contextmanager
def _gateway(at: mesh.Place, driver: str) -> Iterator[Target]:
    """Where requests come in from outside."""
    with mesh.gateway(at, outside.MARKS) as proxy:
        (port,) = mesh.free_ports(at.host, 1)
        if driver == "istio":
            at.cluster.apply(*outside.istio(at.namespace, proxy.address, port))
        else:
            at.cluster.apply(*mesh.gateway_service(at, outside.NAME, outside.MARKS, port))
            at.cluster.apply(*outside.gateway_api(at.namespace, port))
        proxy.wait_for(port)
        yield Target(SERVICES[0], proxy.address, port, outside.HOST)


@contextmanager
def _furnished(chosen: Context, namespace: str) -> Iterator[None]:
    """Lanes are known to the cluster, and there is a namespace."""
    chosen.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=helm", "-f", str(CRDS))
    for kind in ("lanes", "releases"):
        chosen.kubectl("wait", "--for=condition=Established", f"crd/{kind}.laneway.dev", "--timeout=60s")
    chosen.apply(objects.namespace(namespace))
    try:
        yield
    finally:
        chosen.kubectl("delete", "namespace", namespace, "--wait=false")

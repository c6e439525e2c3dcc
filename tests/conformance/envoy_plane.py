"""The built-in driver: a devcluster's API, `laneway router` as a process, a real Envoy before the chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from provisioner.cluster import Cluster
from provisioner.routing.envoy.node import FIRST_LISTENER
from provisioner.routing.router import attachment
from provisioner.routing.router.attachment import Attachment
from tests.conformance import objects
from tests.conformance.hops.application import Instance
from tests.conformance.hops.calling import Target
from tests.conformance.hops.client import Activity, Hops, running
from tests.conformance.objects import Place
from tests.conformance.scene import BASELINE, CHAIN, OUTSIDE, PORTS, SERVICES, Copy, Lane
from tests.support.commands import process
from tests.support.devcluster import devcluster
from tests.support.routerprocess import ROUTER, places
from tests.support.routing import NAMESPACE, Envoy, address, get, wait_until

PLACE = Place(CHAIN, NAMESPACE)
LISTENERS = {
    (service, port): FIRST_LISTENER + len(PORTS) * place + offset
    for place, service in enumerate(SERVICES)
    for offset, port in enumerate(PORTS)
}


class EnvoyPlane:
    """The objects of attached Services and of copies are written as attaching and Kubernetes write them."""

    def __init__(self, cluster: Cluster, hops: Hops, settings: Mapping[str, str]) -> None:
        self.cluster, self.hops, self.place, self.settings = cluster, hops, PLACE, settings
        self._instances: dict[tuple[str, str], Instance] = {}
        cluster.apply(objects.namespace(NAMESPACE), force=True)
        for service in SERVICES:
            self._attach(self._start(service, BASELINE))

    def _start(self, service: str, who: str, *, listens: bool = True) -> Instance:
        made = Instance(service, who, address(), PORTS)
        if listens:
            self.hops.start(made)
        self._instances[service, who] = made
        return made

    def _attach(self, one: Instance) -> None:
        live = objects.service(PLACE, one)
        live["spec"]["selector"] = {"app": one.service}
        live = self.cluster.apply(live, force=True)
        ports = {str(number): LISTENERS[one.service, name] for name, number in PORTS.items()}
        twin = attachment.twin(Attachment(CHAIN, live, ports))
        self.cluster.apply(twin, force=True)
        seen = objects.endpoint_slice(PLACE, one, ready=True, role=twin["metadata"]["labels"])
        self.cluster.apply(seen, force=True)

    def deploy(self, lanes: Mapping[str, Lane]) -> None:
        for name, one in lanes.items():
            for service, copy in one.copies.items():
                self._start(service, name, listens=copy is not Copy.CRASHED)
                self.show(service, name, copy)
            self.cluster.apply(objects.lane(PLACE, name, one), force=True)
            status = {"status": objects.lane_status(one)}
            self.cluster.merge("Lane", f"{CHAIN}.{name}", status, subresource="status")

    def show(self, service: str, lane: str, copy: Copy) -> None:
        made = self._instances[service, lane]
        seen = objects.endpoint_slice(PLACE, made, ready=copy is not Copy.UNREADY)
        self.cluster.apply(seen, force=True)

    def join(self, service: str, lane: str) -> Instance:
        made = Instance(service, lane, address(), PORTS, number=1)
        self.hops.start(made)
        self.cluster.apply(objects.endpoint_slice(PLACE, made, ready=True), force=True)
        return made

    def lose(self, one: Instance) -> Activity:
        state = self.hops.kill(one.service, one.who, one.number)
        self.cluster.delete("EndpointSlice", objects.slice_name(one), NAMESPACE)
        return state

    def settle(self, lane: str, fails_at: int = 0) -> None:
        """No route is written: discovery sees to it all."""

    def withdraw(self, lane: str, fails_at: int = 0) -> None:
        ending = {"status": {"phase": "Terminating"}}
        self.cluster.merge("Lane", f"{CHAIN}.{lane}", ending, subresource="status")

    def remove(self, lane: str) -> None:
        self.cluster.delete("Lane", f"{CHAIN}.{lane}")
        for (service, who), made in list(self._instances.items()):
            if who == lane:
                name = objects.service_name(made)
                self.cluster.delete("EndpointSlice", f"{name}-x", NAMESPACE)
                self.hops.kill(service, who)
                del self._instances[service, who]


def roads(envoy: Envoy) -> dict[tuple[str, str], Target]:
    """Each Service port, as its address leads to the router."""
    found = {
        (service, port): Target(service, envoy.address, listener, f"{service}:{PORTS[port]}")
        for (service, port), listener in LISTENERS.items()
    }
    return found | {(OUTSIDE, "http"): found[SERVICES[0], "http"]}


@contextmanager
def plane(folder: Path) -> Iterator[EnvoyPlane]:
    """Running, with the baseline alone."""
    with ExitStack() as stack:
        api = stack.enter_context(devcluster(folder, "--no-node"))
        hops = stack.enter_context(running(SERVICES, folder / "hops.log"))
        made = EnvoyPlane(api.cluster, hops, objects.settings(PLACE, folder, api.kubeconfig))
        discovery = stack.enter_context(_router(folder, made.settings))
        envoy = Envoy(discovery, sorted(LISTENERS.values()))
        stack.callback(envoy.stop)
        envoy.wait_ready()
        hops.lay(roads(envoy))
        yield made


@contextmanager
def _router(folder: Path, known: Mapping[str, str]) -> Iterator[int]:
    """`laneway router`; the port of its discovery."""
    settings = {**known, **places()}
    with process(ROUTER, settings, folder / "router.log"):
        metrics = int(settings["LANEWAY_METRICS_PORT"])
        wait_until(lambda: _is_ready(metrics), 60, "the router knows the cluster")
        yield int(settings["LANEWAY_DISCOVERY_PORT"])


def _is_ready(port: int) -> bool:
    try:
        return get("127.0.0.1", port, "/readyz")[0] == 200
    except OSError:
        return False

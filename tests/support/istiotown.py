"""Two services in a namespace that a real istiod sees, with a stock Envoy as everybody's sidecar.

Applications are threads of this process, behind Services without a selector: each answers who it is and what
it was asked. Lanes are written as a worker writes them, and `settle` makes their routes.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from devcluster.dev.cluster.context import Context
from provisioner import labels, names
from provisioner.chain.grammar import parse
from provisioner.chain.model import Chain
from provisioner.cluster import Cluster
from provisioner.git import Repositories
from provisioner.lane import store
from provisioner.routing import settle
from provisioner.routing.mesh import Settled
from provisioner.settings import Settings
from provisioner.world import World
from tests.support import mesh
from tests.support.waiting import until

Json = dict[str, Any]

PORT = 8080
SERVICES = ("frontend", "payment")
SERVED = "x-preview-lane-served"


@dataclass(frozen=True)
class Answer:
    """`who` is SERVICE=LANE of the application that answered, empty where none did."""

    status: int
    who: str = ""
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # of the request, as the application saw it
    said: str = ""  # who the response says it is from
    text: str = ""
    to: str = ""  # where a redirect leads


class Town:
    """The chain, what runs of it, and how requests reach it."""

    def __init__(self, real: Context, cluster: Cluster, namespace: str, folder: Path) -> None:
        self.real, self.cluster, self.namespace = real, cluster, namespace
        self.place = mesh.Place(real, namespace)
        self.name = f"shop-{namespace[-8:]}"
        self.host = self.place.host
        self.chain = self.parsed()
        self._servers: dict[tuple[str, str], ThreadingHTTPServer] = {}
        settings = Settings(mirrors=folder)
        repositories = Repositories(folder, max_bytes=settings.mirror_bytes, timeout=20)
        self._world = World(cluster, repositories, settings, lambda: datetime.now(UTC))
        for service in SERVICES:
            self.run(service, "")

    def parsed(self, more: str = "entry: {service: frontend}\n") -> Chain:
        """The chain, with more lines in its file."""
        listed = "".join(
            f"  {one}: {{paths: ['{one}/**'], workload: Deployment/{one}, image: 'x:{{sha}}'}}\n"
            for one in SERVICES
        )
        text = (
            f"chain: {self.name}\nnamespace: {self.namespace}\n"
            f"repositories: [{{url: 'https://example.com/acme/shop.git'}}]\nservices:\n{listed}"
        )
        routing = "" if "routing:" in more else "routing: {driver: istio}\n"
        return parse(text + routing + more, "laneway.yaml")

    def run(self, service: str, lane: str) -> None:
        """An application, the lane's copy or the baseline's, behind its Service."""
        name = names.derived(service, lane) if lane else service
        server = ThreadingHTTPServer((self.host, 0), _answering(f"{service}={lane or 'baseline'}"))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._servers[service, lane] = server
        marks = labels.of_copy(self.name, lane, service) if lane else {}
        port = {"name": "http", "port": PORT, "appProtocol": "http"}
        self.real.apply(_thing("v1", "Service", self.namespace, name, {"spec": {"ports": [port]}}, marks))
        self.show(service, lane, ready=True)

    def show(self, service: str, lane: str, *, ready: bool) -> None:
        """What the cluster says of an application."""
        name = names.derived(service, lane) if lane else service
        marks = labels.of_copy(self.name, lane, service) if lane else {}
        there = {
            "addressType": "IPv4",
            "endpoints": [{"addresses": [self.host], "conditions": {"ready": ready, "serving": ready}}],
            "ports": [{"name": "http", "port": self._servers[service, lane].server_port, "protocol": "TCP"}],
        }
        marks = {**marks, "kubernetes.io/service-name": name}
        self.real.apply(_thing("discovery.k8s.io/v1", "EndpointSlice", self.namespace, name, there, marks))

    def end(self, service: str, lane: str) -> None:
        """An application stops listening; the cluster does not know yet."""
        server = self._servers[service, lane]
        server.shutdown()
        server.server_close()

    def open(self, lane: str, *services: str, mode: str = "loose") -> Settled:
        """A lane with ready copies of these services, and its routes."""
        for service in services:
            self.run(service, lane)
        spec = {"chain": self.name, "lane": lane, "members": [], "mode": mode, "pin": False}
        thing = _thing(labels.API_VERSION, "Lane", "", f"{self.name}.{lane}", {"spec": spec})
        thing["metadata"]["labels"] = labels.of_lane(self.name, lane)
        self.cluster.apply(thing, force=True)
        inside = [{"name": one, "inLane": one in services, "reason": "Changed"} for one in SERVICES]
        status = {"status": {"phase": "Ready", "services": inside}}
        self.cluster.merge("Lane", f"{self.name}.{lane}", status, subresource="status")
        return self.settle(lane)

    def settle(self, lane: str) -> Settled:
        """What a worker does when it hears of a change."""
        found = store.read(self.cluster, self.name, lane)
        assert found is not None
        return settle.settle(self.chain, found, self._world)

    def close(self, lane: str) -> None:
        """The lane's end, as a worker brings it about."""
        found = store.read(self.cluster, self.name, lane)
        if found is not None:
            settle.withdraw(self.chain, found, self._world)
            store.release(self.cluster, found)
            self.cluster.delete("Lane", found.object_name)

    def virtual(self, name: str, **spec: Any) -> Json:
        """The user applies a VirtualService, server-side."""
        self.real.apply(
            _thing("networking.istio.io/v1", "VirtualService", self.namespace, name, {"spec": spec})
        )
        return self.live("virtualservice", name)

    def rule(self, name: str, **spec: Any) -> None:
        """The user applies a DestinationRule."""
        self.real.apply(
            _thing("networking.istio.io/v1", "DestinationRule", self.namespace, name, {"spec": spec})
        )

    def live(self, kind: str, name: str) -> Json:
        return self.real.get(kind, name, "--namespace", self.namespace)

    def stop(self) -> None:
        for lane in [
            one["spec"]["lane"] for one in self.cluster.list("Lane", labels=f"{labels.CHAIN}={self.name}")
        ]:
            self.close(lane)
        for server in self._servers.values():
            server.shutdown()
            server.server_close()


@dataclass(frozen=True)
class Door:
    """Where requests are sent: a proxy's address and port, and the host that they name."""

    address: str
    port: int
    host: str

    def ask(self, path: str = "/", host: str = "", **headers: str) -> Answer:
        """A request; underscores in the names of headers are hyphens."""
        connection = http.client.HTTPConnection(self.address, self.port, timeout=20)
        try:
            given = {key.replace("_", "-"): value for key, value in headers.items()}
            connection.request("GET", path, headers={"host": host or self.host, **given})
            return _heard(connection.getresponse())
        finally:
            connection.close()

    def becomes(self, who: str, path: str = "/", host: str = "", **headers: str) -> Answer:
        """The answer of whom the request meets at last. Where nobody listens at first, istiod still tells the
        proxy what there is: each Service of the cluster at that port may change the listener."""
        seen: list[Answer] = []

        def met() -> bool:
            try:
                seen[:] = [self.ask(path, host, **headers)]
            except ConnectionRefusedError:
                seen.clear()
            return bool(seen) and seen[0].who == who

        until(met, f"{path} is answered by {who or 'nobody'}; last by {seen}", seconds=60)
        return seen[0]


@contextmanager
def town(real: Context, cluster: Cluster, namespace: str, folder: Path) -> Iterator[tuple[Town, mesh.Proxy]]:
    """The town, and the sidecar of all who call in it."""
    with ExitStack() as stack:
        made = Town(real, cluster, namespace, folder)
        stack.callback(made.stop)
        yield made, stack.enter_context(mesh.sidecar(made.place, {PORT: "HTTP"}))


def rejected(proxy: mesh.Proxy) -> int:
    """How often the proxy has refused what istiod told it."""
    lines = proxy.admin("/stats?filter=update_rejected").splitlines()
    return sum(int(line.rpartition(": ")[2]) for line in lines if line.strip())


def _heard(response: http.client.HTTPResponse) -> Answer:
    body = response.read().decode()
    said, to = response.headers.get(SERVED, ""), response.headers.get("location", "")
    if response.status != 200:
        return Answer(response.status, said=said, text=body, to=to)
    told = json.loads(body)
    return Answer(200, told["who"], told["path"], told["headers"], said)


def _answering(who: str) -> type[BaseHTTPRequestHandler]:
    class Application(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"  # so that no connection outlives `end`

        def do_GET(self) -> None:
            headers = {key.lower(): value for key, value in self.headers.items()}
            body = json.dumps({"who": who, "path": self.path, "headers": headers}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    return Application


def _thing(
    version: str, kind: str, namespace: str, name: str, more: Json, marks: Mapping[str, str] | None = None
) -> Json:
    metadata: Json = {"name": name, **({"namespace": namespace} if namespace else {})}
    if marks:
        metadata["labels"] = dict(marks)
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}

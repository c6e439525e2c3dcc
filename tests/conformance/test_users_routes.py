"""The users' own HTTPRoutes of a Service, held to what a real istiod makes of them with lanes beside them.

Every request that names no lane goes where it went before; one that names a lane meets the same rule, with
the lane's copy where the Service was.
"""

from __future__ import annotations

import http.client
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from devcluster.dev.cluster.context import Context
from provisioner import labels
from provisioner.chain.model import Chain, Driver
from provisioner.cluster import Cluster, connect
from provisioner.git import Repositories
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane
from provisioner.routing import settle
from provisioner.settings import Settings
from provisioner.world import World
from tests.support import scene
from tests.support.mesh import Place, Proxy, sidecar
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(
    os.environ.get("LANEWAY_CONFORMANCE") != "gateway-api", reason="make conformance DRIVER=gateway-api"
)

Json = dict[str, Any]
NAMESPACE, CHAIN, LANE = "laneway-users-routes", "users-routes", "pr-1"
PORT = 8080
MATCHES: list[tuple[Json, str]] = [
    ({"path": {"type": "PathPrefix", "value": "/reports"}}, "payment"),
    ({"path": {"type": "PathPrefix", "value": "/reports/old"}}, "archive"),
    ({"path": {"type": "Exact", "value": "/reports/old/exact"}}, "payment"),
    ({"method": "DELETE"}, "archive"),
    ({"headers": [{"name": "x-tenant", "value": "acme"}]}, "archive"),
    ({"queryParams": [{"name": "v", "value": "2"}]}, "archive"),
    ({"path": {"type": "PathPrefix", "value": "/"}}, "payment"),
]
REQUESTS: list[tuple[str, str, dict[str, str], str]] = [
    ("GET", "/", {}, "payment"),
    ("GET", "/reports", {}, "payment"),
    ("GET", "/reports/old/1", {}, "archive"),
    ("GET", "/reports/old/exact", {}, "payment"),
    ("DELETE", "/", {}, "archive"),
    ("DELETE", "/reports", {}, "payment"),
    ("GET", "/", {"x-tenant": "acme"}, "archive"),
    ("GET", "/", {"x-tenant": "other"}, "payment"),
    ("GET", "/?v=2", {}, "archive"),
    ("GET", "/reports?v=2", {"x-tenant": "acme"}, "payment"),
]


class _Application(BaseHTTPRequestHandler):
    """Answers with its own name."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = str(getattr(self.server, "called")).encode()  # noqa: B009
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def application(called: str, host: str) -> Iterator[int]:
    server = ThreadingHTTPServer((host, 0), _Application)
    server.called = called  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def publish(cluster: Cluster, called: str, port: int, host: str, marks: dict[str, str]) -> None:
    """A Service, and an endpoint of it on this machine."""
    metadata = {"name": called, "namespace": NAMESPACE}
    spec = {"ports": [{"name": "http", "port": PORT, "targetPort": port}]}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {**metadata, "labels": marks}, "spec": spec},
        force=True,
    )
    cluster.apply(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**metadata, "labels": {**marks, "kubernetes.io/service-name": called}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
            "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
        },
        force=True,
    )


def users_route() -> Json:
    parent = {"group": "", "kind": "Service", "name": "payment", "port": PORT}
    rules = [{"matches": [match], "backendRefs": [{"name": to, "port": PORT}]} for match, to in MATCHES]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "payment", "namespace": NAMESPACE},
        "spec": {"parentRefs": [parent], "rules": rules},
    }


def asked(proxy: Proxy, method: str, path: str, headers: dict[str, str]) -> str:
    """Who answers; the status where nobody does."""
    connection = http.client.HTTPConnection(proxy.address, PORT, timeout=10)
    try:
        connection.request(method, path, headers={"Host": f"payment.{NAMESPACE}", **headers})
        answer = connection.getresponse()
        text = answer.read().decode()
        return text if answer.status == 200 else str(answer.status)
    except OSError as error:
        return type(error).__name__
    finally:
        connection.close()


@contextmanager
def opened(cluster: Cluster) -> Iterator[Lane]:
    lane = lanes.write(cluster, Lane(CHAIN, LANE))
    try:
        yield lane
    finally:
        lanes.remove(cluster, lane)


def chain() -> Chain:
    made = scene.chain(CHAIN)
    services = tuple(replace(one, namespace=NAMESPACE) for one in made.services)
    return replace(made, driver=Driver.GATEWAY_API, services=services)


@pytest.fixture
def proxy() -> Iterator[tuple[Proxy, Cluster]]:
    """A client's sidecar, beside payment, archive and a copy of payment."""
    context = Context(os.environ["LANEWAY_CLUSTER"], Path(os.environ["KUBECONFIG"]))
    place, cluster = Place(context, NAMESPACE), connect(os.environ["KUBECONFIG"], context.name)
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, force=True)
    try:
        with ExitStack() as stack:
            for called, marks in (
                ("payment", {}),
                ("archive", {}),
                (f"payment--{LANE}", labels.of_copy(CHAIN, LANE, "payment")),
            ):
                port = stack.enter_context(application(called, place.host))
                publish(cluster, called, port, place.host, marks)
            yield stack.enter_context(sidecar(place, {PORT: "HTTP"})), cluster
    finally:
        cluster.delete("Namespace", NAMESPACE)


def test_every_rule_of_the_user_holds_for_lanes_and_without_one(proxy: tuple[Proxy, Cluster]) -> None:
    there, cluster = proxy
    world = World(
        cluster, Repositories(Path("none"), max_bytes=1, timeout=1), Settings(), lambda: datetime.now(UTC)
    )
    cluster.create(users_route())
    until(
        lambda: all(asked(there, *one[:3]) == one[3] for one in REQUESTS), "the user's route has effect", 60
    )
    with opened(cluster) as lane:
        settle.settle(chain(), lane, world)
        header, copy = {"x-preview-lane": LANE}, f"payment--{LANE}"
        until(lambda: asked(there, "GET", "/", header) == copy, "the lane's has effect", 60)
        for method, path, headers, wanted in REQUESTS:
            assert asked(there, method, path, headers) == wanted, (method, path, headers)
            mine = copy if wanted == "payment" else wanted
            assert asked(there, method, path, {**headers, **header}) == mine, (method, path, headers)
        settle.withdraw(chain(), lane, world)
        until(lambda: asked(there, "GET", "/", header) == "payment", "the lane's is gone", 60)
        assert all(asked(there, *one[:3]) == one[3] for one in REQUESTS)

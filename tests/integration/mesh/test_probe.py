"""The mesh is asked who answers; here by a proxy that says what the test has it say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from provisioner.chain.model import Carriers
from tests.support.meshed import Meshed


@dataclass
class Proxy:
    """It answers for every host; `says` is who it says has answered, in `header`, empty for none."""

    says: str = ""
    header: str = "x-preview-lane-served"
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    there = Proxy()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            headers = self.headers
            there.asked.append((self.command, headers["host"], headers.get("x-preview-lane", "")))
            self.send_response(200)
            if there.says:
                self.send_header(there.header, there.says)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield there
    server.shutdown()
    thread.join()
    server.server_close()


def through(mesh: Meshed, address: str) -> Meshed:
    settings = mesh.scene.world.settings.model_copy(update={"probe_through": address})
    mesh.scene.world = replace(mesh.scene.world, settings=settings)
    return mesh


def test_a_route_without_effect_is_said_and_asked_about_again(mesh: Meshed, proxy: Proxy) -> None:
    through(mesh, proxy.address).opened("pr-1", "payment")
    outcome = mesh.converge("pr-1")
    said = mesh.condition("pr-1")
    assert "is not answered by payment=pr-1" in said["message"] and "with 200" in said["message"]
    assert outcome.again is not None and outcome.again <= 2
    assert set(proxy.asked) == {("HEAD", "payment.shop.svc.cluster.local:8080", "pr-1")}


def test_a_route_that_never_has_effect_is_asked_about_ever_less_often(mesh: Meshed, proxy: Proxy) -> None:
    through(mesh, proxy.address).opened("pr-1", "payment")
    waits = []
    for _ in range(12):
        waits.append(mesh.converge("pr-1").again or 0.0)
        mesh.scene.clock.step(waits[-1])
    assert waits[0] <= 2 and waits[-1] == 300 and waits == sorted(waits)
    mesh.pods("pr-1", "payment", False)
    mesh.converge("pr-1")
    mesh.pods("pr-1", "payment", True)
    mesh.converge("pr-1")
    proxy.says = "payment=pr-1"
    mesh.converge("pr-1")
    lane = mesh.lane("pr-1")
    assert lane is not None and lane.status["routesConfirmed"] and "routesUnconfirmed" not in lane.status


def test_routes_that_change_are_asked_about_soon_again(mesh: Meshed, proxy: Proxy) -> None:
    through(mesh, proxy.address).opened("pr-1", "payment", "orders")
    mesh.scene.clock.step(600)
    assert mesh.converge("pr-1").again == 300
    mesh.pods("pr-1", "orders", False)
    again = mesh.converge("pr-1").again
    assert again is not None and again <= 2


def test_a_proxy_that_is_away_is_waited_for_once(mesh: Meshed) -> None:
    through(mesh, "http://127.0.0.1:1").opened("pr-1", "payment", "orders")
    assert mesh.condition("pr-1")["message"].count("nobody answers") == 1


def test_a_route_that_has_effect_is_asked_about_once(mesh: Meshed, proxy: Proxy) -> None:
    proxy.says = "payment=pr-1"
    through(mesh, proxy.address).opened("pr-1", "payment")
    lane = mesh.lane("pr-1")
    assert lane is not None and lane.status["routesConfirmed"]
    before = len(proxy.asked)
    mesh.converge("pr-1")
    assert len(proxy.asked) == before
    mesh.opened("pr-2", "orders")
    assert "orders" in mesh.condition("pr-2")["message"], "another answers there than should"


def test_a_chain_with_a_header_of_its_own_is_told_by_the_one_called_after_it(
    mesh: Meshed, proxy: Proxy
) -> None:
    proxy.says, proxy.header = "payment=pr-1", "x-lane-served"
    mesh.scene.chain = replace(mesh.chain, carriers=Carriers(header="x-lane"))
    through(mesh, proxy.address).opened("pr-1", "payment")
    lane = mesh.lane("pr-1")
    assert lane is not None and lane.status["routesConfirmed"]


def test_a_proxy_that_is_away_is_said(mesh: Meshed) -> None:
    through(mesh, "http://127.0.0.1:1").opened("pr-1", "payment")
    assert "nobody answers a request of the lane" in mesh.condition("pr-1")["message"]


def test_nobody_is_asked_unless_that_is_set_up(mesh: Meshed, proxy: Proxy) -> None:
    mesh.opened("pr-1", "payment")
    lane = mesh.lane("pr-1")
    assert not proxy.asked and lane is not None and "routesConfirmed" not in lane.status

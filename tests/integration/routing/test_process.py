"""`laneway router` as a process: its health, its word on what is missing, its end."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.support.commands import process, refusal
from tests.support.ports import free_port
from tests.support.routerprocess import ROUTER, places
from tests.support.routing import get, wait_until

CHAIN = """
chain: shop
namespace: shop
repositories: [{url: "https://example.com/acme/shop.git"}]
services:
  payment: {paths: [payment/**], workload: Deployment/payment, image: "example/payment:{sha}"}
"""
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: gone, cluster: {server: "http://127.0.0.1:%d"}}]
users: [{name: nobody, user: {}}]
contexts: [{name: gone, context: {cluster: gone, user: nobody}}]
current-context: gone
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Settings of a router, with an API server that nobody listens at."""
    (tmp_path / "shop.yaml").write_text(CHAIN)
    (tmp_path / "kubeconfig").write_text(KUBECONFIG % free_port())
    return {
        "LANEWAY_CHAINS": str(tmp_path / "shop.yaml"),
        "LANEWAY_KUBECONFIG": str(tmp_path / "kubeconfig"),
        **places(),
    }


@pytest.fixture
def router(environment: dict[str, str], tmp_path: Path):
    """The process, its metrics port and its chain file."""
    with process(ROUTER, environment, tmp_path / "log") as running:
        yield running, int(environment["LANEWAY_METRICS_PORT"]), tmp_path / "shop.yaml"


def answer(port: int, path: str):
    try:
        return get("127.0.0.1", port, path)
    except OSError:
        return None


def test_a_router_without_a_cluster_lives_says_what_is_missing_and_ends_when_told(router):
    running, port, _ = router
    wait_until(lambda: answer(port, "/livez"), 60, "the router's first answer")
    assert answer(port, "/livez")[0] == 200
    status, _, body = answer(port, "/readyz")
    assert status == 503
    assert b"EndpointSlice in shop" in body
    assert b"laneway_router_streams" in answer(port, "/metrics")[2]
    running.terminate()
    assert running.wait(30) == 0


def test_a_chain_file_that_becomes_wrong_is_said_and_does_not_end_the_router(router):
    running, port, file = router
    wait_until(lambda: answer(port, "/livez"), 60, "the router's first answer")

    file.write_text(CHAIN.replace("workload", "wrkload"))
    wait_until(lambda: b"wrkload" in answer(port, "/readyz")[2], what="what is wrong")
    assert b"shop.yaml:6" in answer(port, "/readyz")[2]

    file.write_text(CHAIN)
    wait_until(lambda: b"wrkload" not in answer(port, "/readyz")[2], what="that it is mended")
    assert running.poll() is None


def test_an_address_that_is_taken_is_said_in_one_line(environment):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environment["LANEWAY_DISCOVERY_PORT"] = str(taken.getsockname()[1])
        assert "LANEWAY_DISCOVERY_PORT: 127.0.0.1:" in refusal(ROUTER, environment)


def test_a_router_of_a_chain_with_links_does_not_start_without_their_key(environment, tmp_path):
    file, keys = tmp_path / "shop.yaml", tmp_path / "keys"
    file.write_text(CHAIN + "entry: {service: payment, host: '{lane}.example.com', link: preview}\n")
    keys.write_text("secret")
    for named, why in (("", "there is no key"), (str(keys), "key 1 can be guessed")):
        said = refusal(ROUTER, {**environment, "LANEWAY_LINK_KEYS_FILE": named})
        assert "LANEWAY_LINK_KEYS_FILE" in said
        assert why in said
        assert "openssl rand -hex 32" in said

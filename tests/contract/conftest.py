"""The contract suite's subject: an API server, given by a kubeconfig, or a devcluster started for the module.

`pytest tests/contract --contract-kubeconfig PATH` runs the very same cases on a real API server, in
namespaces made for them.
"""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.support.apiserver import MERGE, Cluster, started


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--contract-kubeconfig", default="", help="run the contract cases on this API server")


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The API server under test."""
    given = request.config.getoption("--contract-kubeconfig")
    if given:
        with _client(Path(given)) as client:
            yield Cluster(client)
        return
    with started(tmp_path_factory.mktemp("devcluster")) as server:
        yield server.cluster


def _client(kubeconfig: Path) -> httpx.Client:
    config = yaml.safe_load(kubeconfig.read_text())
    server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    headers = {"authorization": f"Bearer {user['token']}"} if "token" in user else {}
    return httpx.Client(base_url=server["server"], headers=headers, verify=context, timeout=30)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the case's own."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    cluster.post("/api/v1/namespaces", {"metadata": {"name": name}}, expect=201)
    cluster.await_found(f"/api/v1/namespaces/{name}/serviceaccounts/default")
    yield name
    cluster.delete(f"/api/v1/namespaces/{name}")
    _let_go(cluster, f"/api/v1/namespaces/{name}/configmaps")


def _let_go(cluster: Cluster, maps: str) -> None:
    """What a case that failed still holds would keep its namespace for ever."""
    for held in cluster.get(maps)["items"]:
        if held["metadata"].get("finalizers"):
            path = f"{maps}/{held['metadata']['name']}"
            cluster.send("PATCH", path, {"metadata": {"finalizers": None}}, type_=MERGE)

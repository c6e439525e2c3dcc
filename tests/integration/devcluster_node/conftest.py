"""A node in the test's process, and a git repository with a small server to run on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.nodecluster import SERVER, NodeCluster, env, make_repository

Object = dict[str, Any]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[NodeCluster]:
    cluster = NodeCluster(tmp_path / "state")
    cluster.start()
    yield cluster
    cluster.stop()


@dataclass(frozen=True)
class Shop:
    """A repository whose folder `web` holds the server."""

    repository: Path
    sha: str

    def image(self, sha: str = "", folder: str = "web") -> str:
        return f"git+{self.repository}@{sha or self.sha}#{folder}"


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    repository = tmp_path_factory.mktemp("shop")
    return Shop(repository, make_repository(repository, {"web/server.py": SERVER}))


@pytest.fixture
def web(shop: Shop) -> Callable[..., Object]:
    """Makes the container of the server; arguments change its fields."""

    def make(version: str = "1", **fields: Any) -> Object:
        probe = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1}
        return {
            "name": "web",
            "image": shop.image(),
            "command": ["python", "server.py"],
            "env": env(VERSION=version),
            "ports": [{"name": "http", "containerPort": 8080}],
            "readinessProbe": probe,
            **fields,
        }

    return make

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provisioner.chain.model import Chain, Repository, Service, WorkloadRef
from provisioner.changes import Source
from provisioner.git import Repositories
from provisioner.lane.model import Member
from tests.support.origin import Origin

SERVICES = ("frontend", "orders", "payment", "logistics")


def service(name: str, *paths: str, image: str = "registry/{sha}") -> Service:
    return Service(name, WorkloadRef("Deployment", name), image, "shop", paths or (f"services/{name}/**",))


class Reader:
    """Reads branches of one origin as a worker does."""

    def __init__(self, origin: Origin, root: Path, *, timeout: float = 20.0, max_bytes: int = 10**9) -> None:
        self.origin = origin
        self.repository = Repository(origin.url, "acme/shop")
        self.chain = self.chain_of(*(service(name) for name in SERVICES))
        self.repositories = Repositories(root, max_bytes=max_bytes, timeout=timeout)

    def chain_of(self, *services: Service) -> Chain:
        return Chain("shop", (self.repository,), services, source="laneway.yaml")

    def member(self, branch: str, sha: str = "") -> Member:
        return Member("acme/shop", branch, sha, 7, datetime(2026, 5, 1, tzinfo=UTC))

    def __call__(self, branch: str, *services: Service) -> Source:
        chain = self.chain_of(*services) if services else self.chain
        return self.repositories.read(chain, self.repository, self.member(branch))


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    """A repository with one file per service on main."""
    made = Origin(tmp_path / "forge/acme/shop.git")
    made.commit("main", {f"services/{name}/app.py": name for name in SERVICES} | {"README.md": "shop"})
    return made


@pytest.fixture
def mirrors(tmp_path: Path) -> Path:
    return tmp_path / "mirrors"


@pytest.fixture
def read(origin: Origin, mirrors: Path) -> Reader:
    return Reader(origin, mirrors)


@pytest.fixture
def reader(origin: Origin, mirrors: Path) -> Callable[..., Reader]:
    """Makes readers of the origin over the same mirrors, as other processes would be."""
    return lambda **settings: Reader(origin, mirrors, **settings)

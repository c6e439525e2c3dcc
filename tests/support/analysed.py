"""A release that is measured again and again, each time with what its status kept of the last."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration

from provisioner.chain import grammar
from provisioner.chain.model import Chain
from provisioner.chain.strategy import Analysis, Strategy
from provisioner.cluster import Cluster
from provisioner.git import Repositories
from provisioner.lane.model import stamp
from provisioner.release.analysis import measure
from provisioner.release.model import Change, Release
from provisioner.release.observed import Measured
from provisioner.settings import Settings
from provisioner.world import World

BEGUN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TEXT = """\
chain: shop
namespace: shop-ns
repositories: [{{url: "https://git.example.com/acme/shop.git", base: main}}]
services:
  payment: {{paths: ["payment/**"], workload: Deployment/payment, image: "example/payment:{{sha}}"}}
  frontend: {{paths: ["frontend/**"], workload: Deployment/frontend, image: "example/frontend:{{sha}}"}}
entry: {{service: frontend}}
routing: {{driver: {driver}}}
"""


def shop(driver: str) -> Chain:
    """A chain of two services that is entered at `frontend`."""
    return grammar.parse(TEXT.format(driver=driver), "laneway.yaml")


def world(folder: Path, cluster: Cluster | None = None) -> World:
    """A world whose cluster is where nobody answers, unless there is one."""
    settings = Settings(mirrors=folder)
    repositories = Repositories(folder, max_bytes=settings.mirror_bytes, timeout=20)
    return World(cluster or nowhere(), repositories, settings, lambda: datetime.now(UTC))


def nowhere() -> Cluster:
    """A cluster that cannot be reached."""
    return Cluster(ApiClient(Configuration(host="http://127.0.0.1:1")))


class Watched:
    """A release of `payment` whose share is `weight`; time goes on as the test says."""

    def __init__(
        self, chain: Chain, world: World, analysis: Analysis | None, *, weight: int = 10, name: str = "pr-4"
    ) -> None:
        self.now = BEGUN
        strategy = Strategy(analysis=analysis)
        self._chain, self._world = replace(chain, release=strategy), world
        changes = (Change("payment", "example/payment:2"),)
        self.release = Release(chain.name, name, changes, strategy)
        self.weigh(weight)

    def weigh(self, weight: int) -> None:
        """The share changes now."""
        self._put(weight=weight, weightAt=stamp(self.now))

    def look(self, seconds: float = 10) -> Measured:
        """What is measured that much later; it is kept as a release's job keeps it."""
        self.now += timedelta(seconds=seconds)
        found = measure(self.release, self._chain, self._world, self.now)
        kept = {
            "opinion": found.opinion.value,
            "message": found.message,
            "since": found.since,
            "rows": list(found.rows),
            "state": found.state,
        }
        self._put(analysis=kept)
        return found

    def _put(self, **more: object) -> None:
        self.release = replace(self.release, status={**self.release.status, **more})

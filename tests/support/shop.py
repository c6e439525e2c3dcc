"""A small shop: a chain, its repository, and its baseline in a cluster that runs no pods."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from provisioner.chain.grammar import parse
from provisioner.chain.model import Chain
from provisioner.cluster import Cluster
from provisioner.events import ForgeEvent, Kind
from provisioner.git import Repositories
from provisioner.settings import Settings
from provisioner.world import World
from tests.support.origin import Origin

Json = dict[str, Any]
SERVICES = ("frontend", "orders", "payment")
REPOSITORY = "acme/shop"


class Clock:
    """The time, as the test sets it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def step(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@dataclass
class Shop:
    """A chain over a repository and a cluster, and the world in which it is reconciled."""

    origin: Origin
    chain: Chain
    world: World
    clock: Clock
    pulls: dict[str, int] = field(default_factory=dict)

    @property
    def cluster(self) -> Cluster:
        return self.world.cluster

    def event(self, kind: Kind, branch: str, *, at: datetime | None = None, **changes: Any) -> ForgeEvent:
        """What the forge would say of a branch's pull request now."""
        pull = self.pulls.setdefault(branch, len(self.pulls) + 1)
        parts: Json = {
            "forge": "github",
            "delivery": f"{kind}-{branch}-{self.clock.now.timestamp()}",
            "kind": kind,
            "repository": REPOSITORY,
            "ref": branch,
            "sha": "0" * 40,
            "updated_at": at or self.clock.step(1),
            "pull": 0 if kind in (Kind.PUSHED, Kind.DELETED) else pull,
            "base": "main",
            "head_repository": REPOSITORY,
        }
        return ForgeEvent(**{**parts, **changes})

    def owned(self, lane: str) -> dict[str, Json]:
        """What bears the lane's label: KIND/NAME to object."""
        selector = f"laneway.dev/chain={self.chain.name},laneway.dev/lane={lane}"
        return {
            f"{kind}/{one['metadata']['name']}": one
            for kind in ("Service", "Deployment", "StatefulSet", "ConfigMap", "Pod")
            for one in self.cluster.list(kind, self.chain.namespaces[0], selector)
        }


def open_shop(folder: Path, cluster: Cluster, name: str) -> Shop:
    """A shop in a chain and namespace called `name`, its repository and mirrors below `folder`."""
    origin = Origin(folder / "acme" / "shop.git")
    files = {f"{service}/app.py": "1" for service in SERVICES}
    origin.commit("main", {**files, "libs/money.py": "1", "README.md": "shop"})
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, force=True)
    for service in SERVICES:
        for one in baseline(service, name):
            cluster.apply(one, force=True)
    clock = Clock()
    settings = Settings(mirrors=folder / "mirrors", drain_seconds=2)
    repositories = Repositories(settings.mirrors, max_bytes=settings.mirror_bytes, timeout=20)
    return Shop(origin, chain(origin, name), World(cluster, repositories, settings, clock), clock)


def chain(origin: Origin, called: str) -> Chain:
    return parse(chain_file(origin, called, called), "laneway.yaml")


def chain_file(origin: Origin, called: str, namespace: str) -> str:
    """The text of a chain's file; its baseline lies in `namespace`."""
    services = "\n".join(
        f'  {name}: {{paths: ["{name}/**"], workload: Deployment/{name}, image: "{name}:{{sha}}"}}'
        for name in SERVICES
    )
    return (
        f"chain: {called}\nnamespace: {namespace}\n"
        f"repositories: [{{url: '{origin.url}', name: {REPOSITORY}}}]\n"
        f"services:\n{services}\nshared_paths: {{'libs/**': [orders, payment]}}\n"
        "entry: {service: frontend, host: '{lane}.preview.example.com'}\n"
    )


def baseline(service: str, namespace: str) -> tuple[Json, Json]:
    """A Service and a Deployment as a team would write them."""
    labels = {"app": service}
    return (
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": service, "namespace": namespace},
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 8080, "targetPort": "http"}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": service, "namespace": namespace, "labels": labels},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "containers": [
                            {
                                "name": service,
                                "image": f"{service}:main",
                                "env": [{"name": "LEVEL", "value": "info"}],
                                "ports": [{"name": "http", "containerPort": 8080}],
                            }
                        ]
                    },
                },
            },
        },
    )

"""A shop on a real API server, real git and a real Valkey, and workers that may die."""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import redis

from provisioner.chain import folder as chains
from provisioner.chain.model import Chain
from provisioner.cluster import connect
from provisioner.events import Kind
from provisioner.git import Repositories
from provisioner.settings import Settings
from provisioner.world import World
from tests.support import law, lives
from tests.support.crashes import Call, Moment, killed_at
from tests.support.devcluster import Devcluster
from tests.support.shop import REPOSITORY, Shop, chain_file, open_shop
from workers import queue
from workers.queue import Queue

NAMESPACE = "crashes"
OPENED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Stage:
    """A shop and the settings of the workers that serve it."""

    shop: Shop
    chain: Chain
    settings: Settings
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "workers.log"

    @property
    def world(self) -> World:
        """The world as a worker with these settings sees it."""
        repositories = Repositories(self.settings.mirrors, max_bytes=10**9, timeout=20)
        return World(
            connect(self.settings.kubeconfig), repositories, self.settings, lambda: datetime.now(UTC)
        )

    def apart(self, name: str) -> Stage:
        """The same shop as a chain of that name, with mirrors and a ledger that nobody has used yet."""
        path = self.folder / f"{name}.yaml"
        text = chain_file(self.shop.origin, name, NAMESPACE)
        path.write_text(f"{text}lifecycle: {{max_lanes: 1000}}\n")
        changed = {"chains": path, "mirrors": self.folder / "mirrors" / name}
        return replace(self, chain=chains.load(path)[0], settings=self.settings.model_copy(update=changed))

    def hand(self, number: int) -> Stage:
        """The same with a queue and mirrors of its own."""
        url = f"{self.settings.redis_url.rpartition('/')[0]}/{number}"
        changed = {"redis_url": url, "mirrors": self.folder / f"mirrors-{number}"}
        return replace(self, settings=self.settings.model_copy(update=changed))

    def tell(self, kind: Kind, branch: str, minutes: int) -> None:
        """What the receiver does with a delivery."""
        event = self.shop.event(kind, branch, at=OPENED + timedelta(minutes=minutes))
        with self.redis() as client:
            assert Queue(client).put(queue.deliver(event.to_json(), event.delivery, self.chain.name))

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.settings.redis_url, decode_responses=True)

    def dies(self, call: Call, moment: Moment) -> None:
        ended = lives.life(self.settings, self.log, killed_at(call.number, moment))
        assert ended == -signal.SIGKILL, f"{call} never came: {ended}; {self.log.read_text()[-2000:]}"

    def another_takes_over(self) -> None:
        with self.redis() as client:
            lives.survived(self.settings, client, self.log)

    def breaches(self, branch: str, *, open: bool = True) -> list[str]:
        """What is wrong with the lane of a branch whose pull request is open, or is not."""
        head = {f"{REPOSITORY}#{self.shop.pulls[branch]}": self.shop.origin.sha(branch)}
        return law.of_lane(self.chain, self.world, branch, head if open else None)


def furnished(dev: Devcluster, redis_url: str, folder: Path) -> Stage:
    """The shop, as a chain that has room for a lane at every point."""
    shop = open_shop(folder / "shop", dev.cluster, NAMESPACE)
    settings = Settings(kubeconfig=str(dev.kubeconfig), redis_url=redis_url, drain_seconds=0, git_seconds=20)
    return Stage(shop, shop.chain, settings, folder).apart(NAMESPACE)

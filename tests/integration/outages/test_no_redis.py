"""Processes that start where no Redis answers: each says which setting is meant, what it met there and what
to do, stays, and goes on by itself once one answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import web
from tests.support.commands import LANEWAY, process, serving
from tests.support.deliveries import SECRET, body, headers, payload
from tests.support.devcluster import devcluster
from tests.support.ports import free_port
from tests.support.valkeys import server, url
from tests.support.waiting import until
from workers import queue
from workers.queue import Queue

CHAIN = """\
chain: shop
namespace: shop
repositories: [{url: "https://github.com/acme/shop"}]
services:
  payment: {paths: [payment/**], workload: Deployment/payment, image: "example/payment:{sha}"}
"""
WHERE, WHAT, TO_DO = "LANEWAY_REDIS_URL: cannot", "Connection refused", "see that Redis runs there"


@pytest.fixture
def port() -> int:
    """Of a Redis that is not there."""
    return free_port()


@pytest.fixture
def settings(tmp_path: Path, port: int) -> dict[str, str]:
    chains = tmp_path / "chains.yaml"
    chains.write_text(CHAIN)
    return {
        "LANEWAY_REDIS_URL": url(port),
        "LANEWAY_CHAINS": str(chains),
        "LANEWAY_GITHUB_SECRETS": SECRET,
        "LANEWAY_MIRRORS": str(tmp_path / "mirrors"),
        "LANEWAY_METRICS_HOST": "127.0.0.1",
        "LANEWAY_METRICS_PORT": "0",
    }


@contextmanager
def redis_at(port: int, folder: Path) -> Iterator[Queue]:
    """It comes at last."""
    running, client = server(folder, port), queue.connect(url(port))
    running.start()
    try:
        yield Queue(client)
    finally:
        client.close()
        running.terminate()


def is_told(text: str) -> bool:
    return any(all(part in line for part in (WHERE, WHAT, TO_DO)) for line in text.splitlines())


def test_serve_says_so_in_its_log_and_to_whoever_asks_and_takes_deliveries_later(
    tmp_path: Path, settings: dict[str, str], port: int
) -> None:
    raw = body(payload("push"))
    with serving(settings, tmp_path) as base:
        assert is_told((tmp_path / "serve.log").read_text())
        asked = web.get(f"{base}/readyz")
        assert asked.status_code == 503 and is_told(asked.json()["problems"]["redis"])
        refused = web.post(f"{base}/hooks/github", content=raw, headers=headers("push", raw))
        assert refused.status_code == 503 and refused.headers["retry-after"]
        with redis_at(port, tmp_path / "valkey"):
            until(lambda: web.get(f"{base}/readyz").status_code == 200, "it is ready")
            taken = web.post(f"{base}/hooks/github", content=raw, headers=headers("push", raw))
            assert taken.status_code == 202


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_worker_and_beat_say_so_and_go_on_when_one_answers(
    tmp_path: Path, settings: dict[str, str], port: int, name: str
) -> None:
    log, state = tmp_path / f"{name}.log", tmp_path / "cluster"
    state.mkdir()
    with devcluster(state, "--no-node") as dev:
        chosen = {**settings, "LANEWAY_KUBECONFIG": str(dev.kubeconfig)}
        with process([*LANEWAY, name], chosen, log) as running:
            until(lambda: is_told(log.read_text()) or running.poll() is not None, "it says what is missing")
            assert running.poll() is None, log.read_text()
            with redis_at(port, tmp_path / "valkey") as jobs:
                if name == "worker":
                    jobs.put(queue.deliver({}, "github/d-1", "shop"))
                    until(lambda: not jobs.waiting(), "the job is taken", seconds=60)
                else:
                    until(lambda: jobs.waiting(), "its first sweep is queued", seconds=60)
            assert running.poll() is None, log.read_text()
            assert "Traceback" not in log.read_text()

"""The gate that Rollouts ask, over HTTP, as their controller does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from provisioner.chain.model import Chain, Service, WorkloadRef
from provisioner.cluster import NotFoundError
from provisioner.errors import ClusterError
from provisioner.settings import Settings
from workers.exposition import Health, Pulse, serve
from workers.gate import Gate

Json = dict[str, Any]


class Book:
    """The chain `shop`: two Rollouts in two namespaces, and a Deployment."""

    def chains(self) -> dict[str, Chain]:
        order = Service("order", WorkloadRef("Rollout", "order"), "", "front", ())
        payment = Service("payment", WorkloadRef("Rollout", "pay"), "", "back", ())
        plain = Service("logistics", WorkloadRef("Deployment", "logistics"), "", "back", ())
        return {"shop": Chain("shop", (), (order, payment, plain))}


class Cluster:
    """Rollouts by namespace; an error instead of them is raised."""

    def __init__(self, found: dict[str, list[Json]] | Exception) -> None:
        self.found = found

    def list(self, kind: str, namespace: str) -> list[Json]:
        assert kind == "Rollout"
        if isinstance(self.found, Exception):
            raise self.found
        return self.found[namespace]


def rollout(name: str, step: int, **status: Any) -> Json:
    told = {"observedGeneration": "1", "stableRS": "old", "currentPodHash": "new", "currentStepIndex": step}
    return {"metadata": {"name": name, "generation": 1}, "spec": {}, "status": {**told, **status}}


def ask(tmp_path: Path, found: dict[str, list[Json]] | Exception, path: str) -> httpx.Response:
    port_file = tmp_path / "port"
    gate = Gate(Book(), Cluster(found))  # type: ignore[arg-type]
    settings = Settings(metrics_host="127.0.0.1", metrics_port=0)
    serve(settings, port_file, Health(Pulse(60), {}), gate.answer)
    return httpx.get(f"http://127.0.0.1:{port_file.read_text().strip()}{path}", timeout=20)


@pytest.mark.parametrize(("step", "word"), [(1, "go"), (0, "wait")])
def test_a_rollout_hears_whether_the_others_have_arrived(tmp_path: Path, step: int, word: str) -> None:
    there = {"front": [rollout("order", 1), rollout("other", 0)], "back": [rollout("pay", step)]}
    found = ask(tmp_path, there, "/releases/shop/gate?rollout=order")
    assert (found.status_code, found.json()["gate"]) == (200, word)


def test_all_go_back_where_one_is_gone(tmp_path: Path) -> None:
    found = ask(tmp_path, {"front": [rollout("order", 1)], "back": []}, "/releases/shop/gate?rollout=order")
    assert found.json() == {"gate": "abort", "message": "pay is gone"}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/releases/bakery/gate?rollout=order", "there is no chain bakery"),
        ("/releases/shop/gate?rollout=logistics", "it has: order, pay"),
        ("/releases/shop/gate", "it has: order, pay"),
    ],
)
def test_who_is_unknown_is_told_so(tmp_path: Path, path: str, said: str) -> None:
    found = ask(tmp_path, {}, path)
    assert found.status_code == 404 and said in found.json()["message"]


def test_a_cluster_that_does_not_answer_lets_nobody_go_on_or_back(tmp_path: Path) -> None:
    found = ask(tmp_path, ClusterError("the API server is away"), "/releases/shop/gate?rollout=order")
    assert found.status_code == 503 and "gate" not in found.json()


def test_a_cluster_without_argo_rollouts_has_none(tmp_path: Path) -> None:
    found = ask(tmp_path, NotFoundError("no such kind"), "/releases/shop/gate?rollout=order")
    assert found.json()["gate"] == "abort"


def test_other_paths_are_nobodys(tmp_path: Path) -> None:
    found = ask(tmp_path, {}, "/releases/shop")
    assert (found.status_code, found.text) == (404, "there are /metrics, /livez and /readyz\n")

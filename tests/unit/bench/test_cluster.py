"""What the benchmark on a real cluster makes of what it saw."""

from __future__ import annotations

from typing import Any

import yaml

from bench import cluster
from bench.cluster import DIRECT, THROUGH, Moments
from bench.cluster_site import chain
from provisioner.chain.grammar import parse


def test_the_chain_that_is_measured_is_one() -> None:
    found = parse(yaml.safe_dump(chain("example.com/laneway:1")), "laneway.yaml")
    assert [one.name for one in found.services] == ["echo", "idle"]


def test_a_request_that_failed_is_counted_and_told_with_its_outcome() -> None:
    seen = {"ok": 97, "echo:8080: ConnectionResetError": 3}
    (row,) = cluster.failed("attaching", seen)
    assert (row["value"], row["of"], row["ok"], row["outcomes"]) == (3, 100, False, seen)


def test_nothing_that_failed_is_as_it_should_be() -> None:
    (row,) = cluster.failed("attaching", {"ok": 5})
    assert (row["value"], row["ok"]) == (0, True)


def test_the_router_adds_what_is_beyond_the_same_share_without_it() -> None:
    waits = {DIRECT: [0.001] * 98 + [0.002] * 2, THROUGH: [0.0015] * 98 + [0.004] * 2}

    class Site:
        def latency(self, rounds: int, addresses: list[str]) -> dict[str, list[float]]:
            return {address: waits.get(address, waits[THROUGH]) for address in addresses}

    site: Any = Site()
    found = {row["figure"]: row["value"] for row in cluster.latencies(site)}
    assert found["the router adds, untagged, p50"] == 0.5
    assert found["the router adds, untagged, p99"] == 2.0


def test_a_pods_start_is_from_when_it_was_seen_to_when_it_was_ready() -> None:
    moments = Moments()
    pod: dict[str, Any] = {"metadata": {"labels": {"laneway.dev/lane": "pr-1"}}, "status": {}}
    moments.pod(pod)
    assert "pr-1" in moments.created and "pr-1" not in moments.started
    pod["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    moments.pod(pod)
    assert moments.created["pr-1"] <= moments.started["pr-1"]

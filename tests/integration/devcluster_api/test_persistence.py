"""What was acknowledged survives the end of the process, however it ends."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
import pytest

from tests.support.apiserver import Cluster, config_map, service, started

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_objects_survive_the_end_of_the_process(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path) as first:
        made = [first.cluster.post(MAPS, config_map(f"c{index}", x="1")) for index in range(30)]
        first.cluster.delete(f"{MAPS}/c0", expect=200)
        first.process.send_signal(number)
        first.process.wait(timeout=60)
    with started(tmp_path) as second:
        assert second.url == first.url
        second.cluster.get(f"{MAPS}/c0", expect=404)
        assert [second.cluster.get(f"{MAPS}/c{index}") for index in range(1, 30)] == made[1:]


def test_versions_grow_and_old_watches_are_gone_after_a_restart(tmp_path: Path) -> None:
    with started(tmp_path) as first:
        before = int(first.cluster.post(MAPS, config_map("a"))["metadata"]["resourceVersion"])
    with started(tmp_path) as second:
        after = int(second.cluster.post(MAPS, config_map("b"))["metadata"]["resourceVersion"])
        assert after > before
        with second.cluster.watch(MAPS, resourceVersion=str(before)) as events:
            assert next(events)["object"]["code"] == 410


def test_services_keep_their_addresses_and_custom_kinds_stay_served(tmp_path: Path) -> None:
    services = "/api/v1/namespaces/default/services"
    crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    with started(tmp_path) as first:
        address = first.cluster.post(services, service("a"))["spec"]["clusterIP"]
        first.cluster.post(crd, _definition())
        first.cluster.post("/apis/example.com/v1/notes", _note())
    with started(tmp_path) as second:
        assert second.cluster.get(f"{services}/a")["spec"]["clusterIP"] == address
        assert second.cluster.post(services, service("b"))["spec"]["clusterIP"] != address
        assert second.cluster.get("/apis/example.com/v1/notes/n")["spec"] == {"text": "hello"}


def test_two_side_by_side_have_addresses_of_their_own(tmp_path: Path) -> None:
    def block(cluster: Cluster) -> str:
        address: str = cluster.post("/api/v1/namespaces/default/services", service())["spec"]["clusterIP"]
        return ".".join(address.split(".")[:2])

    with started(tmp_path / "a") as first, started(tmp_path / "b") as second:
        assert block(first.cluster) != block(second.cluster)


def test_a_watch_ends_when_the_server_does(tmp_path: Path) -> None:
    with started(tmp_path) as server, server.cluster.watch(MAPS, resourceVersion="0") as events:
        server.process.terminate()
        try:
            assert list(events) == []
        except httpx.RemoteProtocolError:
            pass  # a connection that is cut is an end, too
        server.process.wait(timeout=60)


def _definition() -> dict[str, object]:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"text": {"type": "string"}}}},
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "notes", "kind": "Note"}
    spec = {"group": "example.com", "scope": "Cluster", "names": names, "versions": [version]}
    return {"metadata": {"name": "notes.example.com"}, "spec": spec}


def _note() -> dict[str, object]:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Note",
        "metadata": {"name": "n"},
        "spec": {"text": "hello"},
    }

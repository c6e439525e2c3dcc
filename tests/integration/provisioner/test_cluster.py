"""The edge to Kubernetes against a real HTTP API."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from provisioner.cluster import READ_SECONDS, Cluster, NotFoundError, connect
from provisioner.errors import ClusterError, ConfigError, ConflictError, PermanentError
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane, Member

MEMBER = Member("acme/shop", "feature", "0" * 40, 7, datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture
def lane(cluster: Cluster) -> Lane:
    return lanes.write(cluster, Lane("shop", f"lane-{uuid4().hex[:8]}", (MEMBER,)))


def test_what_is_not_there_is_none(cluster: Cluster) -> None:
    assert cluster.get("Lane", "shop.nobody") is None
    assert cluster.delete("Lane", "shop.nobody") is False


def test_a_lane_comes_back_as_it_was_written(cluster: Cluster, lane: Lane) -> None:
    assert lanes.read(cluster, "shop", lane.name) == lane


def test_a_second_lane_of_one_name_is_a_conflict(cluster: Cluster, lane: Lane) -> None:
    with pytest.raises(ConflictError) as caught:
        lanes.write(cluster, replace(lane, uid=""))
    assert caught.value.reason == "AlreadyExists"


def test_a_stale_write_is_refused_and_changes_nothing(cluster: Cluster, lane: Lane) -> None:
    lanes.write(cluster, replace(lane, pinned=True))
    with pytest.raises(ConflictError):
        lanes.write(cluster, lane.without_member(MEMBER.key))
    now = lanes.read(cluster, "shop", lane.name)
    assert now is not None
    assert (now.pinned, now.members) == (True, (MEMBER,))


def test_a_stale_status_is_refused(cluster: Cluster, lane: Lane) -> None:
    lanes.write_status(cluster, lane, {"phase": "Pending"})
    with pytest.raises(ConflictError):
        lanes.write_status(cluster, lane, {"phase": "Ready"})


def test_a_status_loses_the_keys_that_are_no_longer_wanted(cluster: Cluster, lane: Lane) -> None:
    lanes.write_status(cluster, lane, {"phase": "Ready", "url": "http://x"})
    known = lanes.read(cluster, "shop", lane.name)
    assert known is not None
    lanes.write_status(cluster, known, {"phase": "Degraded"})
    now = lanes.read(cluster, "shop", lane.name)
    assert now is not None and now.status == {"phase": "Degraded"}


def test_writing_a_lane_keeps_what_others_put_beside_its_spec(cluster: Cluster, lane: Lane) -> None:
    cluster.merge("Lane", lane.object_name, {"metadata": {"annotations": {"team": "blue"}}})
    now = lanes.read(cluster, "shop", lane.name)
    assert now is not None
    lanes.write(cluster, replace(now, pinned=True))
    found = cluster.get("Lane", lane.object_name)
    assert found is not None and found["metadata"]["annotations"] == {"team": "blue"}


def test_a_lane_is_only_removed_as_it_was_seen(cluster: Cluster, lane: Lane) -> None:
    lanes.write(cluster, replace(lane, pinned=True))
    with pytest.raises(ConflictError):
        lanes.remove(cluster, lane)
    assert lanes.read(cluster, "shop", lane.name) is not None


def test_a_bad_object_is_an_error_with_the_servers_words(cluster: Cluster) -> None:
    with pytest.raises(PermanentError, match=r"spec\.lane") as caught:
        lanes.write(cluster, Lane("shop", "Not A Label", ()))
    assert caught.value.reason == "Invalid"


def test_a_watch_continues_a_snapshot(cluster: Cluster, lane: Lane) -> None:
    items, version = cluster.snapshot("Lane")
    assert lane.object_name in {one["metadata"]["name"] for one in items}
    lanes.write(cluster, replace(lane, pinned=True))
    kind, found = next(
        event
        for event in cluster.watch("Lane", since=version)
        if event[1]["metadata"]["name"] == lane.object_name
    )
    assert (kind, found["spec"]["pin"]) == ("MODIFIED", True)


def test_lists_are_read_page_by_page(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.cluster.PAGE", 2)
    made = {lanes.write(cluster, Lane("paged", f"lane-{number}", ())).object_name for number in range(5)}
    assert {
        one["metadata"]["name"] for one in cluster.pages("Lane", labels="laneway.dev/chain=paged")
    } == made


def test_an_unknown_namespace_is_named(cluster: Cluster) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        cluster.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "nowhere"}}
        )


def test_a_server_that_is_not_there_is_a_temporary_error(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="does not answer"):
        connect(kubeconfig(tmp_path, 9)).reachable()


def test_a_probe_does_not_wait_long_for_a_server_that_says_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        with pytest.raises(ClusterError, match="does not answer"):
            connect(kubeconfig(tmp_path, mute.getsockname()[1])).reachable()
    assert time.monotonic() - began < READ_SECONDS / 2


def kubeconfig(folder: Path, port: int) -> str:
    """A kubeconfig file of a server at a port of this machine."""
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    user = {"name": "u", "user": {}}
    config = {"clusters": [cluster], "contexts": [context], "users": [user], "current-context": "c"}
    (folder / "kubeconfig").write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **config}))
    return str(folder / "kubeconfig")


def test_without_a_kubeconfig_no_cluster_is_guessed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="LANEWAY_KUBECONFIG"):
        connect(str(tmp_path / "none"))

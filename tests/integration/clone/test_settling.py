"""Copies of realistic baselines, written to an API server: it takes them, and nothing is left to write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.cluster import Cluster
from provisioner.lane.model import Lane
from tests.support import baseline as b
from tests.support import clones
from tests.support.devcluster import Devcluster
from tests.support.nodeless import dev

__all__ = ["dev"]


@pytest.fixture(scope="module")
def cluster(dev: Devcluster) -> Cluster:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    dev.cluster.apply(namespace, force=True)
    return dev.cluster


@pytest.fixture
def lane(cluster: Cluster) -> Iterator[Lane]:
    wanted = b.lane(uid="").to_object()
    made = Lane.from_object(cluster.create(wanted))
    yield made
    cluster.delete("Lane", made.object_name, uid=made.uid)


@pytest.mark.parametrize("path", clones.COPIED, ids=clones.name)
def test_a_copy_that_was_written_leaves_nothing_to_write(path: Path, cluster: Cluster, lane: Lane) -> None:
    case = clones.read(path)
    first = clones.planned(case, lane)
    assert (len(first.writes) > 0, first.problems) == (True, {})
    owned = tuple(cluster.apply(write.body, force=False) for write in first.writes)
    assert clones.planned(case, lane, owned) == replace(first, writes=())
    for removal in clones.without(case, lane, owned).removals:
        assert cluster.delete(
            removal.kind,
            removal.name,
            removal.namespace,
            uid=removal.uid,
            resource_version=removal.resource_version,
        )


def test_what_was_edited_by_hand_is_written_again(cluster: Cluster, lane: Lane) -> None:
    case = clones.read(clones.FOLDER / "one-label-of-three.in.yaml")
    owned = [cluster.apply(write.body, force=False) for write in clones.planned(case, lane).writes]
    edit = {"spec": {"replicas": 3}}
    owned[1] = cluster.merge("Deployment", owned[1]["metadata"]["name"], edit, "shop")
    [write] = clones.planned(case, lane, tuple(owned)).writes
    assert write.live is not None and write.live["spec"]["replicas"] == 3
    version = {"resourceVersion": write.live["metadata"]["resourceVersion"]}
    body = {**write.body, "metadata": {**write.body["metadata"], **version}}
    owned[1] = cluster.apply(body, force=True)
    assert clones.planned(case, lane, tuple(owned)).writes == ()

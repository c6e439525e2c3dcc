"""An Envoy that starts while no router runs: from what the last one left, until there is one again."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.routing.envoy.node import FIRST_LISTENER
from provisioner.routing.router.launch import SNAPSHOT
from tests.support.routing import Envoy, Router, chain, endpoint_slice, get, lane, release, wait_until

TAG = {"x-preview-lane": "pr-4"}
ASLEEP = {"phase": "Sleeping", "services": [{"name": "payment", "route": "waker", "ready": False}]}


class FileShelf:
    """What routers keep, as the kubelet shows it to a pod."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, chain: str, namespace: str, data: bytes) -> None:
        (self.folder / SNAPSHOT).write_bytes(data)

    @property
    def kept(self) -> bytes:
        file = self.folder / SNAPSHOT
        return file.read_bytes() if file.exists() else b""


@pytest.fixture
def shelf(tmp_path):
    return FileShelf(tmp_path)


@pytest.fixture
def orphaned(world, shelf, request):
    """An Envoy that starts when its router has gone; it knew the lanes pr-4, awake, and pr-5, asleep."""
    copy = world.upstream("pr-4")
    world.store.put(lane("pr-4"), endpoint_slice("payment", [copy.address], "pr-4"))
    world.store.put(lane("pr-5", ASLEEP))
    world.router = Router(world.store, chain(), shelf=shelf)
    wait_until(lambda: shelf.kept, what="the first snapshot")
    world.router.stop()
    world.envoy = Envoy(world.router.port, (FIRST_LISTENER,), warm=shelf.folder)
    request.addfinalizer(world.envoy.stop)
    world.shelf = shelf
    return world


def test_the_baseline_is_served_from_what_was_kept_and_the_router_takes_over(orphaned):
    world = orphaned
    world.envoy.wait_ready()
    assert world.ask() == (200, "baseline", None)
    assert world.ask(TAG) == (200, "baseline", "payment=baseline"), "where a copy is now, nobody knows"
    assert world.ask({"x-preview-lane": "pr-5"})[::2] == (503, "payment=none"), "asleep is not absent"
    before = [world.envoy.stat(name) for name in ("cluster_manager.cds.update_success", LISTENERS)]

    world.router.start()
    try:
        wait_until(lambda: world.ask(TAG) == (200, "pr-4", "payment=pr-4"), 30, "the lane's return")
        after = [world.envoy.stat(name) for name in ("cluster_manager.cds.update_success", LISTENERS)]
        assert after == before, "listeners and clusters were there, and are not sent again"
    finally:
        world.router.stop()


LISTENERS = "listener_manager.lds.update_success"


def test_an_envoy_that_starts_beside_a_router_knows_the_lanes_from_its_first_answer_on(orphaned, request):
    world = orphaned
    world.router.start()
    request.addfinalizer(world.router.stop)
    second = Envoy(world.router.port, (FIRST_LISTENER,), warm=world.shelf.folder)
    request.addfinalizer(second.stop)
    second.wait_ready()
    status, served, _ = get(second.address, headers=TAG)
    assert (status, served["x-preview-lane-served"]) == (200, "payment=pr-4")


def test_what_cannot_be_read_is_as_good_as_nothing(world, shelf, request):
    shelf.put("shop", "shop", b"of another age")
    world.router = Router(world.store, chain())
    request.addfinalizer(world.router.stop)
    world.envoy = Envoy(world.router.port, (FIRST_LISTENER,), warm=shelf.folder)
    request.addfinalizer(world.envoy.stop)
    world.envoy.wait_ready()
    assert world.ask() == (200, "baseline", None)


def test_a_release_whose_pods_nobody_knows_takes_nobody_until_the_router_is_there(world, shelf, request):
    copy = world.upstream("v2")
    own = {"phase": "Ready", "services": [{"name": "payment", "inLane": True, "route": "lane"}]}
    world.store.put(lane("v2", own, mode="members"), endpoint_slice("payment", [copy.address], "v2"))
    world.store.put(release("v2", 100))
    world.router = Router(world.store, chain(), shelf=shelf)
    wait_until(lambda: shelf.kept, what="the first snapshot")
    world.router.stop()
    world.envoy = Envoy(world.router.port, (FIRST_LISTENER,), warm=shelf.folder)
    request.addfinalizer(world.envoy.stop)
    world.envoy.wait_ready()
    assert {world.ask() for _ in range(20)} == {(200, "baseline", None)}
    world.router.start()
    request.addfinalizer(world.router.stop)
    wait_until(lambda: world.ask() == (200, "v2", None), 30, "the release")

"""What routers keep in the cluster for Envoys that start without them: when it is written, and where."""

from __future__ import annotations

import base64

import pytest

from provisioner.errors import LanewayError, TemporaryError
from provisioner.routing.router import deployment, launch, snapshot
from provisioner.routing.router.deployment import RouterSettings
from provisioner.routing.router.keeping import KEY, ClusterShelf
from tests.support import localapi
from tests.support.routing import Router, chain, endpoint_slice, lane, wait_until

NAME = "laneway-router-shop"


@pytest.fixture
def cluster():
    """An API server with what attaching a chain makes for this."""
    local, cluster = localapi.connected()
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}, force=True)
    cluster.apply(deployment.memory("shop", "shop"), force=True)
    yield cluster
    local.close()


def test_a_snapshot_is_put_into_what_attaching_made_and_changes_nothing_else(cluster):
    before = cluster.get("ConfigMap", NAME, "shop")
    ClusterShelf(cluster).put("shop", "shop", b"\x00\xffbytes")
    after = cluster.get("ConfigMap", NAME, "shop")
    assert base64.b64decode(after["binaryData"][KEY]) == b"\x00\xffbytes"
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    assert set(after["binaryData"]) == {KEY}


def test_the_same_bytes_again_are_no_change(cluster):
    versions = []
    for data in (b"one", b"one", b"two"):
        ClusterShelf(cluster).put("shop", "shop", data)
        versions.append(cluster.get("ConfigMap", NAME, "shop")["metadata"]["resourceVersion"])
    assert versions[0] == versions[1] != versions[2]


def test_where_attaching_made_nothing_that_is_an_error_and_nothing_is_made(cluster):
    with pytest.raises(LanewayError):
        ClusterShelf(cluster).put("other", "shop", b"bytes")
    assert [one["metadata"]["name"] for one in cluster.list("ConfigMap", "shop")] == [NAME]


def test_the_pods_find_it_under_the_name_that_they_look_for():
    made = deployment.deployment("shop", "shop", {}, RouterSettings("image", 1, "router:18000"))
    pod = made["spec"]["template"]["spec"]
    (volume,) = (one for one in pod["volumes"] if "configMap" in one)
    (container,) = pod["containers"]
    (mount,) = (one for one in container["volumeMounts"] if one["name"] == volume["name"])
    (place,) = (one["value"] for one in container["env"] if one["name"] == "LANEWAY_WARM")
    assert volume["configMap"] == {"name": NAME, "optional": True}
    assert (mount["mountPath"], KEY) == (place, launch.SNAPSHOT)


class Shelf:
    """Refuses as often as it is told, and notes what it is given then."""

    def __init__(self, refusals=0):
        self.refusals, self.tries, self.kept = refusals, 0, []

    def put(self, chain, namespace, data):
        self.tries += 1
        if self.tries <= self.refusals:
            raise TemporaryError("not now", where="ConfigMap")
        self.kept.append(snapshot.unpacked(data))


@pytest.fixture
def router(world, request):
    """Starts a router that keeps on a shelf."""

    def begin(shelf):
        world.router = Router(world.store, chain(), shelf=shelf)
        request.addfinalizer(world.router.stop)
        return shelf

    return begin


def addresses(intent):
    return [one.address for one in intent.services[0].ports[0].baseline]


def test_a_write_that_failed_is_made_again(router):
    shelf = router(Shelf(refusals=3))
    wait_until(lambda: shelf.kept, what="the first snapshot")
    assert shelf.tries == 4


def test_what_did_not_change_is_not_written_again(world, router):
    shelf = router(Shelf())
    wait_until(lambda: shelf.kept, what="the first snapshot")
    copy = world.upstream("pr-4")
    world.store.put(lane("pr-4"), endpoint_slice("payment", [copy.address], "pr-4"))
    world.store.put(endpoint_slice("payment", ["192.0.2.7"]))
    wait_until(lambda: addresses(shelf.kept[-1]) == ["192.0.2.7"], what="the change")
    assert len(shelf.kept) == 2, "lanes that come and go are none"


def test_nothing_is_written_before_everything_is_known(world, router):
    world.store.hold_lists(True)
    shelf = router(Shelf())
    wait_until(lambda: world.router.state.missing, what="lists that are waited for")
    world.store.hold_lists(False)
    wait_until(lambda: shelf.kept, what="the first snapshot")
    assert [addresses(one) for one in shelf.kept] == [[world.baseline.address]]

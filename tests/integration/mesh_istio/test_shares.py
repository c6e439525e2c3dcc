"""A release's share in the cluster: one write at the entry moves it, and it leaves no trace."""

from __future__ import annotations

import pytest

from provisioner.chain.strategy import Sticky, Strategy
from provisioner.release.model import Change, Phase, Release
from provisioner.routing import settle
from provisioner.routing.mesh import NOT_SHARED, unshared
from tests.support import istio
from tests.support.crashes import Call, Moment, watched
from tests.support.meshed import Meshed
from tests.support.scene import NAMESPACE
from tests.support.sharing import NAME, SERVICES, Sharing

KIND, LINE = "VirtualService", "laneway/shop/spring/share"


@pytest.fixture
def sharing(mesh: Meshed) -> Sharing:
    return Sharing(mesh)


def inside(sharing: Sharing) -> int:
    """How many of a hundred that come without a bucket are dealt one of the release's."""
    (spec,) = sharing.shares(KIND).values()
    return sum(
        one.get("weight", 0)
        for one in spec["http"][-1]["route"]
        if one["destination"]["host"] == f"orders--{NAME}"
    )


def test_before_the_first_step_nothing_of_a_share_is_there(sharing: Sharing) -> None:
    sharing.pods(True)
    sharing.take(0, Phase.PENDING)
    assert sharing.shares(KIND) == {}
    assert LINE not in istio.rules(sharing.mesh, "laneway-orders")


def test_each_step_is_one_write_of_the_lanes_own_object(sharing: Sharing) -> None:
    sharing.pods(True)
    sharing.take(10)
    assert inside(sharing) == 10
    assert istio.rules(sharing.mesh, "laneway-orders")[-2] == LINE
    for weight in (25, 50, 100):
        seen: list[str] = []

        def note(call: Call, moment: Moment, seen: list[str] = seen) -> None:
            if moment is Moment.BEFORE and "/virtualservices" in call.what and "GET" not in call.what:
                seen.append(call.what)

        with watched(note):
            assert sharing.take(weight).changed
        assert (inside(sharing), len(seen)) == (weight, 1)
    assert not sharing.settle(NAME).changed


def test_a_copy_that_is_not_ready_takes_the_share_to_nobody(sharing: Sharing) -> None:
    sharing.pods(True)
    sharing.take(50)
    sharing.pods(False, "payment")
    sharing.settle(NAME)
    assert sharing.shares(KIND) == {}
    assert LINE not in istio.rules(sharing.mesh, "laneway-orders")
    sharing.pods(True, "payment")
    sharing.settle(NAME)
    assert inside(sharing) == 50


def test_other_lanes_leave_the_share_alone_and_it_leaves_no_trace(sharing: Sharing) -> None:
    sharing.pods(True)
    before = istio.rules(sharing.mesh, "laneway-payment")
    sharing.take(50)
    sharing.settle("pr-1")
    sharing.preview("pr-2")
    assert LINE in istio.rules(sharing.mesh, "laneway-orders")
    sharing.end()
    assert sharing.shares(KIND) == {}
    assert LINE not in istio.rules(sharing.mesh, "laneway-orders")
    assert set(before) <= set(istio.rules(sharing.mesh, "laneway-payment"))


def test_a_lane_that_somebody_took_the_share_from_gets_it_again(sharing: Sharing) -> None:
    sharing.pods(True)
    sharing.take(50)
    live = istio.host(sharing.mesh, "laneway-orders")
    rules = [one for one in live["spec"]["http"] if one.get("name") != LINE]
    sharing.cluster.replace({**live, "spec": {**live["spec"], "http": rules}})
    sharing.settle(NAME)
    assert LINE in istio.rules(sharing.mesh, "laneway-orders")


def test_a_clash_with_the_users_rules_is_known_before_anything_is_written(sharing: Sharing) -> None:
    rule = {"match": [{"headers": {"cookie": {"regex": ".*beta.*"}}}], **istio.CATCH_ALL}
    sharing.cluster.create(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": KIND,
            "metadata": {"name": "orders", "namespace": NAMESPACE},
            "spec": {"hosts": ["orders"], "http": [rule]},
        }
    )
    world = sharing.mesh.scene.world
    why = settle.trial(sharing.chain, sharing.release, world)
    assert why.startswith(f"VirtualService {NAMESPACE}/orders can lead no share of a release")
    clear = Release("shop", "clear", (Change("orders", "orders:new"),), Strategy(sticky=Sticky("")))
    assert settle.trial(sharing.chain, clear, world) == ""
    sharing.pods(True)
    settled = sharing.take(50)
    assert NOT_SHARED in {one.reason for one in settled.findings}
    assert unshared(settled.findings, SERVICES) == why
    assert sharing.shares(KIND) == {}

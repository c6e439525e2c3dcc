"""What `kubectl describe lane` tells: Events on the Lane, written on news only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from provisioner.cluster import Cluster
from provisioner.events import Kind
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane
from provisioner.lane.record import record
from provisioner.reconcile import converge
from provisioner.status import announce
from tests.support import web
from tests.support.devcluster import Devcluster
from tests.support.shop import Shop, open_shop

Json = dict[str, Any]


@pytest.fixture
def shop(tmp_path: Path, cluster: Cluster) -> Shop:
    return open_shop(tmp_path, cluster, f"shop-{uuid4().hex[:8]}")


def opened(shop: Shop, branch: str = "fast") -> None:
    head = shop.origin.branch(branch, {"payment/app.py": "2"})
    record(shop.event(Kind.OPENED, branch, sha=head), shop.chain, shop.world)
    converge(shop.chain, branch, shop.world)


def lane(shop: Shop, branch: str = "fast") -> Lane:
    found = lanes.read(shop.cluster, shop.chain.name, branch)
    assert found is not None
    return found


def told(shop: Shop, branch: str = "fast") -> dict[str, Json]:
    """The Events on a lane by their reason."""
    name = f"{shop.chain.name}.{branch}"
    found = shop.cluster.list("Event", "default", fields=f"involvedObject.name={name}")
    return {one["reason"]: one for one in found}


def runs_well(shop: Shop) -> None:
    """What the Deployment controller would write of the copy, which runs on no node here."""
    copy = shop.owned("fast")["Deployment/payment--fast"]
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
    status = {"observedGeneration": copy["metadata"]["generation"], **counts}
    namespace = copy["metadata"]["namespace"]
    shop.cluster.merge("Deployment", "payment--fast", {"status": status}, namespace, "status")
    converge(shop.chain, "fast", shop.world)


def test_an_event_refers_to_its_lane_from_the_namespace_where_kubectl_looks(shop: Shop) -> None:
    opened(shop)
    event = told(shop)["Opened"]
    assert event["metadata"]["namespace"] == "default"
    assert event["involvedObject"] == {
        "apiVersion": "laneway.dev/v1alpha1",
        "kind": "Lane",
        "name": f"{shop.chain.name}.fast",
        "uid": lane(shop).uid,
    }
    assert (event["type"], event["source"], event["count"]) == ("Normal", {"component": "laneway"}, 1)
    assert event["message"].startswith("acme/shop#1 at ")


def test_the_events_tell_a_lanes_story(shop: Shop) -> None:
    opened(shop)
    runs_well(shop)
    assert set(told(shop)) == {"Opened", "Ready"}
    assert told(shop)["Ready"]["message"].startswith("ready: payment (after ")
    head = shop.origin.commit("fast", {"payment/app.py": "3"})
    record(shop.event(Kind.PUSHED, "fast", sha=head), shop.chain, shop.world)
    converge(shop.chain, "fast", shop.world)
    assert head[:12] in told(shop)["Updated"]["message"]
    namespace = shop.chain.namespaces[0]
    more = {"spec": {"template": {"metadata": {"annotations": {"checksum/config": "1"}}}}}
    shop.cluster.merge("Deployment", "payment", more, namespace)
    converge(shop.chain, "fast", shop.world)
    assert "baseline revision 2, was 1" in told(shop)["BaselineChanged"]["message"]
    shop.cluster.merge("Deployment", "payment--fast", {"spec": {"replicas": 3}}, namespace)
    converge(shop.chain, "fast", shop.world)
    assert told(shop)["PutBack"]["type"] == "Warning"
    record(shop.event(Kind.CLOSED, "fast"), shop.chain, shop.world)
    converge(shop.chain, "fast", shop.world)
    assert "Closing" in told(shop)


def test_a_lane_that_degrades_warns_with_the_reason(shop: Shop) -> None:
    shop.cluster.delete("Deployment", "payment", shop.chain.namespaces[0])
    opened(shop)
    event = told(shop)["Degraded"]
    assert event["type"] == "Warning"
    assert "Deployment/payment" in event["message"]


def test_a_lane_that_waits_for_room_says_so(shop: Shop) -> None:
    shop.chain = replace(shop.chain, lifecycle=replace(shop.chain.lifecycle, max_lanes=1))
    opened(shop, "other")
    opened(shop)
    assert "has 1 of 1 lanes" in told(shop)["Waiting"]["message"]


def test_a_run_without_news_writes_no_event(shop: Shop, dev: Devcluster) -> None:
    opened(shop)
    dev.requests(reset=True)
    converge(shop.chain, "fast", shop.world)
    assert not [one for one in dev.requests() if one["resource"] == "events"]


def test_what_happens_again_is_counted_on_the_event_that_is_there(shop: Shop) -> None:
    opened(shop)
    namespace = shop.chain.namespaces[0]
    for replicas in (3, 4, 5):
        shop.clock.step(1)
        shop.cluster.merge("Deployment", "payment--fast", {"spec": {"replicas": replicas}}, namespace)
        converge(shop.chain, "fast", shop.world)
    event = told(shop)["PutBack"]
    assert event["count"] == 3
    assert event["lastTimestamp"] > event["firstTimestamp"]


def test_an_event_that_cannot_be_written_fails_nothing(
    shop: Shop, dev: Devcluster, capsys: pytest.CaptureFixture[str]
) -> None:
    web.post(f"{dev.admin}/faults", json={"action": "fail", "status": 403, "resource": "events"})
    try:
        opened(shop)
    finally:
        web.delete(f"{dev.admin}/faults")
    assert lane(shop).phase == "Deploying"
    assert told(shop) == {}
    assert "event.unwritten" in capsys.readouterr().out


def test_a_message_longer_than_the_api_takes_is_cut(shop: Shop) -> None:
    opened(shop)
    found = lane(shop)
    about = {**found.to_object(), "metadata": {"name": found.object_name, "uid": found.uid}}
    announce.tell(shop.cluster, about, "Degraded", "x" * 5000, shop.clock())
    assert told(shop)["Degraded"]["message"] == "x" * 1024

"""Lanes that fall asleep and wake, by convergences against a real API at a time that the test sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from provisioner.cluster import Cluster
from provisioner.errors import LanewayError
from provisioner.events import Kind
from provisioner.lane import store as lanes
from provisioner.lane.model import stamp
from provisioner.lane.record import record
from provisioner.lane.usage import ClusterNotes, seen_since
from provisioner.reconcile import Outcome, converge
from provisioner.world import World
from tests.support.shop import Shop, open_shop

Json = dict[str, Any]
LANE = "fast"


@pytest.fixture
def shop(tmp_path: Path, cluster: Cluster) -> Shop:
    """A shop with one lane, whose use is seen."""
    shop = open_shop(tmp_path, cluster, f"shop-{uuid4().hex[:8]}")
    head = shop.origin.branch(LANE, {"payment/app.py": "2"})
    record(shop.event(Kind.OPENED, LANE, sha=head), shop.chain, shop.world)
    run(shop)
    return shop


def notes(shop: Shop) -> ClusterNotes:
    return ClusterNotes(shop.cluster, shop.world.settings.namespace)


def run(shop: Shop, world: World | None = None) -> Outcome:
    return converge(shop.chain, LANE, world or shop.world)


def replicas(shop: Shop) -> int:
    (found,) = (one for key, one in shop.owned(LANE).items() if key.startswith("Deployment/"))
    return int(found["spec"]["replicas"])


def lane(shop: Shop) -> Json:
    found = shop.cluster.get("Lane", f"{shop.chain.name}.{LANE}")
    assert found is not None
    return found


def use_is_seen(shop: Shop, hours: float) -> None:
    """So many hours go by, in which reports come without a gap."""
    notes(shop).seen(shop.chain.name, shop.clock.now)
    now = shop.clock.step(hours * 3600)
    lease = shop.cluster.get("Lease", f"laneway-use-{shop.chain.name}", shop.world.settings.namespace)
    assert lease is not None
    shop.cluster.replace({**lease, "spec": {**lease["spec"], "renewTime": stamp(now)}})


def test_an_idle_lane_first_has_its_requests_led_away_and_then_no_pods(shop: Shop) -> None:
    use_is_seen(shop, 9)

    first = run(shop)
    assert (first.phase, first.again, replicas(shop)) == ("Sleeping", 2.0, 1)

    shop.clock.step(2)
    second = run(shop)
    assert (second.phase, second.again, replicas(shop)) == ("Sleeping", None, 0)

    before = lane(shop)
    run(shop)
    assert lane(shop) == before


def test_a_lane_whose_use_nobody_saw_stays_awake(shop: Shop) -> None:
    shop.clock.step(9 * 3600)

    unseen = run(shop)
    assert (unseen.phase, unseen.again, replicas(shop)) == ("Deploying", 2 * 3600, 1)

    notes(shop).seen(shop.chain.name, shop.clock.now)
    shop.clock.step(60)
    seen = run(shop)
    assert (seen.phase, seen.again) == ("Deploying", 8 * 3600 - 60)


def test_a_lane_that_sleeps_is_awake_after_it_was_used(shop: Shop) -> None:
    asleep(shop)

    notes(shop).active(lane(shop), shop.clock.now)

    woken = run(shop)
    assert (woken.phase, replicas(shop)) == ("Deploying", 1)
    services = {one["name"]: one["route"] for one in lane(shop)["status"]["services"]}
    assert services == {"frontend": "baseline", "orders": "baseline", "payment": "waker"}


def test_a_push_wakes_a_lane(shop: Shop) -> None:
    asleep(shop)
    shop.origin.branch(LANE, {"payment/app.py": "3"})
    assert (run(shop).phase, replicas(shop)) == ("Deploying", 1)


def test_a_lane_that_sleeps_is_removed_with_its_pull_request(shop: Shop) -> None:
    asleep(shop)
    record(shop.event(Kind.CLOSED, LANE), shop.chain, shop.world)
    assert run(shop).phase == "Terminating"
    shop.clock.step(2)
    assert run(shop).phase == ""


def test_a_baseline_that_changes_is_followed_in_sleep(shop: Shop) -> None:
    asleep(shop)
    where = ("Deployment", "payment", shop.chain.namespaces[0])
    baseline = shop.cluster.get(*where)
    assert baseline is not None
    baseline["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "debug"
    shop.cluster.replace(baseline)

    assert run(shop).phase == "Sleeping"

    (copy,) = (one for key, one in shop.owned(LANE).items() if key.startswith("Deployment/"))
    values = {one["name"]: one["value"] for one in copy["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert (values["LEVEL"], copy["spec"]["replicas"]) == ("debug", 0)


def test_use_that_is_noted_while_a_lane_is_being_put_to_sleep_keeps_it_awake(shop: Shop) -> None:
    use_is_seen(shop, 9)
    run(shop)
    shop.clock.step(2)

    def used() -> None:
        notes(shop).active(lane(shop), shop.clock.now)

    found = run(shop, replace(shop.world, cluster=Interrupted(shop.cluster, used)))

    assert (found.phase, replicas(shop)) == ("Deploying", 1)


def asleep(shop: Shop) -> None:
    use_is_seen(shop, 9)
    run(shop)
    shop.clock.step(2)
    assert run(shop).phase == "Sleeping"
    assert replicas(shop) == 0


class Interrupted(Cluster):
    """A cluster in which something happens after the first object was applied."""

    def __init__(self, cluster: Cluster, happening: Callable[[], None]) -> None:
        super().__init__(cluster._client)
        self._happenings = [happening]

    def apply(self, obj: Json, *, force: bool) -> Json:
        applied = super().apply(obj, force=force)
        if self._happenings:
            self._happenings.pop()()
        return applied


# --- what is noted ------------------------------------------------------------------------------------------


def test_a_note_of_use_changes_nothing_else(shop: Shop) -> None:
    before = lane(shop)

    notes(shop).active(before, shop.clock.step(60))

    after = lane(shop)
    assert after["status"] == {**before["status"], "activeAt": stamp(shop.clock.now)}
    assert after["spec"] == before["spec"]


def test_a_note_is_not_written_on_another_lane_of_the_same_name(shop: Shop) -> None:
    former = lane(shop)
    former["metadata"]["uid"] = str(uuid4())
    with pytest.raises(LanewayError):
        notes(shop).active(former, shop.clock.now)
    assert lanes.read(shop.cluster, shop.chain.name, LANE) is not None


def test_use_is_seen_since_the_last_gap(shop: Shop) -> None:
    def since() -> object:
        return seen_since(shop.cluster, shop.world.settings.namespace, shop.chain.name, shop.clock.now)

    assert since() is None
    began = shop.clock.step(0)
    for seconds in (0, 20, 89):
        notes(shop).seen(shop.chain.name, shop.clock.step(seconds))
        assert since() == began

    shop.clock.step(91)
    assert since() is None
    notes(shop).seen(shop.chain.name, shop.clock.now)
    assert since() == shop.clock.now

"""The sweep against a real API and real git: whatever was lost, afterwards the lanes are those held open."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from provisioner.errors import PermanentError
from provisioner.events import Kind
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane
from provisioner.lane.record import record
from provisioner.reconcile import converge
from provisioner.sweep import lease
from provisioner.sweep.lease import HeldError, Place
from provisioner.sweep.retention import Action, Why
from provisioner.sweep.sweep import LEASE
from tests.support.devcluster import Devcluster
from tests.support.shop import REPOSITORY, Shop
from tests.support.sweeps import everything, found, here, lane, opened, settled, swept

Json = dict[str, Any]
DAY = 86_400.0


# --- what goes ---------------------------------------------------------------------------------------------


def test_where_all_is_well_nothing_is_found_and_nothing_converges(shop: Shop) -> None:
    opened(shop, "fast", "slow")
    report, asked = swept(shop)
    assert (found(report), asked, report.lanes) == ([], [], 2)


def test_a_lane_whose_branch_is_gone_goes_with_all_that_it_owns(shop: Shop, dev: Devcluster) -> None:
    opened(shop, "fast", "slow")
    shop.origin.delete("slow")
    report = settled(shop)
    assert found(report) == [
        ("slow", Action.REMOVE_MEMBER, Why.BRANCH_GONE),
        ("slow", Action.REMOVE_LANE, Why.BRANCH_GONE),
    ]
    assert here(shop) == {"fast"}


def test_a_late_delivery_does_not_bring_a_swept_lane_back_but_a_reopening_does(shop: Shop) -> None:
    late = shop.event(Kind.OPENED, "slow")
    shop.origin.branch("slow", {"payment/app.py": "2"})
    record(late, shop.chain, shop.world)
    shop.origin.delete("slow")
    settled(shop)
    record(late, shop.chain, shop.world)
    assert here(shop) == set()
    shop.origin.branch("slow", {"payment/app.py": "3"})
    record(shop.event(Kind.OPENED, "slow"), shop.chain, shop.world)
    assert here(shop) == {"slow"}


def test_a_closing_that_only_the_ledger_knows_ends_the_lane(shop: Shop) -> None:
    opened(shop, "fast")
    shop.world.ledger(shop.chain).bury("fast", f"{REPOSITORY}#1", shop.clock.step(1))
    report = settled(shop)
    assert ("fast", Action.REMOVE_LANE, Why.CLOSED) in found(report)
    assert here(shop) == set()


def test_a_lane_past_its_ttl_goes_and_the_next_push_brings_it_back(shop: Shop) -> None:
    opened(shop, "fast")
    shop.clock.step(4 * DAY)
    report = settled(shop)
    assert ("fast", Action.REMOVE_LANE, Why.EXPIRED) in found(report)
    assert here(shop) == set()
    record(shop.event(Kind.UPDATED, "fast"), shop.chain, shop.world)
    assert here(shop) == {"fast"}


def test_the_ttl_counts_from_the_last_push(shop: Shop) -> None:
    opened(shop, "fast")
    shop.clock.step(2 * DAY)
    shop.origin.commit("fast", {"payment/app.py": "4"})
    converge(shop.chain, "fast", shop.world)
    shop.clock.step(2 * DAY)
    assert Why.EXPIRED not in {why for _, _, why in found(swept(shop)[0])}
    shop.clock.step(2 * DAY)
    assert Why.EXPIRED in {why for _, _, why in found(swept(shop)[0])}


def test_a_pinned_lane_outlasts_its_ttl(shop: Shop) -> None:
    opened(shop, "fast")
    lanes.write(shop.cluster, replace(lane(shop, "fast"), pinned=True))
    shop.clock.step(400 * DAY)
    settled(shop)
    assert here(shop) == {"fast"}


def test_a_member_of_a_repository_that_the_chain_dropped_goes_without_a_tombstone(shop: Shop) -> None:
    opened(shop, "fast")
    other = replace(shop.chain.repositories[0], name="acme/other")
    dropped = replace(shop, chain=replace(shop.chain, repositories=(other,)))
    assert ("fast", Action.REMOVE_LANE, Why.REPOSITORY_UNLISTED) in found(settled(dropped))
    assert shop.world.ledger(shop.chain).read_all().tombstones == {}


def test_old_tombstones_are_forgotten_and_new_ones_kept(shop: Shop) -> None:
    ledger = shop.world.ledger(shop.chain)
    now = shop.clock.now
    ledger.bury_all({("a", "acme/shop#1"): now - timedelta(days=31), ("b", "acme/shop#2"): now})
    assert swept(shop, dry_run=True)[0].forgotten == 1
    assert swept(shop)[0].forgotten == 1
    assert set(ledger.read_all().tombstones) == {"acme/shop#2"}


# --- what has to converge ----------------------------------------------------------------------------------


def test_a_push_that_nobody_told_of_is_noticed(shop: Shop) -> None:
    opened(shop, "fast")
    shop.origin.commit("fast", {"payment/app.py": "3"})
    report, asked = swept(shop)
    assert (found(report), asked) == ([("fast", Action.CONVERGE, Why.HEAD_MOVED)], ["fast"])


def test_a_wiped_status_is_noticed(shop: Shop) -> None:
    opened(shop, "fast")
    shop.cluster.merge(
        "Lane",
        lane(shop, "fast").object_name,
        {"status": dict.fromkeys(lane(shop, "fast").status)},
        subresource="status",
    )
    assert found(settled(shop)) == [("fast", Action.CONVERGE, Why.NO_STATUS)]
    assert lane(shop, "fast").phase == "Ready"


def test_a_spec_that_was_edited_is_noticed(shop: Shop) -> None:
    opened(shop, "fast")
    shop.cluster.merge("Lane", lane(shop, "fast").object_name, {"spec": {"mode": "all"}})
    assert found(swept(shop)[0]) == [("fast", Action.CONVERGE, Why.SPEC_CHANGED)]


def test_a_member_that_was_taken_out_by_hand_is_noticed_and_put_back(shop: Shop) -> None:
    opened(shop, "fast")
    shop.cluster.merge("Lane", lane(shop, "fast").object_name, {"spec": {"members": []}})
    report = settled(shop)
    assert found(report) == [("fast", Action.CONVERGE, Why.MEMBERS_LOST)]
    assert [one.key for one in lane(shop, "fast").members] == [f"{REPOSITORY}#1"]


def test_a_chain_file_that_changed_is_noticed(shop: Shop) -> None:
    opened(shop, "fast")
    changed = replace(shop, chain=replace(shop.chain, shared_paths=()))
    assert found(swept(changed)[0]) == [("fast", Action.CONVERGE, Why.CHAIN_CHANGED)]


def test_a_copy_that_was_deleted_is_noticed_and_made_again(shop: Shop) -> None:
    opened(shop, "fast")
    shop.cluster.delete("Service", "payment--fast", shop.chain.name)
    assert found(settled(shop)) == [("fast", Action.CONVERGE, Why.DRIFTED)]
    assert "Service/payment--fast" in shop.owned("fast")


def test_a_copy_that_was_edited_is_noticed_and_put_back(shop: Shop) -> None:
    opened(shop, "fast")
    shop.cluster.merge("Deployment", "payment--fast", {"spec": {"replicas": 7}}, shop.chain.name)
    assert found(settled(shop)) == [("fast", Action.CONVERGE, Why.DRIFTED)]
    assert shop.owned("fast")["Deployment/payment--fast"]["spec"]["replicas"] == 1


def test_a_copy_that_lost_its_owner_is_noticed_and_owned_again(shop: Shop) -> None:
    opened(shop, "fast")
    patch: Json = {"metadata": {"ownerReferences": None}}
    shop.cluster.merge("Deployment", "payment--fast", patch, shop.chain.name)
    assert found(settled(shop)) == [("fast", Action.CONVERGE, Why.DRIFTED)]
    assert shop.owned("fast")["Deployment/payment--fast"]["metadata"]["ownerReferences"]


def test_a_baseline_that_moved_on_is_noticed(shop: Shop) -> None:
    opened(shop, "fast")
    container = {"name": "payment", "image": "payment:main", "env": [{"name": "LEVEL", "value": "debug"}]}
    spec = {"template": {"spec": {"containers": [container]}}}
    shop.cluster.merge("Deployment", "payment", {"spec": spec}, shop.chain.name)
    assert found(swept(shop)[0]) == [("fast", Action.CONVERGE, Why.DRIFTED)]


def test_copies_that_do_not_follow_their_baseline_are_left_as_they_are(shop: Shop) -> None:
    frozen = replace(shop, chain=replace(shop.chain, lifecycle=replace(shop.chain.lifecycle, follow=False)))
    opened(frozen, "fast")
    shop.cluster.merge("Deployment", "payment", {"spec": {"minReadySeconds": 3}}, shop.chain.name)
    assert found(swept(frozen)[0]) == []


def test_labels_that_were_taken_from_a_lane_are_put_back(shop: Shop) -> None:
    opened(shop, "fast")
    name = lane(shop, "fast").object_name
    shop.cluster.merge("Lane", name, {"metadata": {"labels": None}})
    assert found(settled(shop)) == [("fast", Action.REPAIR, Why.LABELS_LOST)]
    again = shop.cluster.get("Lane", name)
    assert again is not None
    assert again["metadata"]["labels"]["laneway.dev/lane"] == "fast"


# --- what lost its lane ------------------------------------------------------------------------------------


def orphan(shop: Shop, name: str = "left", **marks: str) -> None:
    """A Service with the labels of a lane that does not exist."""
    usual = {
        "app.kubernetes.io/managed-by": "laneway",
        "laneway.dev/chain": shop.chain.name,
        "laneway.dev/lane": "gone",
    }
    metadata = {"name": name, "namespace": shop.chain.name, "labels": usual | marks}
    spec = {"ports": [{"name": "http", "port": 80}], "clusterIP": "None"}
    shop.cluster.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


def test_an_object_whose_lane_is_gone_is_removed(shop: Shop) -> None:
    opened(shop, "fast")
    orphan(shop)
    assert found(swept(shop)[0]) == [("gone", Action.REMOVE_OBJECT, Why.ORPHAN)]
    assert shop.cluster.get("Service", "left", shop.chain.name) is None
    assert len(shop.owned("fast")) == 2


def test_an_object_that_is_not_laneways_is_reported_and_stays(shop: Shop) -> None:
    orphan(shop, **{"app.kubernetes.io/managed-by": "helm"})
    report, _ = swept(shop)
    assert found(report) == [("gone", Action.KEEP, Why.FOREIGN)]
    assert shop.cluster.get("Service", "left", shop.chain.name) is not None


def test_what_a_lane_leaves_when_it_is_deleted_without_its_dependents_is_removed(shop: Shop) -> None:
    opened(shop, "fast")
    for one in shop.owned("fast").values():
        patch: Json = {"metadata": {"ownerReferences": None}}
        shop.cluster.merge(one["kind"], one["metadata"]["name"], patch, shop.chain.name)
    lanes.remove(shop.cluster, lane(shop, "fast"))
    assert len(swept(shop)[0].findings) == 2
    assert shop.owned("fast") == {}


# --- what is kept and said ---------------------------------------------------------------------------------


def test_a_lane_that_is_being_deleted_is_left_to_the_cluster(shop: Shop) -> None:
    opened(shop, "fast")
    name = lane(shop, "fast").object_name
    shop.cluster.merge("Lane", name, {"metadata": {"finalizers": ["example.com/wait"]}})
    shop.cluster.delete("Lane", name)
    report, asked = swept(shop)
    assert (found(report), asked) == ([("fast", Action.KEEP, Why.BEING_DELETED)], [])
    assert "example.com/wait" in report.findings[0].message


def test_a_lane_of_a_chain_without_a_file_is_kept_and_reported(shop: Shop) -> None:
    lanes.write(shop.cluster, Lane("nobodys", "fast"))
    report, asked = swept(shop)
    assert (found(report), asked) == ([("fast", Action.KEEP, Why.UNKNOWN_CHAIN)], [])


def test_a_lane_under_a_wrong_name_is_kept_and_reported(shop: Shop) -> None:
    body = Lane(shop.chain.name, "fast").to_object()
    body["metadata"]["name"] = "handmade"
    shop.cluster.create(body)
    report, _ = swept(shop)
    assert [(one.why, one.subject) for one in report.findings] == [(Why.UNREADABLE, "handmade")]


def test_a_repository_that_does_not_answer_ends_nobodys_lane(shop: Shop) -> None:
    opened(shop, "fast")
    shop.origin.delete("fast")
    shop.origin.path.rename(shop.origin.path.with_name("away"))
    report, _ = swept(shop)
    assert [(one.action, one.why) for one in report.findings] == [(Action.KEEP, Why.UNREACHABLE)]
    assert len(lane(shop, "fast").members) == 1


@pytest.mark.parametrize("ttl", ["0s", "-1h", "3650d", "87600h", "0h0m"])
def test_a_ttl_of_nothing_or_of_ten_years_is_refused_where_it_enters(shop: Shop, ttl: str) -> None:
    opened(shop, "fast")
    with pytest.raises(PermanentError, match="ttl"):
        shop.cluster.merge("Lane", lane(shop, "fast").object_name, {"spec": {"ttl": ttl}})


# --- the brake ---------------------------------------------------------------------------------------------


def test_many_lanes_that_would_go_at_once_stay_until_it_is_confirmed(shop: Shop) -> None:
    branches = [f"branch-{number}" for number in range(6)]
    opened(shop, *branches)
    orphan(shop)
    for branch in branches[:5]:
        shop.origin.delete(branch)
    report, asked = swept(shop)
    assert report.brake == "5 of 6 lanes would go at once, more than 30 %"
    assert {(one.action, one.lane) for one in report.findings} == {
        (Action.KEEP, name) for name in (*branches[:5], "gone")
    }
    assert asked == []
    assert all(lane(shop, name).members for name in branches)
    assert shop.cluster.get("Service", "left", shop.chain.name) is not None
    assert settled(shop, confirm=True).brake == ""
    assert here(shop) == {"branch-5"}


def test_a_repository_that_suddenly_has_no_branch_puts_the_brake_on(shop: Shop) -> None:
    opened(shop, "fast")
    shop.origin.delete("fast")
    shop.origin.delete("main")
    report, _ = swept(shop)
    assert "no branch at all" in report.brake
    assert len(lane(shop, "fast").members) == 1


def test_under_the_brake_other_lanes_converge_and_closing_ones_go_on(shop: Shop) -> None:
    branches = [f"branch-{number}" for number in range(7)]
    opened(shop, *branches)
    for one in record(shop.event(Kind.CLOSED, "branch-6"), shop.chain, shop.world):
        converge(shop.chain, one.lane, shop.world)
    shop.origin.commit("branch-5", {"payment/app.py": "9"})
    for branch in branches[:5]:
        shop.origin.delete(branch)
    report, asked = swept(shop)
    assert report.brake
    assert asked == ["branch-6", "branch-5"]


def test_lanes_that_are_closing_already_do_not_put_the_brake_on(shop: Shop) -> None:
    branches = [f"branch-{number}" for number in range(6)]
    opened(shop, *branches)
    for branch in branches:
        for one in record(shop.event(Kind.CLOSED, branch), shop.chain, shop.world):
            converge(shop.chain, one.lane, shop.world)
    report, asked = swept(shop)
    assert (report.brake, asked) == ("", branches)


# --- one at a time, and what is told -----------------------------------------------------------------------


def test_a_dry_run_says_what_a_real_run_does_and_writes_nothing(shop: Shop) -> None:
    opened(shop, *(f"branch-{number}" for number in range(8)))
    orphan(shop)
    shop.origin.delete("branch-1")
    shop.origin.commit("branch-2", {"payment/app.py": "9"})
    before = everything(shop)
    dry, asked = swept(shop, dry_run=True)
    assert (everything(shop), asked) == (before, [])
    real, _ = swept(shop)
    assert dry.findings == real.findings
    assert len(real.findings) == 4


def test_only_one_sweep_runs_at_a_time_and_the_other_hears_who_it_is(shop: Shop) -> None:
    place = Place(shop.world.settings.namespace, LEASE)
    with lease.hold(shop.cluster, place, shop.clock) as held:
        with pytest.raises(HeldError, match=held.holder):
            swept(shop)
        swept(shop, dry_run=True)
    swept(shop)


def test_a_sweep_that_died_is_taken_over_when_its_lease_is_over(shop: Shop) -> None:
    place = Place(shop.world.settings.namespace, LEASE)
    lease.take(shop.cluster, place, shop.clock)
    shop.clock.step(10)
    with pytest.raises(HeldError) as caught:
        swept(shop)
    assert caught.value.retry_after == place.seconds - 10
    shop.clock.step(caught.value.retry_after)
    swept(shop)


def test_events_tell_of_the_sweep_and_of_each_lane_that_it_changed(shop: Shop) -> None:
    opened(shop, "fast")
    shop.origin.delete("fast")
    settled(shop)
    events = shop.cluster.list("Event")
    about_lane = [one for one in events if one["involvedObject"]["name"] == f"{shop.chain.name}.fast"]
    assert ("BranchGone", "default") in {(one["reason"], one["metadata"]["namespace"]) for one in about_lane}
    summaries = [one["message"] for one in events if one["involvedObject"]["name"] == LEASE]
    assert any("remove_lane:BranchGone 1" in one for one in summaries)


def test_several_hundred_lanes_are_swept_in_pages(shop: Shop) -> None:
    names = [f"many-{number}" for number in range(300)]
    at = shop.clock.now
    shop.origin.branch("many", {"payment/app.py": "2"})
    opened(shop, "many-0")
    template = lane(shop, "many-0").members[0]
    for name in names[1:]:
        one = replace(template, ref=name if int(name[5:]) % 10 == 0 else "many", observed_at=at)
        lanes.write(shop.cluster, Lane(shop.chain.name, name, (one,)))
    report, asked = swept(shop)
    gone = {one.lane for one in report.findings if one.action is Action.REMOVE_LANE}
    assert gone == {name for name in names[1:] if int(name[5:]) % 10 == 0}
    assert (report.lanes, sorted(asked)) == (300, sorted(names[1:]))

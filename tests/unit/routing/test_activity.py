"""What the router notes of lanes' use, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from envoy.service.load_stats.v3 import lrs_pb2
from google.protobuf import json_format

from provisioner.errors import ClusterError
from provisioner.lane.model import stamp
from provisioner.routing.router.activity import SEEN, Activity
from provisioner.routing.router.feed import Changed, Listed, queries
from provisioner.routing.router.reports import used
from provisioner.routing.router.state import RoutingState
from tests.support.routing import chain, endpoint_slice, lane, twin

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OLD, RECENT = timedelta(hours=1), timedelta(seconds=30)
POD, BASELINE = "192.0.2.20", "192.0.2.10"
LANES = next(one for one in queries([chain()]) if one.kind == "Lane")


class Desk:
    """A router that knows one lane, pr-4, used last so long ago; what it notes is kept. `away`: the cluster
    does not take notes."""

    def __init__(self, unused: timedelta) -> None:
        self.state, self.now, self.away = RoutingState([chain()]), NOW, False
        self.noted: list[str] = []
        objects = [
            twin("payment"),
            endpoint_slice("payment", [BASELINE]),
            endpoint_slice("payment", [POD], "pr-4"),
            used_at(NOW - unused),
        ]
        for query in queries([chain()]):
            self.state.view.apply(Listed(query, [one for one in objects if one["kind"] == query.kind]))

    def active(self, lane: dict[str, Any], at: datetime) -> None:
        if self.away:
            raise ClusterError("away")
        self.noted.append(lane["spec"]["lane"])
        used = {**lane, "status": {**lane["status"], "activeAt": stamp(at)}}
        self.state.view.apply(Changed(LANES, used, gone=False))

    def seen(self, chain: str, at: datetime) -> None:
        self.noted.append(f"chain {chain}")

    def does(self, *steps: Callable[[Activity], None]) -> list[str]:
        """What was noted after these steps, each done when the work of the one before it is."""
        asyncio.run(self._do(steps))
        return self.noted

    async def _do(self, steps: tuple[Callable[[Activity], None], ...]) -> None:
        activity = Activity(self.state, self, lambda: self.now)
        for step in steps:
            step(activity)
            await activity.settle()

    def waits(self, seconds: float) -> Callable[[Activity], None]:
        def wait(_: Activity) -> None:
            self.now += timedelta(seconds=seconds)

        return wait


def used_at(at: datetime) -> dict[str, Any]:
    return lane("pr-4", {"phase": "Ready", "activeAt": stamp(at)})


def reports(*addresses: str) -> Callable[[Activity], None]:
    return lambda activity: activity.report("shop", addresses)


def wakes(name: str = "pr-4") -> Callable[[Activity], None]:
    return lambda activity: activity.wake("shop", name)


def test_a_pod_that_had_requests_is_use_of_its_lane() -> None:
    assert Desk(OLD).does(reports(POD)) == ["pr-4", "chain shop"]


def test_the_baselines_requests_are_nobodys_use() -> None:
    assert Desk(OLD).does(reports(BASELINE, "192.0.2.99")) == ["chain shop"]


def test_a_lane_in_constant_use_is_noted_once_a_minute() -> None:
    desk = Desk(OLD)
    minutes = [step for _ in range(18) for step in (reports(POD), desk.waits(10))]
    assert desk.does(*minutes).count("pr-4") == 3


def test_what_another_router_noted_is_not_noted_again() -> None:
    assert Desk(RECENT).does(reports(POD)) == ["chain shop"]


def test_a_note_from_the_future_is_none() -> None:
    assert "pr-4" in Desk(-OLD).does(reports(POD))


def test_that_use_is_seen_is_noted_in_silence_too() -> None:
    desk = Desk(OLD)
    silence = [step for _ in range(6) for step in (reports(), desk.waits(SEEN.total_seconds() / 2))]
    assert desk.does(*silence) == ["chain shop"] * 3


def test_many_that_wait_have_a_lane_woken_once() -> None:
    assert Desk(OLD).does(wakes(), wakes(), wakes()) == ["pr-4"]


def test_a_lane_that_is_gone_is_not_woken() -> None:
    assert Desk(OLD).does(wakes("pr-9")) == []


def test_a_wake_that_could_not_be_noted_is_noted_with_the_next_one() -> None:
    desk = Desk(OLD)
    desk.away = True

    def returns(_: Activity) -> None:
        desk.away = False

    assert desk.does(wakes(), returns, wakes()) == ["pr-4"]


def test_who_uses_a_lane_uses_its_ancestors_and_who_wakes_it_wakes_them() -> None:
    desk = Desk(OLD)
    old = {"phase": "Ready", "activeAt": stamp(NOW - OLD)}
    for name, parent in (("pr-4", "pr-2"), ("pr-2", "pr-1"), ("pr-1", "gone")):
        desk.state.view.apply(Changed(LANES, lane(name, old, parent=parent), gone=False))
    assert sorted(desk.does(reports(POD))) == ["chain shop", "pr-1", "pr-2", "pr-4"]
    desk.noted.clear()
    desk.now += OLD
    assert sorted(desk.does(wakes("pr-2"))) == ["pr-1", "pr-2"]


def test_a_report_names_pods_and_no_listeners_of_envoy_itself() -> None:
    endpoints = [
        {"address": {"socket_address": {"address": POD, "port_value": 8080}}},
        {"address": {"envoy_internal_address": {"server_listener_name": "payment:8080/waker"}}},
    ]
    locality = {"upstream_endpoint_stats": endpoints}
    report = {"cluster_stats": [{"cluster_name": "x", "upstream_locality_stats": [locality]}]}
    assert list(used(json_format.ParseDict(report, lrs_pb2.LoadStatsRequest()))) == [POD]

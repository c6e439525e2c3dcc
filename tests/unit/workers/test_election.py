"""The leader's Lease, with clocks that the tests move."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from provisioner.errors import ClusterError, ConflictError
from workers.election import LEASE_SECONDS, RENEW_SECONDS, Election


class Cluster:
    """One Lease with a resourceVersion, as an API server keeps it."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.away = False

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        if self.away:
            raise ClusterError("away")
        return copy.deepcopy(self.lease)

    def create(self, obj: dict[str, Any]) -> dict[str, Any]:
        if self.lease is not None:
            raise ConflictError("taken")
        return self._store(obj, 1)

    def replace(self, obj: dict[str, Any], subresource: str = "") -> dict[str, Any]:
        assert self.lease is not None
        version = int(self.lease["metadata"]["resourceVersion"])
        if obj["metadata"]["resourceVersion"] != str(version):
            raise ConflictError("stale")
        return self._store(obj, version + 1)

    def _store(self, obj: dict[str, Any], version: int) -> dict[str, Any]:
        self.lease = copy.deepcopy(obj)
        self.lease["metadata"]["resourceVersion"] = str(version)
        return self.lease


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


def candidate(cluster: Cluster, clock: Clock, name: str) -> Election:
    return Election(cluster, "laneway-system", name, clock)


def test_the_first_leads_and_the_second_looks_on(cluster: Cluster, clock: Clock) -> None:
    one, two = candidate(cluster, clock, "one"), candidate(cluster, clock, "two")
    one.campaign()
    two.campaign()
    assert (one.leading(), two.leading()) == (True, False)


def test_a_leader_that_renews_stays(cluster: Cluster, clock: Clock) -> None:
    one, two = candidate(cluster, clock, "one"), candidate(cluster, clock, "two")
    for _ in range(10):
        one.campaign()
        two.campaign()
        clock.now += RENEW_SECONDS
        assert (one.leading(), two.leading()) == (True, False)


def test_a_leader_that_is_gone_is_followed_by_another(cluster: Cluster, clock: Clock) -> None:
    one, two = candidate(cluster, clock, "one"), candidate(cluster, clock, "two")
    one.campaign()
    two.campaign()
    clock.now += LEASE_SECONDS
    assert not one.leading()
    two.campaign()
    assert two.leading()
    one.campaign()
    assert not one.leading()


def test_the_clocks_of_machines_are_not_compared(cluster: Cluster, clock: Clock) -> None:
    one, two = candidate(cluster, clock, "one"), candidate(cluster, Clock(9_999_999.0), "two")
    one.campaign()
    two.campaign()
    assert not two.leading()


def test_a_leader_that_cannot_renew_stops_before_another_begins(cluster: Cluster, clock: Clock) -> None:
    one, two = candidate(cluster, clock, "one"), candidate(cluster, clock, "two")
    one.campaign()
    clock.now += 1
    two.campaign()
    cluster.away = True
    clock.now += LEASE_SECONDS - 1
    with pytest.raises(ClusterError):
        one.campaign()
    assert not one.leading()
    cluster.away = False
    two.campaign()
    assert not two.leading()


def test_of_two_that_try_at_once_one_wins(cluster: Cluster, clock: Clock) -> None:
    one, two = candidate(cluster, clock, "one"), candidate(cluster, clock, "two")
    stale = cluster.get("Lease", "laneway-beat")
    one.campaign()
    cluster.get = lambda *_: stale  # type: ignore[method-assign,assignment]
    two.campaign()
    assert (one.leading(), two.leading()) == (True, False)


def test_a_leader_that_resigns_lets_another_begin_at_once(cluster: Cluster, clock: Clock) -> None:
    one, two = candidate(cluster, clock, "one"), candidate(cluster, clock, "two")
    one.campaign()
    two.campaign()
    one.resign()
    two.campaign()
    assert (one.leading(), two.leading()) == (False, True)

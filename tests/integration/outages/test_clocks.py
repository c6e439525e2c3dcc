"""A clock that is stepped by an hour, either way: who holds what for how long is judged by the time that
passes."""

from __future__ import annotations

from uuid import uuid4

import pytest

from provisioner.cluster import Cluster
from provisioner.errors import ConflictError
from provisioner.sweep import lease
from provisioner.sweep.lease import HeldError, Place
from tests.support.devcluster import Devcluster
from tests.support.shop import Clock

HOUR = 3600.0


@pytest.fixture
def place() -> Place:
    return Place("laneway-system", f"sweep-{uuid4().hex[:8]}", seconds=60)


def attempt(dev: Devcluster, place: Place, clock: Clock) -> float:
    """Somebody else wants the Lease; for how many seconds he is told to wait."""
    with pytest.raises(HeldError) as caught:
        lease.take(dev.cluster, place, clock)
    assert caught.value.retry_after is not None
    return caught.value.retry_after


def renewed(cluster: Cluster, place: Place) -> str:
    found = cluster.get("Lease", place.name, place.namespace)
    assert found is not None
    return str(found["spec"]["renewTime"])


def test_a_holder_that_died_with_its_clock_an_hour_ahead_is_waited_for_as_long_as_any(
    dev: Devcluster, place: Place
) -> None:
    ahead, clock = Clock(), Clock()
    ahead.step(HOUR)
    lease.take(dev.cluster, place, ahead)
    assert attempt(dev, place, clock) == place.seconds
    clock.step(place.seconds - 10)
    assert attempt(dev, place, clock) == 10
    clock.step(10)
    lease.take(dev.cluster, place, clock).release()


def test_a_holder_that_lives_with_its_clock_an_hour_ahead_keeps_what_it_holds(
    dev: Devcluster, place: Place
) -> None:
    ahead, clock, passed = Clock(), Clock(), [0.0]
    ahead.step(HOUR)
    held = lease.take(dev.cluster, place, ahead)
    held.clock = lambda: held.renewed + passed[0]
    attempt(dev, place, clock)
    passed[0] = place.seconds
    held.renew()
    assert renewed(dev.cluster, place).startswith("2026-01-02T04:")
    clock.step(place.seconds)
    assert attempt(dev, place, clock) == place.seconds
    held.release()
    lease.take(dev.cluster, place, clock)


def test_a_holder_whose_clock_is_set_back_goes_on_renewing(dev: Devcluster, place: Place) -> None:
    clock, passed = Clock(), [0.0]
    held = lease.take(dev.cluster, place, clock)
    held.clock = lambda: held.renewed + passed[0]
    clock.step(-HOUR)
    passed[0] = place.seconds / 2
    held.renew()
    assert renewed(dev.cluster, place).startswith("2026-01-02T02:")
    assert attempt(dev, place, clock) == place.seconds


def test_a_holder_that_was_taken_for_dead_hears_of_it(dev: Devcluster, place: Place) -> None:
    clock = Clock()
    held = lease.take(dev.cluster, place, clock)
    held.clock = lambda: held.renewed + place.seconds
    clock.step(HOUR)
    other = lease.take(dev.cluster, place, clock)
    for act in (held.renew, held.release):
        with pytest.raises(ConflictError, match="somebody else took it over"):
            act()
    other.release()


def test_a_lease_that_somebody_deletes_meanwhile_counts_as_lost(dev: Devcluster, place: Place) -> None:
    held = lease.take(dev.cluster, place, Clock())
    dev.cluster.delete("Lease", place.name, place.namespace)
    with pytest.raises(ConflictError, match="somebody else took it over"):
        held.release()

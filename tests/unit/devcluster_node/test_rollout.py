"""The arithmetic of rollouts, simulated: any strategy arrives, and never leaves its bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devcluster.controllers import rollout
from devcluster.controllers.rollout import Bounds, Generation


@pytest.mark.parametrize(
    ("surge", "unavailable", "replicas", "expected"),
    [
        ("25%", "25%", 1, Bounds(1, 0)),
        ("25%", "25%", 4, Bounds(1, 1)),
        ("25%", "25%", 5, Bounds(2, 1)),
        (0, 0, 3, Bounds(0, 1)),
        ("0%", "10%", 3, Bounds(0, 1)),
        (0, "100%", 3, Bounds(0, 3)),
        (2, 9, 3, Bounds(2, 3)),
    ],
)
def test_surge_rounds_up_and_unavailable_down(
    surge: int | str, unavailable: int | str, replicas: int, expected: Bounds
) -> None:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    deployment = {"spec": {"replicas": replicas, "strategy": {"rollingUpdate": rolling}}}
    assert rollout.bounds(deployment) == expected


sizes = st.integers(min_value=1, max_value=12)
shares = st.integers(min_value=0, max_value=4)


@given(wanted=sizes, surge=shares, unavailable=shares, healthy=st.integers(0, 12), order=st.randoms())
def test_a_rollout_arrives_and_stays_within_its_bounds(
    wanted: int, surge: int, unavailable: int, healthy: int, order: object
) -> None:
    limits = Bounds(surge, min(unavailable or (1 if surge == 0 else 0), wanted))
    healthy = min(healthy, wanted)
    old, new = Generation("old", wanted, healthy), Generation("new", 0, 0)
    for _ in range(200):
        size = rollout.grown(wanted, limits, new, [old])
        if size != new.replicas:
            new = replace(new, replicas=size)
        else:
            left = rollout.shrunk(wanted, limits, new, [old])["old"]
            old = Generation("old", left, min(left, old.available))
        assert new.replicas + old.replicas <= wanted + surge
        floor = min(wanted - limits.unavailable, healthy)
        assert new.available + old.available >= floor
        if new.available < new.replicas:
            new = replace(new, available=new.available + 1)
    assert (new.replicas, old.replicas) == (wanted, 0)


def test_pods_that_never_worked_go_before_those_that_do() -> None:
    broken, good = Generation("broken", 1, 0), Generation("good", 3, 3)
    left = rollout.shrunk(3, Bounds(1, 0), Generation("new", 0, 0), [good, broken])
    assert left == {"good": 3, "broken": 0}


def test_a_deployment_scaled_down_shrinks_its_new_set() -> None:
    assert rollout.grown(2, Bounds(1, 0), Generation("new", 5, 5), []) == 2

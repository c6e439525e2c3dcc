"""A release of a whole chain: however the weight and the pods change, no request meets two versions.

Requests go web -> orders -> payment -> logistics, through a real Envoy before each; all but web are released.
`make proof` has ten times as many.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.support.releasing import NAME
from tests.support.routing import wait_until
from tests.support.street import kill
from tests.support.town import Town

WEIGHTS = (10, 25, 50, 75, 100)


@pytest.fixture
def town() -> Iterator[Town]:
    with ExitStack() as stack:
        made = Town(stack)
        made.build()
        made.show()
        yield made


def stepped(town: Town, count: int) -> Counter[tuple[int, frozenset[str]]]:
    """What so many requests met while the weight went up and down, again and again."""
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(town.ask, count)
        while not asking.done():
            for weight in (*WEIGHTS, 0, 100, 0):
                town.step(weight)
        found = asking.result()
    assert not [one for one in found if one.mixed]
    return Counter((one.status, one.versions) for one in found)


V1, V2 = (200, frozenset({"v1"})), (200, frozenset({NAME}))


def test_while_its_weight_changes_no_request_meets_two_versions(town: Town) -> None:
    found = stepped(town, 500)
    assert found.keys() == {V1, V2}


@pytest.mark.proof
def test_while_its_weight_changes_no_request_of_many_meets_two_versions(town: Town) -> None:
    found = stepped(town, 6000)
    assert found.keys() == {V1, V2}
    assert found.total() >= 6000


def test_at_each_step_a_request_meets_one_version_and_the_service_that_is_not_released(town: Town) -> None:
    for weight in WEIGHTS:
        town.step(weight)
        found = town.ask(60)
        assert {one.met["web"] for one in found} == {"v1"}
        assert {(one.status, one.versions) for one in found} <= {V1, V2}
    assert {one.versions for one in found} == {frozenset({NAME})}


def test_with_one_of_several_pods_killed_at_an_inner_service_no_request_fails(town: Town) -> None:
    """None that comes when the pod is dead; discovery has not heard of that."""
    town.build()
    town.show()
    town.step(50)
    town.ask(40)
    kill(one[0] for one in town.copies.values())
    found = Counter((one.status, one.versions) for one in town.ask(200))
    assert found.keys() == {V1, V2}, found


def test_while_a_service_of_it_has_no_pod_all_is_the_baselines_and_nothing_mixed(town: Town) -> None:
    town.step(100)
    lost, town.copies["payment"] = town.copies["payment"], []
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(town.ask, 400)
        town.show("payment")
        wait_until(lambda: town.taken() == 0, what="the share's pause")
        assert {(one.status, one.versions) for one in town.ask(40)} == {V1}
        during = asking.result()
    assert not [one for one in during if one.mixed]
    assert {one.status for one in during} <= {200, 503}
    town.copies["payment"] = lost
    town.show("payment")
    wait_until(lambda: town.taken() == 10_000, what="the share's return")
    assert {(one.status, one.versions) for one in town.ask(40)} == {V2}


def test_a_release_begins_when_every_envoy_knows_its_pods() -> None:
    """Services call another Envoy than the one that decides; it hears nothing for a while."""
    with ExitStack() as stack:
        town = Town(stack, envoys=2)
        town.build()
        entry, inner = town.envoys
        inner.process.send_signal(signal.SIGSTOP)
        stack.callback(inner.process.send_signal, signal.SIGCONT)
        town.put(100)
        town.show()
        wait_until(lambda: town.known(entry, "payment"), what="the pods at the entry")
        town.show_preview()
        wait_until(lambda: town.known(entry, "web"), what="something later at the entry")
        assert not town.taken()
        inner.process.send_signal(signal.SIGCONT)
        wait_until(lambda: town.taken() == 10_000, what="the share")
        assert town.known(inner, "payment")
        assert {(one.status, one.versions) for one in town.ask(40)} == {V2}


def test_a_release_whose_pods_and_share_are_heard_of_at_once_mixes_nothing() -> None:
    with ExitStack() as stack:
        town = Town(stack, envoys=2)
        town.build()
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(town.ask, 200)
            town.put(100)
            town.show()
            wait_until(lambda: town.taken() == 10_000, what="the share")
            found = [*town.ask(20), *asking.result()]
        assert {(one.status, one.versions) for one in found} <= {V1, V2}

"""Lanes that come, change and go while requests run, and a worker that is cut off at every one of its writes.

Nobody on another lane or on the baseline fails or goes another way, and on the lane itself nobody fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from provisioner.errors import ClusterError
from tests.conformance.cases import HEADER, NOWHERE, REFUSED, WAYS
from tests.conformance.hops.client import Load, Story, Walk
from tests.conformance.planes import Plane
from tests.conformance.results import Seen, seen
from tests.conformance.scene import BASELINE, SERVICES, Copy, Lane
from tests.support.waiting import until

NAME = "comet"
COMET = {NAME: Lane({"orders": Copy.READY, "payment": Copy.READY})}
WHOLE = (BASELINE, NAME, NAME, BASELINE)
HALF = (BASELINE, NAME, BASELINE, BASELINE)
MOST_WRITES = 50


def tagged(lane: str) -> Walk:
    return Walk(SERVICES[0], headers=((HEADER, lane),))


UNTAGGED, OTHER, OWN = Walk(SERVICES[0]), tagged("pr-4"), tagged(NAME)


def way(story: Story) -> tuple[str, ...]:
    return seen(story, None).way


@contextmanager
def fire(plane: Plane, *, window: bool = False) -> Iterator[Load]:
    """Requests of no lane, of another lane and of the comet's; none of them may be harmed. `window`: but for
    the comet's, of which some may fail until a route is written."""
    with plane.hops.load(UNTAGGED, OTHER, OWN) as load:
        yield load
        until(lambda: min(count.total() for count in load.now()) > 20, "enough requests", seconds=60)
    nobody, others, own = load.counts
    assert {seen(story, None) for story in nobody} == {Seen(NOWHERE, ("-",) * 4)}
    assert {way(story) for story in others} == {tuple(WAYS["pr-4"].split())}
    harmed = {story: times for story, times in own.items() if not set(way(story)) <= {BASELINE, NAME}}
    assert not harmed or (window and {REFUSED} == {way(story)[-1] for story in harmed}), harmed


def wait_for_way(plane: Plane, wanted: tuple[str, ...]) -> None:
    """Until the comet's requests go that way, of those that run as well."""
    until(lambda: way(plane.hops.walk(OWN)) == wanted, f"the way {wanted}", seconds=60)


def drain(load: Load) -> None:
    """Until the comet's requests that were on their way have ended: as many more have begun and ended."""
    before = load.now()[2].total()
    until(lambda: load.now()[2].total() >= before + 10, "requests after the routes went", seconds=60)


def cut_off_at_each_write(does: Callable[[str, int], None]) -> int:
    """Does it again and again, each time one write further, until it is done; how often it was cut off."""
    for number in range(1, MOST_WRITES):
        try:
            does(NAME, number)
        except ClusterError:
            continue
        return number - 1
    raise AssertionError(f"not done after {MOST_WRITES} writes")


def test_a_lane_that_comes_and_goes_harms_nobody(plane: Plane) -> None:
    with fire(plane) as load:
        for _ in "ab":
            plane.deploy(COMET)
            plane.settle(NAME)
            wait_for_way(plane, WHOLE)
            plane.withdraw(NAME)
            wait_for_way(plane, NOWHERE)
            drain(load)
            plane.remove(NAME)


def test_a_copy_that_is_lost_and_found_again_harms_no_other(
    plane: Plane, told: list[str], driver: str
) -> None:
    plane.deploy(COMET)
    plane.settle(NAME)
    wait_for_way(plane, WHOLE)
    with fire(plane, window=driver != "envoy") as load:
        start = time.monotonic()
        plane.show("payment", NAME, Copy.UNREADY)
        plane.settle(NAME)
        written = time.monotonic() - start
        wait_for_way(plane, HALF)
        felt = time.monotonic() - start
        plane.show("payment", NAME, Copy.READY)
        plane.settle(NAME)
        wait_for_way(plane, WHOLE)
    plane.withdraw(NAME)
    wait_for_way(plane, NOWHERE)
    plane.remove(NAME)
    own = load.counts[2]
    failed = sum(times for story, times in own.items() if REFUSED in way(story))
    told.append(
        f"{driver}: a lane's last copy is lost: routes are written {written:.2f} s after its EndpointSlice "
        f"changed, requests feel it after {felt:.2f} s; {failed} of the lane's {own.total()} requests failed"
    )


def test_a_worker_that_is_cut_off_at_any_write_harms_nobody(plane: Plane) -> None:
    with fire(plane) as load:
        plane.deploy(COMET)
        cut_off_at_each_write(plane.settle)
        wait_for_way(plane, WHOLE)
        cut_off_at_each_write(plane.withdraw)
        wait_for_way(plane, NOWHERE)
        drain(load)
        plane.remove(NAME)

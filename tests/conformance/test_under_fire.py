"""Lanes that come, change and go while requests run, and a worker that is cut off at every one of its writes.

Nobody on another lane or on the baseline fails or goes another way, and on the lane itself nobody fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from provisioner.errors import ClusterError
from tests.conformance.cases import HEADER, NOWHERE, WAYS
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
def fire(plane: Plane) -> Iterator[Load]:
    """Requests of no lane, of another lane and of the comet's; none of them may be harmed."""
    with plane.hops.load(UNTAGGED, OTHER, OWN) as load:
        yield load
    nobody, others, own = load.counts
    assert {seen(story, None) for story in nobody} == {Seen(NOWHERE, ("-",) * 4)}
    assert {way(story) for story in others} == {tuple(WAYS["pr-4"].split())}
    assert {who for story in own for who in way(story)} <= {BASELINE, NAME}
    assert min(count.total() for count in load.counts) > 10


def wait_for_way(plane: Plane, wanted: tuple[str, ...]) -> None:
    """Until the comet's requests go that way, of those that run as well."""
    until(lambda: way(plane.hops.walk(OWN)) == wanted, f"the way {wanted}", seconds=60)


def cut_off_at_each_write(does: Callable[[str, int], None]) -> int:
    """Does it again and again, each time one write further, until it is done; how often it was cut off."""
    for number in range(1, MOST_WRITES):
        try:
            does(NAME, number)
        except ClusterError:
            continue
        return number - 1
    raise AssertionError(f"not done after {MOST_WRITES} writes")


def test_a_lane_that_comes_changes_and_goes_harms_nobody(plane: Plane, told: list[str], driver: str) -> None:
    with fire(plane):
        plane.deploy(COMET)
        plane.settle(NAME)
        wait_for_way(plane, WHOLE)

        before = time.monotonic()
        plane.show("payment", NAME, Copy.UNREADY)
        plane.settle(NAME)
        written = time.monotonic()
        wait_for_way(plane, HALF)
        felt = time.monotonic()

        plane.show("payment", NAME, Copy.READY)
        plane.settle(NAME)
        wait_for_way(plane, WHOLE)

        plane.withdraw(NAME)
        wait_for_way(plane, NOWHERE)
        plane.remove(NAME)
    told.append(
        f"{driver}: a lane's last copy is lost: routes are written {written - before:.2f} s after its "
        f"EndpointSlice changed, and requests feel it after {felt - before:.2f} s"
    )


def test_a_worker_that_is_cut_off_at_any_write_harms_nobody(plane: Plane) -> None:
    with fire(plane):
        plane.deploy(COMET)
        cut_off_at_each_write(plane.settle)
        wait_for_way(plane, WHOLE)
        cut_off_at_each_write(plane.withdraw)
        wait_for_way(plane, NOWHERE)
        plane.remove(NAME)

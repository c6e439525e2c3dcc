"""A release that goes back in the middle of a step, and one that loses a copy of several, under requests.

How many requests meet each step is said by LANEWAY_CONFORMANCE_CHAINS; 1000 for figures.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

import pytest

from provisioner.release.model import Phase
from provisioner.routing import share
from tests.conformance import results
from tests.conformance.cases import HEADER, NOWHERE, WAYS
from tests.conformance.hops.client import Activity, Load, Story, Walk
from tests.conformance.releasing import WITHIN, Releasing, wait_for, within
from tests.conformance.scene import BUCKET, RELEASE, SERVICES
from tests.support.waiting import until

MOST = int(os.environ.get("LANEWAY_CONFORMANCE_CHAINS", "100"))
SURE = 100  # chains of which, at a share of a tenth, one is in it, all but once in forty thousand
SECONDS = 30.0  # in which a share has to go at the latest, on a machine that has much else to do
NOBODY, OTHERS = Walk(SERVICES[0]), Walk(SERVICES[0], headers=((HEADER, "pr-4"),))


@pytest.mark.parametrize("weight", [10, 25, 50, 75, 100])
def test_a_release_that_is_aborted_in_the_middle_of_a_step_fails_nobody_and_all_are_back(
    release: Releasing, driver: str, told: list[str], weight: int
) -> None:
    release.bring("nobody")
    with release.plane.hops.load(NOBODY, OTHERS) as load:
        before = load.now()[0]
        release.weigh(weight)
        until(lambda: within(load.now()[0] - before), f"the release has {weight} %", seconds=60)
        wait_for(load, MOST)
        decided = time.monotonic()
        release.weigh(0, Phase.ROLLING_BACK)
        written = time.monotonic()
        until(lambda: not within(wait_for(load, SURE, load.now()[0])), "nobody is in the release", 60)
    assert {way(story) for story in load.counts[0]} <= {WITHIN, NOWHERE}
    assert {way(story) for story in load.counts[1]} == {tuple(WAYS["pr-4"].split())}
    if driver != "gateway-api":
        assert_users_are_back(release, weight)
    last = max(one.ended for story, one in load.last[0].items() if way(story) == WITHIN)
    assert last - decided < SECONDS
    told.append(
        f"{driver}: a release is aborted at {weight} % under {load.counts[0].total()} chains of no lane: 0 "
        f"met two versions, 0 failed; all is written {written - decided:.2f} s after the decision, and the "
        f"last answer from the lane came {last - decided:.2f} s after it ({last - written:+.2f} s)"
    )


def assert_users_are_back(release: Releasing, weight: int) -> None:
    """The first and the last who were in it, with the cookie that they got then."""
    first = share.start(RELEASE)
    for place in (0, weight * share.BUCKETS // 100 - 1):
        number = (first + place) % share.BUCKETS
        user = Walk(SERVICES[0], headers=(("cookie", f"{BUCKET}={number}"),))
        assert way(release.plane.hops.walk(user)) == NOWHERE


@pytest.mark.parametrize(
    "service", [one for one, who in zip(SERVICES, WITHIN, strict=True) if who == RELEASE]
)
def test_one_of_several_copies_that_dies_fails_no_request_but_those_that_it_was_busy_with(
    release: Releasing, driver: str, told: list[str], service: str
) -> None:
    release.bring("half")
    plane = release.plane
    one = plane.join(service, RELEASE)
    with plane.hops.load(NOBODY, OTHERS) as load:
        until(lambda: plane.hops.look(one.service, one.who, one.number).begun > MOST // 5, "it is used")
        died = plane.lose(one)
        wait_for(load, MOST)
    failed = {story: times for story, times in load.counts[0].items() if fails(story)}
    assert {way(story) for story in load.counts[0].keys() - failed} == {WITHIN, NOWHERE}
    assert all(way(story)[:-1] in (WITHIN[: len(story) - 1], NOWHERE[: len(story) - 1]) for story in failed)
    assert {way(story) for story in load.counts[1]} == {tuple(WAYS["pr-4"].split())}
    assert_on_their_way(failed, load, died)
    told.append(
        f"{driver}: one of two copies of {service} dies while the release has 50 %, under "
        f"{load.counts[0].total()} chains of no lane: {sum(failed.values())} failed, of {died.busy} that it "
        "was busy with; 0 met two versions"
    )


def assert_on_their_way(failed: Iterable[Story], load: Load, died: Activity) -> None:
    """Whatever failed had begun before the copy died."""
    late = {story: load.last[0][story] for story in failed if load.last[0][story].began > died.moment}
    assert not late, f"requests that began after the copy died at {died.moment} failed: {late}"


def way(story: Story) -> tuple[str, ...]:
    return results.seen(story, None).way


def fails(story: Story) -> bool:
    return not all(hop.who for hop in story)

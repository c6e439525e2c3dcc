"""What a release takes of requests that name no lane, and what it leaves alone, by the driver under test."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest

from provisioner.release.model import Phase
from provisioner.routing import share
from provisioner.routing.explain import gather
from provisioner.routing.intent import Share
from tests.conformance import results
from tests.conformance.cases import HEADER, NOWHERE, RELEASE_CASES, WAYS, Case
from tests.conformance.explaining import words
from tests.conformance.hops.client import Story, Walk
from tests.conformance.limits import BY_LOT, as_limited
from tests.conformance.releasing import ENOUGH, WITHIN, Releasing, wait_for, within
from tests.conformance.scene import BUCKET, RELEASE, SERVICES
from tests.support.waiting import until


@pytest.mark.parametrize("case", RELEASE_CASES, ids=lambda case: case.id)
def test_a_release_takes_what_it_is_to_take(
    release: Releasing, driver: str, record: dict[str, str], case: Case
) -> None:
    release.bring(case.state)
    plane, wanted = release.plane, as_limited(driver, case)
    story = plane.hops.walk(Walk(case.begins, case.port, case.protocol, case.headers))
    found = results.seen(story, case.lane)
    if wanted == BY_LOT:
        assert found.way in (WITHIN, NOWHERE)
        found = BY_LOT
    record[case.id] = found.line()
    assert found == wanted
    if found != BY_LOT and (found.bucket, case.state) != (True, "half"):
        live = gather.live(plane.place.parsed(), plane.cluster)
        assert words(plane, live, case, story) == list(zip(found.way, found.said, strict=True))


def test_no_chain_meets_two_versions_and_none_fails_while_a_release_goes_on_and_back(
    release: Releasing, driver: str, told: list[str]
) -> None:
    """LANEWAY_CONFORMANCE_CHAINS says of how many requests at each step; 1000 for figures."""
    release.bring("nobody")
    most = int(os.environ.get("LANEWAY_CONFORMANCE_CHAINS", "100"))
    seen: dict[int, float] = {}
    with release.plane.hops.load(Walk(SERVICES[0]), Walk(SERVICES[0], headers=((HEADER, "pr-4"),))) as load:
        for weight in (10, 25, 50, 75, 100):
            release.weigh(weight)
            before = wait_for(load, most // 5)  # until then some may be on their way by the weight of before
            after = wait_for(load, most) - before
            seen[weight] = round(100 * within(after) / after.total(), 1)
        start = time.monotonic()
        release.weigh(0, Phase.ROLLING_BACK)
        until(lambda: not within(wait_for(load, 20, load.now()[0])), "nobody is in the release", 60)
        felt = time.monotonic() - start
    nobody, others = load.counts
    assert {results.seen(story, None).way for story in nobody} == {WITHIN, NOWHERE}
    assert {results.seen(story, None).way for story in others} == {tuple(WAYS["pr-4"].split())}
    told.append(
        f"{driver}: a release goes to 100 % and back under {nobody.total()} chains of no lane: 0 met two "
        f"versions, 0 failed; in it were, by weight, {seen} %; nobody {felt:.2f} s after it went back"
    )


def bucket(story: Story) -> int | None:
    """The one that the answer to a first request gave."""
    name, _, value = story[0].cookie.partition(";")[0].partition("=")
    return share.bucket_in(value) if name == BUCKET else None


def test_half_of_the_users_are_in_from_their_first_request_on_and_stay(
    release: Releasing, driver: str
) -> None:
    """With Gateway API nobody is told from another: whole chains, each by lot."""
    release.bring("half")
    half = Share(RELEASE, RELEASE, 50)
    for _ in range(4 * ENOUGH):
        story = release.plane.hops.walk(Walk(SERVICES[0]))
        way, number = results.seen(story, None).way, bucket(story)
        assert way in (WITHIN, NOWHERE), "two versions in one chain"
        if driver == "gateway-api":
            assert number is None
            continue
        assert number is not None
        assert share.contains(half, number) == (way == WITHIN)
        again = release.plane.hops.walk(
            Walk(SERVICES[0], headers=(("cookie", f"{BUCKET}={number}"),)),
        )
        assert results.seen(again, None) == replace(results.seen(story, None), bucket=False)

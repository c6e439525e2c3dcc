"""Every case, by the driver under test: the way that a request takes, and what is said of it."""

from __future__ import annotations

import pytest

from tests.conformance.cases import CASES, NOWHERE, REFUSED, Case
from tests.conformance.hops.client import Story, Walk
from tests.conformance.planes import Plane
from tests.conformance.scene import SERVICES

UNAVAILABLE = ("503", "UNAVAILABLE")  # in HTTP's words and in gRPC's


def way(story: Story) -> tuple[str, ...]:
    return tuple(one.who or (REFUSED if one.status in UNAVAILABLE else one.status) for one in story)


def said(story: Story) -> tuple[str | None, ...]:
    return tuple(one.said for one in story)


def expected_words(case: Case) -> tuple[str | None, ...]:
    if case.lane is None:
        return (None,) * len(case.way)
    who = ("none" if one == REFUSED else one for one in case.way)
    return tuple(f"{service}={one}" for service, one in zip(SERVICES, who, strict=False))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_request_takes_its_way_and_hears_of_it(plane: Plane, case: Case) -> None:
    story = plane.hops.walk(Walk(case.begins, case.port, case.protocol, case.headers))
    assert way(story) == case.way
    assert said(story) == expected_words(case)
    assert {one.port for one in story if one.who} <= {case.port}
    if case.lane and case.way[-1] == REFUSED and "crashed" not in case.lane:
        assert case.lane in story[-1].text
        assert story[-1].service in story[-1].text
    untagged = plane.hops.walk(Walk(case.begins, case.port, case.protocol))
    assert way(untagged) == NOWHERE
    assert said(untagged) == (None,) * len(SERVICES)


def test_there_are_at_least_sixty_cases() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 60

"""Every case, by the driver under test: the way that a request takes, and what is said of it."""

from __future__ import annotations

import pytest

from provisioner.routing.explain import Live
from tests.conformance import results
from tests.conformance.cases import CASES, LANE_CASES, NOWHERE, Case
from tests.conformance.explaining import words
from tests.conformance.hops.client import Walk
from tests.conformance.limits import as_limited
from tests.conformance.planes import Plane
from tests.conformance.results import SILENT, Seen


@pytest.mark.parametrize("case", LANE_CASES, ids=lambda case: case.id)
def test_a_request_takes_its_way_and_hears_of_it(
    plane: Plane, driver: str, record: dict[str, str], live: Live, case: Case
) -> None:
    story = plane.hops.walk(Walk(case.begins, case.port, case.protocol, case.headers))
    found = results.seen(story, case.lane)
    record[case.id] = found.line()
    assert found == as_limited(driver, case)
    assert {one.port for one in story if one.who} <= {case.port}
    if "crashed" not in (case.lane or "") and case.topic != "link":  # of which no object knows
        assert words(plane, live, case, story) == list(zip(found.way, found.said, strict=True))
    untagged = plane.hops.walk(Walk(case.begins, case.port, case.protocol))
    assert results.seen(untagged, None) == Seen(NOWHERE, (SILENT,) * len(NOWHERE))


def test_there_are_at_least_sixty_cases() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 60

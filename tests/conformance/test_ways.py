"""Every case, by the driver under test: the way that a request takes, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from provisioner.routing.explain import Explanation, Live, Request, explain
from provisioner.routing.explain.story import NOBODY
from tests.conformance import outside, results
from tests.conformance.cases import CASES, NOWHERE, REFUSED, Case
from tests.conformance.hops.client import Story, Walk
from tests.conformance.limits import as_limited
from tests.conformance.planes import Plane
from tests.conformance.results import SILENT, Seen
from tests.conformance.scene import OUTSIDE, PORTS, SERVICES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_request_takes_its_way_and_hears_of_it(
    plane: Plane, driver: str, record: dict[str, str], live: Live, case: Case
) -> None:
    story = plane.hops.walk(Walk(case.begins, case.port, case.protocol, case.headers))
    found = results.seen(story, case.lane)
    record[case.id] = found.line()
    assert found == as_limited(driver, case)
    assert {one.port for one in story if one.who} <= {case.port}
    if "crashed" not in (case.lane or "") and case.topic != "link":  # of which no object knows
        assert _words(_explained(plane, live, case, story)) == list(zip(found.way, found.said, strict=True))
    untagged = plane.hops.walk(Walk(case.begins, case.port, case.protocol))
    assert results.seen(untagged, None) == Seen(NOWHERE, (SILENT,) * len(NOWHERE))


def _words(explained: Iterable[Explanation]) -> list[tuple[str, str]]:
    """Who answers, and what is said of it, as `Seen` has them."""
    return [(one.who.replace(NOBODY, REFUSED), one.said.partition("=")[2] or SILENT) for one in explained]


def _explained(plane: Plane, live: Live, case: Case, story: Story) -> Iterator[Explanation]:
    """What the objects say about each hop of a story, from what its caller sent."""
    sent = (case.headers, *(hop.passes for hop in story))
    for place, (hop, headers) in enumerate(zip(story, sent, strict=False)):
        hosts = [value for key, value in headers if key == "host"] or [outside.HOST]
        host = hosts[0] if place == 0 and case.begins == OUTSIDE else ""
        service = SERVICES[place]
        asked = Request(service, plane.place.namespace, PORTS[case.port], tuple(headers), host)
        assert hop.service == service
        yield explain(plane.place.parsed(), live, asked)


def test_there_are_at_least_sixty_cases() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 60

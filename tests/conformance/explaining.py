"""What the objects say about each hop of a story, in the words of what was seen."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.routing.explain import Explanation, Live, Request, explain
from provisioner.routing.explain.story import NOBODY
from tests.conformance import outside
from tests.conformance.cases import REFUSED, Case
from tests.conformance.hops.client import Story
from tests.conformance.planes import Plane
from tests.conformance.results import SILENT
from tests.conformance.scene import OUTSIDE, PORTS, SERVICES


def words(plane: Plane, live: Live, case: Case, story: Story) -> list[tuple[str, str]]:
    """Who answers, and what is said of it, as `Seen` has them."""
    return [
        (one.who.replace(NOBODY, REFUSED), one.said.partition("=")[2] or SILENT)
        for one in _explained(plane, live, case, story)
    ]


def _explained(plane: Plane, live: Live, case: Case, story: Story) -> Iterator[Explanation]:
    """By what each caller sent."""
    sent = (case.headers, *(hop.passes for hop in story))
    for place, (hop, headers) in enumerate(zip(story, sent, strict=False)):
        hosts = [value for key, value in headers if key == "host"] or [outside.HOST]
        host = hosts[0] if place == 0 and case.begins == OUTSIDE else ""
        service = SERVICES[place]
        asked = Request(service, plane.place.namespace, PORTS[case.port], tuple(headers), host)
        assert hop.service == service
        yield explain(plane.place.parsed(), live, asked)

"""The release of the scene, brought from one state to the next; a state holds when requests say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from provisioner.chain.strategy import Audience, Sticky, Strategy
from provisioner.release import store
from provisioner.release.model import Change, Phase, Release
from tests.conformance import results
from tests.conformance.cases import NOWHERE, REFUSED, WAYS
from tests.conformance.hops.client import Load, Story, Walk
from tests.conformance.planes import Plane
from tests.conformance.scene import BUCKET, LANES, OUTSIDE, RELEASE, SERVICES, TESTER, Copy
from tests.support.waiting import until

WITHIN = tuple(WAYS[RELEASE].split())
STOPPED = (RELEASE, "baseline", REFUSED)
ENOUGH = 15  # requests after which a share of a half has shown both sides, all but once in sixteen thousand


@dataclass(frozen=True)
class State:
    """`payment` is what is to be seen of the lane's copy of it; `ways` are all that requests may go then, and
    `invited` the one of those that are in it whatever the weight."""

    weight: int
    ways: frozenset[tuple[str, ...]]
    invited: tuple[str, ...] = WITHIN
    phase: Phase = Phase.PROGRESSING
    payment: Copy = Copy.READY


STATES = {
    "nobody": State(0, frozenset({NOWHERE})),
    "half": State(50, frozenset({NOWHERE, WITHIN})),
    "all": State(100, frozenset({WITHIN})),
    "lacking": State(100, frozenset({NOWHERE}), NOWHERE, payment=Copy.UNREADY),
    "firm": State(100, frozenset({STOPPED}), STOPPED, Phase.FINISHING, Copy.UNREADY),
}


class Releasing:
    """The release on a plane."""

    def __init__(self, plane: Plane, release: Release) -> None:
        self.plane, self._release, self._state = plane, release, ""

    def bring(self, name: str) -> None:
        """It is in that state, and requests are led accordingly."""
        if name == self._state:
            return
        wanted, self._state = STATES[name], name
        self.plane.show("payment", RELEASE, wanted.payment)
        self._write(wanted.phase, wanted.weight)
        until(lambda: self._is(wanted, SERVICES[0]), f"a release of {wanted}", seconds=60)
        until(lambda: self._is(wanted, OUTSIDE), f"a release of {wanted} from outside", seconds=60)

    def weigh(self, weight: int, phase: Phase = Phase.PROGRESSING) -> None:
        """It has that weight; when requests feel that, is not waited for."""
        self._state = ""
        self._write(phase, weight)

    def end(self) -> None:
        self.plane.show("payment", RELEASE, Copy.READY)
        self._write(Phase.ROLLED_BACK, 0)
        until(lambda: self._ways(SERVICES[0]) == {NOWHERE}, "the end of the release", seconds=60)
        self.plane.cluster.delete("Release", self._release.object_name)

    def _write(self, phase: Phase, weight: int) -> None:
        status = {"phase": phase.value, "weight": weight}
        self._release = store.write_status(self.plane.cluster, self._release, status)
        self.plane.settle(RELEASE)

    def _is(self, state: State, begins: str) -> bool:
        """Whether requests from there are led as in a state, those that are invited and all others."""
        invited = self._ways(begins, (TESTER, "yes"))
        return invited == {state.invited} and self._ways(begins) == state.ways

    def _ways(self, begins: str, *headers: tuple[str, str]) -> frozenset[tuple[str, ...]]:
        """The ways of some requests that name no lane."""
        walks = (self.plane.hops.walk(Walk(begins, headers=headers)) for _ in range(ENOUGH))
        return frozenset(results.seen(story, None).way for story in walks)


@contextmanager
def releasing(plane: Plane, driver: str) -> Iterator[Releasing]:
    strategy = Strategy(
        sticky=Sticky(cookie="" if driver == "gateway-api" else BUCKET),
        audience=Audience(TESTER, "yes", *(() if driver == "gateway-api" else (TESTER, "yes"))),
    )
    changes = tuple(Change(service, f"{service}:new") for service in LANES[RELEASE].copies)
    wanted = Release(plane.place.chain, RELEASE, changes, strategy)
    made = Releasing(plane, replace(store.create(plane.cluster, wanted)))
    try:
        yield made
    finally:
        made.end()


def wait_for(load: Load, more: int, since: Counter[Story] | None = None) -> Counter[Story]:
    """The stories of requests of no lane, once there are so many more; those since a moment, if given."""
    start = load.now()[0] if since is None else since
    until(lambda: load.now()[0].total() >= start.total() + more, "enough requests", seconds=300)
    return load.now()[0] - (since or Counter())


def within(stories: Counter[Story]) -> int:
    """How many of them were in the release."""
    return sum(times for story, times in stories.items() if results.seen(story, None).way == WITHIN)

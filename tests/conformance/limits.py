"""What a driver cannot do: a limit for each, with its reason. A row of docs/routing.md each. Data.

A limit says exactly what happens instead, and the suite holds the driver to that: where it can do more than
it says here, the case fails, and the limit has to go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.conformance.cases import NOWHERE, REFUSED, Case
from tests.conformance.results import SILENT, Seen, expected
from tests.conformance.scene import SERVICES


@dataclass(frozen=True)
class Limit:
    """`what` cannot be done, `instead` in words, and as what is then seen; `why` in words. `of` tells which
    cases it is about."""

    driver: str
    what: str
    instead: str
    why: str
    of: Callable[[Case], bool]
    seen: Callable[[Seen], Seen]


def _takes(way: str) -> Callable[[Seen], Seen]:
    """It goes this way, and says so."""
    answered = tuple(way.split())
    return lambda asked: Seen(answered, answered)


def _says(said: str) -> Callable[[Seen], Seen]:
    """It goes the way that was asked for, and this is said."""
    return lambda asked: replace(asked, said=tuple(said.split()))


def _fails(asked: Seen) -> Seen:
    """The copy that has died is asked in vain, and the answer is the proxy's own."""
    service = SERVICES.index("payment")
    lane = asked.way[service - 1]
    return Seen((*asked.way[:service], REFUSED), (*asked.said[:service], lane))


def _named(*names: str) -> Callable[[Case], bool]:
    return lambda case: case.id in names


def _crashed(case: Case) -> bool:
    return case.lane in ("crashed", "own-crashed")


ISTIO = (
    Limit(
        "istio",
        "a lane's copy that has just died and still counts as ready",
        "503, also from a loose lane, until its pod is no longer ready",
        "a route names one Service, and Istio's retries stay within it (`routing: {failover: true}` helps)",
        _crashed,
        _fails,
    ),
    Limit(
        "istio",
        "the header twice, with two lanes",
        "the first of the lanes by name is taken",
        "an exact match looks at the values joined or one by one, as Envoy does, and the first rule wins",
        _named("header: twice"),
        _takes("baseline pr-4 pr-4 baseline"),
    ),
    Limit(
        "istio",
        "several lanes in the baggage",
        "the first of them by name is taken, not the last that was said",
        "rules are tried one after the other, and an expression cannot know of the others",
        _named("baggage: the key twice"),
        _takes("baseline pr-4 pr-4 baseline"),
    ),
    Limit(
        "istio",
        "a lane called `baseline` or `none` in the header",
        "the baseline answers, and says so, as for any lane that does not exist",
        "the rule for lanes that are not there looks at the form of the name alone",
        _named("header: baseline as a lane", "header: none as a lane"),
        _says("baseline baseline baseline baseline"),
    ),
    Limit(
        "istio",
        "applications that pass the baggage on and not the header",
        "the lane is left behind the first of them",
        "carriers become the header where the chain is entered, and behind it only the header counts",
        _named("carriers passed on: applications pass the baggage on alone"),
        lambda asked: Seen(NOWHERE, ("baseline", *(SILENT,) * (len(NOWHERE) - 1))),
    ),
)
LIMITS: tuple[Limit, ...] = ISTIO


def limits_of(driver: str, case: Case) -> tuple[Limit, ...]:
    """The limits that a case meets with a driver, in the order of the list."""
    return tuple(one for one in LIMITS if one.driver == driver and one.of(case))


def as_limited(driver: str, case: Case) -> Seen:
    """What is to be seen of a case with a driver: what the case asks for, but for the driver's limits."""
    found = expected(case)
    for one in limits_of(driver, case):
        found = one.seen(found)
    return found

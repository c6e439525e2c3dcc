"""What a driver cannot do: a limit for each, with its reason. A row of docs/routing.md each. Data.

A limit says exactly what happens instead, and the suite holds the driver to that: where it can do more than
it says here, the case fails, and the limit has to go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.conformance.cases import NOWHERE, Case
from tests.conformance.results import SILENT, Seen, expected


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


def _silent(*words: str) -> Callable[[Seen], Seen]:
    """Nothing is said where one of these words should be."""
    return lambda asked: replace(asked, said=tuple(SILENT if one in words else one for one in asked.said))


def _untagged(asked: Seen) -> Seen:
    """As a request without a lane."""
    return Seen(NOWHERE, (SILENT,) * len(NOWHERE))


def _named(*names: str) -> Callable[[Case], bool]:
    return lambda case: case.id in names


LIMITS: tuple[Limit, ...] = ()


def limits_of(driver: str, case: Case) -> tuple[Limit, ...]:
    """The limits that a case meets with a driver, in the order of the list."""
    return tuple(one for one in LIMITS if one.driver == driver and one.of(case))


def as_limited(driver: str, case: Case) -> Seen:
    """What is to be seen of a case with a driver: what the case asks for, but for the driver's limits."""
    found = expected(case)
    for one in limits_of(driver, case):
        found = one.seen(found)
    return found

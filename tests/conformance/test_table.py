"""The recorded runs, the limits of the drivers and the table in the documentation agree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conformance import table
from tests.conformance.cases import CASES
from tests.conformance.limits import LIMITS, as_limited, limits_of
from tests.conformance.planes import DRIVERS
from tests.conformance.results import expected, kept

PAGE = Path(__file__).parents[2] / "docs" / "routing.md"


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_case_was_recorded_as_the_limits_of_the_driver_say(driver: str) -> None:
    assert kept(driver) == {case.id: as_limited(driver, case).line() for case in CASES}


@pytest.mark.parametrize("limit", LIMITS, ids=lambda one: f"{one.driver}: {one.what}")
def test_every_limit_is_met_by_a_case_that_it_changes(limit) -> None:
    about = [case for case in CASES if limit in limits_of(limit.driver, case)]
    assert about
    assert all(limit.seen(expected(case)) != expected(case) for case in about)


def test_the_documentation_says_what_was_recorded() -> None:
    """LANEWAY_REGENERATE=1 writes it anew."""
    page = PAGE.read_text()
    made = table.replaced(page, table.section({driver: kept(driver) for driver in DRIVERS}))
    if os.environ.get("LANEWAY_REGENERATE"):
        PAGE.write_text(made)
    assert made == page or os.environ.get("LANEWAY_REGENERATE")

"""What a release says of itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from provisioner.commands.release import words
from provisioner.release.model import Phase, Reason, Release
from tests.support.told import BEGUN, happened, release

STEPS = ["10%", "25%", "50%", "75%", "100%", "baseline"]


def at(phase: Phase, **more: Any) -> Release:
    return release(phase=phase.value, **more)


def marks(found: Release) -> str:
    """The marks of all steps, a letter each."""
    told = list(words.steps(found))
    assert [text for _, text in told] == STEPS
    return "".join(mark[0] for mark, _ in told)


@pytest.mark.parametrize(
    ("phase", "step", "seen"),
    [
        (Phase.PENDING, 0, "nnnnnn"),
        (Phase.PROGRESSING, 2, "ddnnnn"),
        (Phase.FINISHING, 4, "dddddn"),
        (Phase.RETURNING, 4, "dddddn"),
        (Phase.SUCCEEDED, 4, "dddddd"),
        (Phase.ROLLING_BACK, 1, "dfnnnn"),
        (Phase.ROLLED_BACK, 1, "dfnnnn"),
        (Phase.RESTORING, 4, "dddddf"),
    ],
)
def test_the_steps_say_what_is_done_and_where_it_failed(phase: Phase, step: int, seen: str) -> None:
    """d: done; n: now or next; f: failed."""
    assert marks(at(phase, step=step)) == seen


def test_one_step_is_the_one_that_it_is_at() -> None:
    assert [mark for mark, _ in words.steps(at(Phase.PROGRESSING, step=2))].index("now") == 2


@pytest.mark.parametrize(
    ("found", "verbs"),
    [
        (at(Phase.PENDING), ["promote", "pause", "abort"]),
        (at(Phase.PROGRESSING), ["promote", "pause", "abort"]),
        (at(Phase.PAUSED, reason=Reason.MANUAL.value), ["promote", "abort"]),
        (at(Phase.PAUSED, reason=Reason.PAUSED.value), ["resume", "abort"]),
        (at(Phase.PAUSED, reason=Reason.BASELINE_CHANGED.value), ["resume", "abort"]),
        (at(Phase.PAUSED, reason=Reason.INCONCLUSIVE.value), ["resume", "abort"]),
        (at(Phase.FINISHING, reason=Reason.BASELINE_CHANGED.value), ["resume", "abort"]),
        (at(Phase.FINISHING), ["abort"]),
        (at(Phase.RETURNING), []),
        (at(Phase.ROLLING_BACK), []),
        (at(Phase.SUCCEEDED), []),
        (at(Phase.ROLLED_BACK), []),
    ],
)
def test_what_one_can_type_is_what_has_an_effect(found: Release, verbs: list[str]) -> None:
    told = words.commands(found)
    assert [one for one in ("promote", "resume", "pause", "abort") if one in told] == verbs
    assert bool(told) == bool(verbs)


@pytest.mark.parametrize(
    ("number", "unit", "shown"),
    [
        (None, "ratio", "-"),
        (0.9991, "ratio", "99.91 %"),
        (1.0, "ratio", "100 %"),
        (0.0234, "seconds", "23.4 ms"),
        (2.5, "seconds", "2.5 s"),
        (0.824, "per second", "0.824/s"),
        (1234.5, "per second", "1234/s"),
        (0, "per second", "0/s"),
        (42.12345, "", "42.12"),
    ],
)
def test_figures_have_the_unit_that_people_read(number: float | None, unit: str, shown: str) -> None:
    assert words.measured({"metric": "m", "lane": number, "unit": unit}) == ("m", shown, "-")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"opinion": "good", "message": "0.99"}, "good"),
        ({"opinion": "bad", "message": "below 99 %"}, "bad: below 99 %"),
        ({"metric": "errors", "opinion": "bad", "message": "errors: 3 of 10"}, "bad: 3 of 10"),
        ({"metric": "errors", "opinion": "bad", "message": "errors 3 of 10"}, "bad: 3 of 10"),
        ({"opinion": "none", "message": ""}, ""),
        ({"opinion": "none", "message": "3 requests of 20"}, "3 requests of 20"),
    ],
)
def test_a_verdict_says_why_it_is_not_good(row: dict[str, str], told: str) -> None:
    assert words.judged(row) == told


def test_news_are_the_new_entries_else_what_it_waits_for() -> None:
    first = at(Phase.PROGRESSING, weight=10, message="it waits", timeline=[happened(1)])
    same = at(Phase.PROGRESSING, weight=10, message="it waits", timeline=[happened(1)])
    other = at(Phase.PROGRESSING, weight=10, message="orders has 1 of 2", timeline=[happened(1)])
    more = at(Phase.PROGRESSING, weight=25, timeline=[happened(1), happened(2, "WeightRaised", 25)])
    assert words.news(first, same) == []
    assert words.news(first, other) == ["Progressing, 10 %: orders has 1 of 2"]
    assert words.news(first, more) == ["2026-01-02T03:04:07.000000Z WeightRaised at 25 %"]


def test_what_nobody_has_looked_at_says_so() -> None:
    assert words.news(None, release()) == [f"Pending, 0 %: {words.NOTHING}"]
    assert ("now", words.NOTHING, "yellow") in list(words.standing(release(), BEGUN))


def test_a_copy_says_why_it_is_not_ready() -> None:
    copies = [
        {"name": "orders", "wanted": 2, "ready": 2},
        {"name": "payment", "wanted": 2, "ready": 0, "waits": "ImagePending"},
    ]
    told = next(iter(words.standing(at(Phase.PENDING, copies=copies), BEGUN)))
    assert told[1] == "orders 2/2 ready, payment 0/2 ready (ImagePending)"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0s"), (61, "1m 1s"), (3600, "1h"), (90061, "1d 1h"), (-5, "0s")]
)
def test_a_span_has_two_units_at_most(seconds: int, shown: str) -> None:
    assert words.span(BEGUN + timedelta(seconds=seconds), BEGUN) == shown

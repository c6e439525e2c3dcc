"""Counters of Envoys that restart, come, go and cannot always be read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.release.analysis.counters import counted
from provisioner.release.analysis.counting import (
    BASELINE,
    RELEASE,
    SLOTS,
    Book,
    Counts,
    Reading,
    quantile,
    recall,
)

START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
WINDOW = timedelta(minutes=1)
LONG = timedelta(days=1)
AGES_AGO = START - timedelta(days=7)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def counts(total: float, failed: float = 0.0) -> Counts:
    """So many requests, all of them answered within 5 to 10 ms."""
    return Counts(total, failed, {0.01: total} if total else {})


def reading(name: str, total: float, *, started: datetime = AGES_AGO, failed: float = 0.0) -> Reading:
    return Reading(name, started, {RELEASE: counts(total, failed), BASELINE: counts(2 * total)})


def book(*rounds: list[Reading], window: timedelta = WINDOW) -> Book:
    """What is known after readings each ten seconds."""
    found = Book()
    for number, read in enumerate(rounds):
        found = found.entered(read, [one.envoy for one in read], at(10 * number), window)
    return found


def test_the_first_reading_counts_nothing() -> None:
    found = book([reading("a", 1000)])

    assert found.counted(RELEASE) == Counts()
    assert found.lifetime(BASELINE).total == 2000


def test_what_counts_is_by_how_much_the_counters_of_all_envoys_grew() -> None:
    found = book([reading("a", 1000), reading("b", 50)], [reading("a", 1010, failed=3), reading("b", 55)])

    assert found.counted(RELEASE) == Counts(15, 3, {0.01: 15})
    assert found.counted(BASELINE).total == 30
    assert found.seconds == 10


def test_a_counter_that_was_started_again_has_counted_all_of_its_value() -> None:
    assert book([reading("a", 1000)], [reading("a", 7)]).counted(RELEASE).total == 7


def test_an_envoy_that_started_meanwhile_has_counted_all_of_its_value() -> None:
    came = [reading("a", 1000), reading("b", 7, started=at(5))]

    assert book([reading("a", 1000)], came).counted(RELEASE).total == 7


def test_an_envoy_that_ran_unseen_is_only_noted() -> None:
    came = [reading("a", 1000), reading("b", 5000)]
    later = [reading("a", 1000), reading("b", 5003)]

    assert book([reading("a", 1000)], came).counted(RELEASE).total == 0
    assert book([reading("a", 1000)], came, later).counted(RELEASE).total == 3


def test_an_envoy_that_could_not_be_read_for_a_while_loses_nothing() -> None:
    found = book([reading("a", 100), reading("b", 100)])
    found = found.entered([reading("a", 100)], ["a", "b"], at(10), WINDOW)
    found = found.entered([reading("a", 100), reading("b", 130)], ["a", "b"], at(20), WINDOW)

    assert found.counted(RELEASE).total == 30


def test_an_envoy_that_is_gone_is_forgotten() -> None:
    found = book([reading("a", 1), reading("b", 1)], [reading("a", 2)])

    assert set(found.readings) == {"a"}


def test_what_is_older_than_the_window_does_not_count_any_more() -> None:
    found = book([reading("a", 0)], [reading("a", 100)])
    found = found.entered([reading("a", 101)], ["a"], at(120), WINDOW)

    assert found.counted(RELEASE).total == 1


@given(st.lists(st.floats(0.1, 30), min_size=1, max_size=200))
def test_the_window_is_kept_in_few_slots_that_overlap_nowhere(gaps: list[float]) -> None:
    found, now, total = Book(), START, 0.0
    for gap in gaps:
        now, total = now + timedelta(seconds=gap), total + 1
        found = found.entered([reading("a", total)], ["a"], now, WINDOW)

    assert len(found.slots) <= SLOTS + 2
    assert all(one.end <= other.start for one, other in zip(found.slots, found.slots[1:], strict=False))
    assert all(one.start < one.end for one in found.slots)


# --- any history --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    envoy: str
    requests: int
    restarts: bool
    readable: bool


events = st.builds(
    Event,
    envoy=st.sampled_from("abc"),
    requests=st.integers(0, 50),
    restarts=st.booleans(),
    readable=st.booleans(),
)


@given(st.lists(st.tuples(events, events), max_size=25), st.booleans())
def test_no_request_is_counted_twice_and_none_is_lost_while_nothing_restarts(
    history: list[tuple[Event, Event]], restarts: bool
) -> None:
    totals, started, served = dict.fromkeys("abc", 0), dict.fromkeys("abc", AGES_AGO), 0
    now = START
    found = Book().entered([reading(name, 0) for name in totals], totals, now, LONG)
    for round_ in history:
        for one in round_:
            served += one.requests
            if restarts and one.restarts:
                totals[one.envoy], started[one.envoy] = 0, now + timedelta(seconds=1)
            totals[one.envoy] += one.requests
        now += timedelta(seconds=10)
        silent = {one.envoy for one in round_ if not one.readable}
        read = [reading(name, totals[name], started=started[name]) for name in totals if name not in silent]
        found = recall(found.entered(read, totals, now, LONG).to_json())
    everyone = [reading(name, totals[name], started=started[name]) for name in totals]
    found = found.entered(everyone, totals, now + timedelta(seconds=10), LONG)

    assert found.counted(RELEASE).total <= served
    assert restarts or found.counted(RELEASE).total == served
    assert found.counted(BASELINE).total == 2 * found.counted(RELEASE).total


@pytest.mark.parametrize(
    "edited",
    [None, 7, "x", [], {}, {"at": "yesterday"}, {"at": "2026-05-04T12:00:00Z"}, {"at": None, "slots": 1}],
)
def test_a_book_that_somebody_edited_is_begun_anew(edited: object) -> None:
    assert recall(edited) == Book()


# --- quantiles ----------------------------------------------------------------------------------------------


def test_a_quantile_lies_on_a_line_through_its_bucket() -> None:
    assert quantile({0.01: 50, 0.05: 50}, 0.5) == pytest.approx(0.01)
    assert quantile({0.01: 50, 0.05: 50}, 0.75) == pytest.approx(0.0375), "half way from 25 to 50 ms"
    assert quantile({0.5: 100}, 1.0) == 0.5


def test_a_quantile_beyond_all_bounds_is_the_greatest_one() -> None:
    assert quantile({0.01: 1, float("inf"): 99}, 0.5) == 3600.0


def test_nothing_timed_has_no_quantile() -> None:
    assert quantile({}, 0.99) is None


@given(
    st.dictionaries(st.sampled_from([0.0005, 0.005, 0.25, 10.0, 60.0]), st.integers(1, 1000), min_size=1),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_a_greater_quantile_is_never_less(buckets: dict[float, float], one: float, other: float) -> None:
    low, high = (quantile(buckets, part) for part in sorted((one, other)))

    assert low is not None and high is not None
    assert 0 <= low <= high <= max(buckets)


# --- Envoy's words ------------------------------------------------------------------------------------------


def line(kind: str, value: int, route: str, more: str, service: str = "web") -> str:
    labels = f'envoy_virtual_host="{service}",envoy_route="{route}"{more}'
    return f"envoy_vhost_route_upstream_{kind}{{{labels}}} {value}\n"


STATISTICS = "".join(
    [
        "# TYPE envoy_vhost_route_upstream_rq counter\n",
        line("rq", 5, "release", ',envoy_response_code="200"'),
        "# TYPE envoy_vhost_route_upstream_rq_completed counter\n",
        line("rq_completed", 7, "release", ""),
        "# TYPE envoy_vhost_route_upstream_rq_xx counter\n",
        line("rq_xx", 5, "release", ',envoy_response_code_class="2"'),
        line("rq_xx", 2, "release", ',envoy_response_code_class="5"'),
        line("rq_xx", 90, "baseline", ',envoy_response_code_class="2"'),
        line("rq_xx", 1, "baseline", ',envoy_response_code_class="2"', "api"),
        "# TYPE envoy_vhost_route_upstream_rq_time histogram\n",
        line("rq_time_bucket", 0, "release", ',le="0.5"'),
        line("rq_time_bucket", 4, "release", ',le="5"'),
        line("rq_time_bucket", 7, "release", ',le="+Inf"'),
        line("rq_time_sum", 11111, "release", ""),
        line("rq_time_count", 7, "release", ""),
    ]
)


def test_envoys_statistics_are_read_by_route_at_the_entry_alone() -> None:
    sides = counted(STATISTICS, "web")

    assert sides[RELEASE] == Counts(7, 2, {0.005: 4, float("inf"): 3})
    assert sides[BASELINE] == Counts(90, 0, {})


def test_without_an_entry_every_service_counts() -> None:
    assert counted(STATISTICS)[BASELINE].total == 91


def test_what_is_no_statistics_is_an_error() -> None:
    with pytest.raises(ValueError):
        counted("<html>no such page</html>")

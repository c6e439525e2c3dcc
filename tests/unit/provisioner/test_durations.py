"""Durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner import durations
from provisioner.errors import InputError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("72h", 259_200),
        ("30m", 1_800),
        ("1d", 86_400),
        ("90s", 90),
        ("1h30m", 5_400),
        ("0s", 0),
        (3600, 3_600),
    ],
)
def test_durations_are_read(text: str | int, seconds: int) -> None:
    assert durations.parse(text).total_seconds() == seconds


@pytest.mark.parametrize(
    "text", ["", "h", "72", "1.5h", "30m1h", "1h 30m", "1w", "ten", "1h\n", "٣h", "9" * 400 + "s", "P1D"]
)
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(InputError, match="write 72h"):
        durations.parse(text)


@pytest.mark.parametrize("value", ["-1h", -1])
def test_a_negative_duration_is_refused(value: str | int) -> None:
    with pytest.raises(InputError, match="negative"):
        durations.parse(value)


@pytest.mark.parametrize("value", [10**9, 10**400])
def test_seconds_without_end_are_refused(value: int) -> None:
    with pytest.raises(InputError, match="too long"):
        durations.parse(value)


def test_true_is_not_one_second() -> None:
    with pytest.raises(InputError):
        durations.parse(True)


@pytest.mark.parametrize("text", ["72h", "1h30m", "1h0m5s", "90m", "0s"])
def test_formatting_gives_the_shortest_text(text: str) -> None:
    expected = {"1h0m5s": "1h5s", "90m": "1h30m"}.get(text, text)
    assert durations.format(durations.parse(text)) == expected


def test_a_negative_duration_is_not_formatted() -> None:
    with pytest.raises(InputError, match="negative"):
        durations.format(timedelta(microseconds=-1))


@given(st.integers(0, 999_999 * 3600))
def test_what_is_formatted_reads_back(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert durations.parse(durations.format(duration)) == duration

"""A mark in the story is only for what held."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from devcluster.dev.demo.tell import StepFailed, Tell, expect


def told(tell: Tell) -> str:
    assert isinstance(tell.console.file, io.StringIO)
    return tell.console.file.getvalue()


@pytest.fixture
def tell() -> Tell:
    return Tell(Console(file=io.StringIO(), soft_wrap=True))


def test_a_step_that_holds_has_its_mark_and_its_time(tell: Tell) -> None:
    with tell.step("a", "One and one"):
        expect("the sum", 1 + 1, 2)
        tell.holds("two")

    assert "✓ two" in told(tell)
    assert told(tell).rstrip().endswith(" s")


def test_a_step_that_does_not_hold_says_what_was_expected_and_ends_the_story(tell: Tell) -> None:
    with pytest.raises(StepFailed), tell.step("a", "One and one"):
        expect("the sum", 1 + 1, 3)
        tell.holds("three")

    assert "✓" not in told(tell)
    assert "✗ the sum" in told(tell)
    assert "expected: 3" in told(tell)
    assert "actual:   2" in told(tell)


def test_what_came_back_is_printed_as_it_is(tell: Tell) -> None:
    tell.came("[bold]not markup[/]")

    assert "[bold]not markup[/]" in told(tell)


def test_rows_stand_in_columns(tell: Tell) -> None:
    tell.rows([("frontend", "out"), ("pay", "in")])

    assert told(tell).splitlines() == ["     frontend  out", "     pay       in"]


def test_a_long_way_is_broken_between_its_hops_where_somebody_reads_along() -> None:
    terminal = Console(file=io.StringIO(), soft_wrap=True, width=60, force_terminal=True, color_system=None)
    tell = Tell(terminal)

    tell.went(["frontend v1 (baseline) ->", "orders v1 (baseline) ->", "payment v2-fast (payment-fast)"])

    assert told(tell).splitlines() == [
        "     frontend v1 (baseline) -> orders v1 (baseline) ->",
        "       payment v2-fast (payment-fast)",
    ]


def test_a_long_way_is_one_line_where_nobody_reads_along(tell: Tell) -> None:
    tell.went(["frontend v1 (baseline) ->"] * 20)

    assert len(told(tell).splitlines()) == 1

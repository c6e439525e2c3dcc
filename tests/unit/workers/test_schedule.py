"""Cron expressions, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from provisioner.errors import ConfigError
from workers.schedule import Cron


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        (at(1, 3, 0), at(1, 3, 16), False),
        (at(1, 3, 0), at(1, 3, 17), True),
        (at(1, 3, 17), at(1, 3, 18), False),
        (at(1, 3, 17), at(2, 3, 16), False),
        (at(1, 3, 17), at(2, 3, 17), True),
        (at(1, 4, 0), at(5, 0, 0), True),
    ],
)
def test_the_sweep_is_due_when_its_time_lies_between(last: datetime, now: datetime, due: bool) -> None:
    assert Cron("17 3 * * *", "").due(last, now) is due


def test_every_five_minutes_is_every_five_minutes() -> None:
    cron = Cron("*/5 * * * *", "")
    assert not cron.due(at(1, 0, 1), at(1, 0, 4))
    assert cron.due(at(1, 0, 1), at(1, 0, 5))


@pytest.mark.parametrize("expression", ["", "daily", "1 2 3 4", "61 * * * *", "* * * * * *", "a b c d e"])
def test_what_is_no_cron_expression_is_said_with_the_setting(expression: str) -> None:
    with pytest.raises(ConfigError, match="LANEWAY_SWEEP_SCHEDULE"):
        Cron(expression, "LANEWAY_SWEEP_SCHEDULE")

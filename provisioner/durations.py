"""Durations as people write them: `72h`, `1h30m`, `90s`, `1d`. Pure.

The Lane CRD's pattern for `ttl` accepts the same texts, so what the cluster stored can always be read.
"""

from __future__ import annotations

import re
from datetime import timedelta

from provisioner.errors import InputError

# digits are bounded so that no sum of them overflows; each alone is more than nine years
_PATTERN = re.compile(r"(?:(\d{1,5})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9})s)?", re.ASCII)
_MOST_SECONDS = 10**9


def parse(value: str | int) -> timedelta:
    """`72h`, `1d`, `30m`, `90s`, `1h30m` (units from large to small), or a whole number of seconds.

    Raises InputError for anything else, a negative number included.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(f"{value!r} is no duration: {_EXPECTED}")
    if isinstance(value, int):
        return _seconds(value)
    if value.startswith("-"):
        raise InputError(f"{value[:40]!r} is negative; a duration counts forward")
    match = _PATTERN.fullmatch(value)
    if not value or match is None:
        raise InputError(f"{value[:40]!r} is no duration: {_EXPECTED}")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def format(duration: timedelta) -> str:
    """The shortest text in hours, minutes and seconds that `parse` reads back: `72h`, `1h30m`, `0s`.

    Parts of a second are dropped. Raises InputError for a negative duration.
    """
    total = int(duration.total_seconds())
    if duration < timedelta(0):
        raise InputError(f"{duration} is negative; a duration counts forward")
    minutes, seconds = divmod(total, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


_EXPECTED = "write 72h, 1h30m, 90s or 1d (units d, h, m, s), or a whole number of seconds"


def _seconds(value: int) -> timedelta:
    if value < 0:
        raise InputError(f"{value} is negative; a duration counts forward")
    if value >= _MOST_SECONDS:
        raise InputError(f"{value} seconds is too long for a duration: at most {_MOST_SECONDS - 1}")
    return timedelta(seconds=value)

"""Reads a duration of a chain file that has to lie within bounds. Pure."""

from __future__ import annotations

from datetime import timedelta

from provisioner import durations
from provisioner.chain.document import Value
from provisioner.errors import InputError


def read(value: Value, least: timedelta, most: timedelta, bounds: str) -> timedelta | None:
    """The duration, or None after having said what is wrong with it; `bounds` is what may stand there, for
    the message."""
    written = value.integer() if value.is_integer else value.text()
    if not written:
        return None
    try:
        found = durations.parse(written)
    except InputError as error:
        value.fail(error.message)
        return None
    if not least <= found <= most:
        value.fail(f"must be {bounds} not {durations.format(found)}")
        return None
    return found

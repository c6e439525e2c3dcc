"""Whether and when a failed job is tried again: the one place where errors meet the queue. Pure.

error            tries   then
TemporaryError   8       exponential back-off with full jitter, at most 60 s apart, or what the other side
                         asked for; given up after that, the sweep does it. A delivery, of which the
                         sweep may know nothing, is tried DELIVERY_TRIES times
PermanentError   1       somebody has to change something first
anything else    3       a defect of ours: as a TemporaryError, but it fails loudly
"""

from __future__ import annotations

from collections.abc import Callable

from provisioner.errors import PermanentError, TemporaryError

TEMPORARY_TRIES = 8
DELIVERY_TRIES = 100  # most of an hour: nobody but the forge knows what a delivery says
UNKNOWN_TRIES = 3
FIRST_SECONDS = 0.5
MOST_SECONDS = 60.0


def delay(
    error: Exception, attempt: int, random: Callable[[], float], temporary_tries: int = TEMPORARY_TRIES
) -> float | None:
    """Seconds until the next try after `attempt` earlier failures, or None to give up. `random` gives a
    number from 0 to 1; a TemporaryError is given up after `temporary_tries`."""
    if isinstance(error, PermanentError):
        return None
    tries = temporary_tries if isinstance(error, TemporaryError) else UNKNOWN_TRIES
    if attempt + 1 >= tries:
        return None
    backoff: float = min(MOST_SECONDS, FIRST_SECONDS * 2**attempt) * random()
    asked = error.retry_after if isinstance(error, TemporaryError) else None
    return backoff if asked is None else min(MOST_SECONDS, asked + backoff)

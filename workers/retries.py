"""Whether and when a failed job is tried again: the one place where errors meet the queue. Pure.

error            tries   then
TemporaryError   all     8 quick ones (of a delivery, which nobody but the forge knows, QUICK_DELIVERY_TRIES):
                         exponential back-off with full jitter, at most 60 s apart, or what the other side
                         asked for. Then slow ones, 5 minutes apart at first and about an hour at last, so
                         that what comes back is used without anyone's help, and what stays away costs little
PermanentError   1       somebody has to change something first
anything else    3       a defect of ours: as the quick ones, but it fails loudly
"""

from __future__ import annotations

from collections.abc import Callable

from provisioner.errors import PermanentError, TemporaryError

QUICK_TRIES = 8
QUICK_DELIVERY_TRIES = 100  # most of an hour
UNKNOWN_TRIES = 3
FIRST_SECONDS = 0.5
MOST_SECONDS = 60.0
SLOW_SECONDS, SLOWEST_SECONDS = 300.0, 3600.0


def delay(
    error: Exception, attempt: int, random: Callable[[], float], quick_tries: int = QUICK_TRIES
) -> float | None:
    """Seconds until the next try after `attempt` earlier failures, or None to give up. `random` gives a
    number from 0 to 1; after `quick_tries` a TemporaryError is tried slowly."""
    if isinstance(error, PermanentError):
        return None
    if attempt + 1 >= (quick_tries if isinstance(error, TemporaryError) else UNKNOWN_TRIES):
        return _slow(attempt + 1 - quick_tries, random) if isinstance(error, TemporaryError) else None
    backoff = _doubled(FIRST_SECONDS, attempt, MOST_SECONDS) * random()
    asked = error.retry_after if isinstance(error, TemporaryError) else None
    return backoff if asked is None else min(MOST_SECONDS, asked + backoff)


def _slow(tried: int, random: Callable[[], float]) -> float:
    """What is spread around the wait: half of it sooner to half of it later."""
    return _doubled(SLOW_SECONDS, tried, SLOWEST_SECONDS) * (0.5 + random())


def _doubled(first: float, times: int, most: float) -> float:
    return min(most, first * 2.0 ** min(times, 30))

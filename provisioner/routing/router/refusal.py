"""What a client is told whose request could not be passed on yet. Pure.

Always 503, with the seconds after which to come again. A browser that asked for a page gets one that comes
again by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provisioner.routing.router.holds import Result, Target
from provisioner.routing.router.page import waiting


@dataclass(frozen=True)
class _Words:
    """`seconds`: a lane that wakes is ready soon; in a crowd it is better to stay away for a while."""

    title: str
    why: str
    seconds: int


_WORDS = {
    Result.LATE: _Words("Lane {lane} is waking up", "Its {service} is not ready yet.", 2),
    Result.CROWDED: _Words("Lane {lane} is waking up", "Too many requests wait for it already.", 5),
    Result.RELEASED: _Words("Nobody answers for lane {lane}", "There is no {service} to wait for.", 5),
}


@dataclass(frozen=True)
class Refusal:
    headers: Mapping[str, str]
    body: str


def told(result: Result, target: Target, method: str, accept: str) -> Refusal:
    """What the client gets. A request with a body must not become a GET by reloading: it gets no page."""
    words = _WORDS[result]
    title = words.title.format(lane=target.lane)
    why = words.why.format(service=target.service)
    page = method in ("GET", "HEAD") and "text/html" in accept.lower()
    headers = {
        "retry-after": str(words.seconds),
        "cache-control": "no-store",
        "content-type": f"text/{'html' if page else 'plain'}; charset=utf-8",
    }
    text = f"{title}. {why} Try again in {words.seconds} s.\n"
    return Refusal(headers, waiting(title, why, words.seconds) if page else text)

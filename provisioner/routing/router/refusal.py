"""What a client is told whose request could not be passed on yet. Pure.

Always 503, with the seconds after which to come again. A browser that asked for a page gets one that comes
again by itself; it needs nothing from elsewhere, and works without scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from provisioner.routing.router.holds import Result, Target

# a lane that wakes is ready in seconds; one that needs longer is asked for less often
RETRY_SECONDS = {Result.LATE: 2, Result.CROWDED: 5, Result.RELEASED: 1}
REASONS = {
    Result.LATE: "lane {lane} is waking up, and its {service} is not ready yet",
    Result.CROWDED: "lane {lane} is waking up, and too many requests wait already",
    Result.RELEASED: "lane {lane} has no {service} to wait for any more",
}


@dataclass(frozen=True)
class Refusal:
    headers: Mapping[str, str]
    body: str


def told(result: Result, target: Target, method: str, accept: str) -> Refusal:
    """What the client gets. A request with a body must not become a GET by reloading: it gets no page."""
    seconds = RETRY_SECONDS[result]
    why = REASONS[result].format(lane=target.lane, service=target.service)
    page = method in ("GET", "HEAD") and "text/html" in accept.lower()
    headers = {
        "retry-after": str(seconds),
        "cache-control": "no-store",
        "content-type": "text/html; charset=utf-8" if page else "text/plain; charset=utf-8",
    }
    return Refusal(headers, _page(target, why, seconds) if page else f"{why}; try again in {seconds} s\n")


def _page(target: Target, why: str, seconds: int) -> str:
    text = (files("provisioner.routing.router") / "waiting.html").read_text("utf-8")
    parts = {"SECONDS": str(seconds), "LANE": target.lane, "WHY": f"{why[0].upper()}{why[1:]}."}
    for name, value in parts.items():
        text = text.replace(f"@{name}@", escape(value))
    return text

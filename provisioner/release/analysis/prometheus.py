"""Asks a Prometheus server, by its HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/).

Nothing that goes wrong there is an error here: it is an answer without a value, which says what to do.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import httpx

Json = dict[str, Any]

MOST_BYTES = 2**20  # one number is asked for; more than this is no answer to that
_EXCERPT = 300  # characters of a server's own words


@dataclass(frozen=True)
class Answer:
    """`value` may be NaN or infinite, and None where there is no data. `trouble` says why there is no answer
    and what to do, and is empty where there is one."""

    value: float | None = None
    trouble: str = ""


def ask(client: httpx.Client, url: str, query: str, until: float) -> Answer:
    """The value of a query now. `until`, on the monotonic clock, it is given up."""
    if not url:
        return Answer(
            trouble="the chain's file names no Prometheus (release.analysis.url), no other is asked"
        )
    place = _hidden(url)
    left = max(0.1, until - time.monotonic())
    asked = {"query": query, "timeout": f"{1000 * left:.0f}ms"}
    try:
        with client.stream("GET", f"{url.rstrip('/')}/api/v1/query", params=asked, timeout=left) as answer:
            return read(place, answer.status_code, _body(answer, until))
    except httpx.TimeoutException:
        return Answer(
            trouble=f"Prometheus at {place} does not answer in time; see that it runs, and its load"
        )
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        why = str(error) or type(error).__name__
        return Answer(
            trouble=f"Prometheus at {place} cannot be reached ({why}); see that it runs, that `analysis.url` "
            "is its address, and that no NetworkPolicy is between it and the workers"
        )


def _body(answer: httpx.Response, until: float) -> bytes:
    """What the server said, cut where it is too long. httpx.ReadTimeout when the time is over."""
    read = b""
    for part in answer.iter_bytes():
        read += part
        if time.monotonic() > until:
            raise httpx.ReadTimeout("the answer takes too long")
        if len(read) > MOST_BYTES:
            break
    return read


def read(place: str, status: int, body: bytes) -> Answer:
    """An HTTP answer as the API's documentation reads it."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or said.get("status") not in ("success", "error"):
        return Answer(trouble=_foreign(place, status))
    if said["status"] == "error":
        words = f"{said.get('errorType', 'error')}: {said.get('error', '')}"[:_EXCERPT]
        return Answer(trouble=f"Prometheus at {place} refuses the query: {words}")
    try:
        return _value(said["data"])
    except (LookupError, TypeError, ValueError, OverflowError):
        return Answer(trouble=_foreign(place, status))


def _value(data: Json) -> Answer:
    kind, result = data["resultType"], data["result"]
    if kind == "scalar":
        return Answer(float(result[1]))
    if kind != "vector":
        return Answer(trouble=f"the query gives a {kind}, and one number is needed: an instant vector of one")
    if len(result) > 1:
        return Answer(
            trouble=f"the query gives {len(result)} series, and one is needed: aggregate them, as by sum(...)"
        )
    if not result:
        return Answer()
    if "value" not in result[0]:
        return Answer(
            trouble="the query gives a histogram, and a number is needed: use histogram_quantile(...)"
        )
    return Answer(float(result[0]["value"][1]))


def _foreign(place: str, status: int) -> str:
    if status in (401, 403):
        return f"{place} refuses with HTTP {status}: it wants other credentials (https://USER:PASSWORD@HOST)"
    return (
        f"{place} answers HTTP {status}, and not as Prometheus does; `analysis.url` is what comes before "
        "/api/v1/query"
    )


def _hidden(url: str) -> str:
    """The address without a password that it may have."""
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL:
        return "its address"
    return str(found.copy_with(username=None, password=None) if found.userinfo else found)

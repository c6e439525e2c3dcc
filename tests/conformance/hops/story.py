"""What a request met on its way: a hop for each service, told back from last to first. Plain data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

CARRIERS = ("x-preview-lane", "baggage")
FORWARDS = "x-forwards"  # which of the carriers applications pass on: `header`, `baggage`, or both
PASSED = {"header": CARRIERS[:1], "baggage": CARRIERS[1:]}
OK = "200"

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Hop:
    """One service on the way. `who` answered by its own word, empty when no application did; `said` is what
    its caller heard of who answered, None for nothing; `status` and `text` are what the caller got instead of
    an answer. `passes` are the headers that it sent on, `cookie` is what a browser would have to keep."""

    service: str
    who: str = ""
    port: str = ""
    said: str | None = None
    status: str = OK
    text: str = ""
    passes: tuple[tuple[str, str], ...] = ()
    cookie: str = ""


def encode(hops: Iterable[Hop]) -> bytes:
    return json.dumps([asdict(one) for one in hops]).encode()


def decode(data: bytes) -> tuple[Hop, ...]:
    return tuple(of_json(one) for one in json.loads(data))


def of_json(data: Mapping[str, Any]) -> Hop:
    """A hop of which `asdict` was sent as JSON."""
    return Hop(**{**data, "passes": tuple((key, value) for key, value in data["passes"])})


def passed_on(headers: Headers) -> list[tuple[str, str]]:
    """What an application sends on of the headers that it got."""
    chosen = next((value for key, value in headers if key.lower() == FORWARDS), "")
    wanted = (*PASSED.get(chosen, CARRIERS), FORWARDS)
    return [(key, value) for key, value in headers if key.lower() in wanted]

"""Many requests at once, to several lanes and to the baseline, each held against what it must see."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx

from devcluster.dev.demo.stage import Stage

PLAIN = "baseline"  # no lane can have this name
REQUESTS = 120
THREADS = 6


def lanes(stage: Stage, lane: str, client: httpx.Client | None = None) -> dict[str, str]:
    """The lane of each service that one request saw; PLAIN for a request without one."""
    return stage.ask({"x-preview-lane": lane} if lane != PLAIN else {}, client).lanes


def hammer(stage: Stage, expected: Mapping[str, dict[str, str]]) -> tuple[list[str], float]:
    """Sends REQUESTS requests, the lanes of `expected` in turn; those that saw something else, and the
    seconds it took."""
    order = [list(expected)[number % len(expected)] for number in range(REQUESTS)]
    began = time.monotonic()
    entry = httpx.Client(base_url=stage.endpoints["entry"], timeout=30.0)
    with entry as client, ThreadPoolExecutor(THREADS) as threads:
        seen = list(threads.map(lambda lane: lanes(stage, lane, client), order))
    mixed = [f"{lane}: {saw}" for lane, saw in zip(order, seen, strict=True) if saw != expected[lane]]
    return mixed, time.monotonic() - began

"""Requests without end around whatever a test does, and what came back of them.

A lane's request is right when it passed through the lane's copies and no other, and when the header that says
who answered at the entry agrees; a plain one when it met no copy and has no such header.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from devcluster.dev.demo.stage import CHAIN, SERVED
from tests.support.waiting import until

THREADS = 2
BEFORE = 20  # right answers that show that all is well before a test begins
PATIENCE = 120.0
LOST = "lost"  # how outcomes begin of requests that got no answer at all
Lanes = Mapping[str, Collection[str]]


@dataclass
class Load:
    """What came back. `last`: when each wrong outcome was seen last, monotonic seconds."""

    right: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    last: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, outcome: str) -> None:
        """Counts one request; a right one has nothing to say."""
        with self._lock:
            if outcome:
                self.wrong[outcome] += 1
                self.last[outcome] = time.monotonic()
            else:
                self.right += 1


@contextmanager
def load(entry: str, lanes: Lanes) -> Iterator[Load]:
    """Requests, each on a connection of its own: plain ones, and with the header of each lane. `lanes` gives
    each one's services."""
    seen, over = Load(), threading.Event()
    threads = [threading.Thread(target=_ask, args=(entry, lanes, seen, over)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: seen.right > BEFORE, f"requests are answered: {seen.wrong}", PATIENCE)
        yield seen
        enough = seen.right + BEFORE
        until(lambda: seen.right > enough, f"requests are still answered: {seen.wrong}", PATIENCE)
    finally:
        over.set()
        for thread in threads:
            thread.join()


def all_right(entry: str, lanes: Lanes) -> bool:
    """Whether so many requests in a row are right that each Envoy must have had some."""
    seen = Load()
    with _client() as client:
        while seen.right < BEFORE and not seen.wrong:
            _round(client, entry, lanes, seen)
    return not seen.wrong


def _ask(entry: str, lanes: Lanes, seen: Load, over: threading.Event) -> None:
    with _client() as client:
        while not over.is_set():
            _round(client, entry, lanes, seen)


def _client() -> httpx.Client:
    return httpx.Client(timeout=30, limits=httpx.Limits(max_keepalive_connections=0))


def _round(client: httpx.Client, entry: str, lanes: Lanes, seen: Load) -> None:
    for lane in ("", *lanes):
        seen.note(outcome(client, entry, lane, lanes.get(lane, ())))


def outcome(client: httpx.Client, entry: str, lane: str, services: Collection[str]) -> str:
    """What is wrong with one request's answer; empty when nothing is."""
    about = lane or "baseline"
    try:
        answer = client.get(entry, headers={"x-preview-lane": lane} if lane else {})
    except httpx.HTTPError as error:
        return f"{LOST}: {about}: {type(error).__name__}"
    if answer.status_code != httpx.codes.OK:
        return f"{about}: {answer.status_code} {answer.text[:200]}"
    passed = {hop["service"]: hop["lane"] for hop in answer.json()["hops"]}
    wanted = {service: lane if service in services else "" for service in CHAIN}
    served = f"{CHAIN[0]}={wanted[CHAIN[0]] or 'baseline'}" if lane else ""
    if passed != wanted or answer.headers.get(SERVED, "") != served:
        return f"{about}: passed {passed}, {SERVED}: {answer.headers.get(SERVED)}"
    return ""

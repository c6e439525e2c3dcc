"""Constant requests at the chain's entry, every single answer held against what it may be.

Untagged: 200, and the baseline at every hop. Tagged: each hop its lane or the baseline and never another
lane, and at the entry what `x-preview-lane-served` says.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from bench.soak_shop import BASELINE, SERVICES

PAUSE = 0.05  # seconds between two requests of one client
PATIENCE = 60.0  # seconds for one answer; the hops give up on each other long before
CLIENTS = 3
EXAMPLES = 1000  # of each kind of wrong answer are kept
SERVED = "x-preview-lane-served"

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """`lane` is what was asked for, empty for an untagged request; `status` 0: no answer came. It was on its
    way from `began` to `ended`, seconds since the epoch."""

    lane: str
    status: int
    served: str
    hops: Sequence[Json]
    text: str = ""
    began: float = 0.0
    ended: float = 0.0


def verdicts(answer: Answer) -> list[str]:
    """What is wrong with an answer: `wrong lane` (a version or a lane that it must not have met), `baseline
    error`, `lane error`; empty when all is well."""
    found = [] if _in_place(answer) else ["wrong lane"]
    if answer.status != 200 or [hop["service"] for hop in answer.hops] != list(SERVICES):
        found.append("lane error" if answer.lane else "baseline error")
    return found


def _in_place(answer: Answer) -> bool:
    """Whether every hop is the asked lane's or the baseline's, and the entry who it says it is."""
    if any(not _is_of(hop, answer.lane) for hop in answer.hops):
        return False
    if not answer.lane:
        return not answer.served
    if answer.status != 200:
        return True
    return answer.served == f"{SERVICES[0]}={answer.hops[0]['lane'] or BASELINE}"


def _is_of(hop: Json, lane: str) -> bool:
    if not hop["lane"]:
        return bool(hop["version"] == BASELINE)
    return bool(hop["lane"] == lane and hop["version"].startswith(f"{lane}/"))


def ask(connection: http.client.HTTPConnection, lane: str, by_baggage: bool) -> Answer:
    """One request; a connection that failed is closed, to be opened again by the next."""
    headers = {"baggage": f"preview-lane={lane}"} if by_baggage else {"x-preview-lane": lane}
    try:
        connection.request("GET", "/", headers=headers if lane else {})
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return Answer(lane, 0, "", (), f"{type(error).__name__}: {error}")
    served = answer.headers.get(SERVED, "")
    try:
        return Answer(lane, answer.status, served, json.loads(body)["hops"], body.decode()[-300:])
    except (ValueError, KeyError):
        return Answer(lane, answer.status, served, (), body.decode(errors="replace")[:300])


class Traffic:
    """Clients that ask until `end`, half of the time for one of `lanes`, most often for one that is `wanted`
    at the time."""

    def __init__(
        self, entry: str, lanes: Sequence[str], wanted: Callable[[], Iterable[str]], seed: int
    ) -> None:
        self.entry, self._lanes, self._wanted = urlsplit(entry).netloc, lanes, wanted
        self.done: Counter[str] = Counter()
        self.examples: list[tuple[str, Answer]] = []
        self._lock = threading.Lock()
        self._go, self._ended = threading.Event(), threading.Event()
        self._idle = threading.Semaphore(0)
        self._clients = [
            threading.Thread(target=self._run, args=(random.Random(f"{seed}/{number}"),), daemon=True)
            for number in range(CLIENTS)
        ]
        self._go.set()
        for one in self._clients:
            one.start()

    def pause(self) -> None:
        """Returns when no request is on its way."""
        self._go.clear()
        for _ in self._clients:
            self._idle.acquire()

    def resume(self) -> None:
        self._go.set()

    def end(self) -> None:
        self._ended.set()
        self._go.set()
        for one in self._clients:
            one.join()

    def _run(self, chance: random.Random) -> None:
        connection = http.client.HTTPConnection(self.entry, timeout=PATIENCE)
        while not self._ended.is_set():
            if not self._go.is_set():
                connection.close()  # it may not be there any more afterwards
                self._idle.release()
                self._go.wait()
                continue
            began = time.time()
            answer = ask(connection, self._choose(chance), chance.random() < 0.3)
            self._note(replace(answer, began=began, ended=time.time()))
            self._ended.wait(PAUSE)
        connection.close()

    def _choose(self, chance: random.Random) -> str:
        if chance.random() < 0.5:
            return ""
        wanted = sorted(self._wanted()) if chance.random() < 0.8 else ()
        return chance.choice(wanted or self._lanes)

    def _note(self, answer: Answer) -> None:
        with self._lock:
            self.done["requests"] += 1
            self.done["tagged" if answer.lane else "untagged"] += 1
            self.done["through a copy"] += any(hop["lane"] for hop in answer.hops)
            for verdict in verdicts(answer):
                self.done[verdict] += 1
                if self.done[verdict] <= EXAMPLES:
                    self.examples.append((verdict, answer))

"""The post between the forge and the receiver: late, twice, ten times, in another order, but never lost.

A delivery that was not answered 202 is sent again, as a forge's operator does it. One that was answered 202
is Laneway's from then on.
"""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

import httpx

from devcluster.dev import payloads
from devcluster.dev.payloads import Delivery

AGAIN = (0.3, 0.6, 1.0, 2.0)  # seconds until one that was refused is sent again; the last for all further
SENDERS = 3
ANSWER = 10.0  # seconds: how long GitHub waits for an answer


@dataclass(order=True)
class Letter:
    """One request on its way; `attempt` counts the refusals."""

    at: float
    number: int
    headers: dict[str, str] = field(compare=False)
    body: bytes = field(compare=False)
    attempt: int = field(compare=False, default=0)


class Post:
    """`url` is where deliveries go, signed with `secret`. `done` counts requests by what became of them."""

    def __init__(self, url: str, secret: str, chance: random.Random) -> None:
        self._url, self._secret, self._chance = url, secret, chance
        self._waiting: list[Letter] = []
        self._held: list[Letter] = []
        self._numbers = count()
        self._changed = threading.Condition()
        self._underway = 0
        self._ended = False
        self.done: Counter[str] = Counter()
        self._senders = [threading.Thread(target=self._send_all, daemon=True) for _ in range(SENDERS)]
        for one in self._senders:
            one.start()

    def take(self, delivery: Delivery, in_time: bool) -> None:
        """Passes a delivery on: `in_time` at once, any other when chance has it, maybe several times."""
        self.done["deliveries"] += 1
        identity = str(UUID(int=self._chance.getrandbits(128), version=4))
        headers, body = payloads.signed(delivery, self._secret, identity)
        now = time.monotonic()
        delays = [0.0 if in_time else self._delay()]
        kind = self._chance.random()
        copies = 9 if kind < 0.02 else 1 if kind < 0.15 else 0
        delays += [delays[0] + self._chance.uniform(0, 8) for _ in range(copies)]
        self.done["sent again on purpose"] += copies
        with self._changed:
            for delay in delays:
                heapq.heappush(self._waiting, Letter(now + delay, next(self._numbers), headers, body))
            if self._chance.random() < 0.03:  # and once more when everything else is over
                self._held.append(Letter(0.0, next(self._numbers), headers, body))
                self.done["sent again at the end"] += 1
            self._changed.notify_all()

    def finish(self, seconds: float) -> int:
        """Sends what was held back, waits until everything is answered 202, and ends; how many are not."""
        with self._changed:
            for letter in self._held:
                heapq.heappush(self._waiting, letter)
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting and not self._underway, seconds)
            left = len(self._waiting) + self._underway
            self._ended = True
            self._changed.notify_all()
        return left

    def _delay(self) -> float:
        kind = self._chance.random()
        if kind < 0.7:
            return 0.0
        return self._chance.uniform(0, 3) if kind < 0.93 else self._chance.uniform(3, 15)

    def _send_all(self) -> None:
        with httpx.Client(timeout=ANSWER) as client:
            while (letter := self._next()) is not None:
                said = self._post(client, letter)
                self._answered(letter, said)

    def _next(self) -> Letter | None:
        with self._changed:
            while not self._ended:
                now = time.monotonic()
                if self._waiting and self._waiting[0].at <= now:
                    self._underway += 1
                    return heapq.heappop(self._waiting)
                self._changed.wait(self._waiting[0].at - now if self._waiting else None)
        return None

    def _post(self, client: httpx.Client, letter: Letter) -> str:
        try:
            answer = client.post(self._url, content=letter.body, headers=letter.headers)
        except httpx.TransportError:
            return "unanswered"
        return str(answer.json()["status"]) if answer.status_code == 202 else str(answer.status_code)

    def _answered(self, letter: Letter, said: str) -> None:
        with self._changed:
            self._underway -= 1
            self.done[f"answered: {said}"] += 1
            if said not in ("queued", "duplicate"):
                letter.at = time.monotonic() + AGAIN[min(letter.attempt, len(AGAIN) - 1)]
                letter.attempt += 1
                heapq.heappush(self._waiting, letter)
            self._changed.notify_all()

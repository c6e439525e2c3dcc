"""Requests all the while that something changes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from tests.support.waiting import until

Answers = Counter[Any]


@contextmanager
def asked(*questions: Callable[[], Any]) -> Iterator[list[Answers]]:
    """Each question is asked all the while, in two threads; what was answered how often, by question."""
    seen: list[Answers] = [Counter() for _ in questions]
    stop = threading.Event()

    def ask(question: Callable[[], Any], answers: Answers) -> None:
        while not stop.wait(0.002):
            answers[question()] += 1

    threads = [
        threading.Thread(target=ask, args=pair) for pair in zip(questions, seen, strict=True) for _ in "ab"
    ]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def load(world: Any, *kinds: Any) -> AbstractContextManager[list[Answers]]:
    """Requests of these kinds; who answered how often, by kind."""
    return asked(*(partial(world.ask, kind) for kind in kinds))


def enough(answers: Answers, more: int = 30) -> None:
    """Waits until that many more requests were answered."""
    target = answers.total() + more
    until(lambda: answers.total() >= target, "enough answers", seconds=30)

"""Requests all the while that something changes."""

from __future__ import annotations

import collections
import threading
from contextlib import contextmanager

from tests.support.routing import wait_until


@contextmanager
def load(world, *kinds):
    """Requests of these kinds all the while, each kind in two threads; counts of who answered, by kind."""
    seen = [collections.Counter() for _ in kinds]
    stop = threading.Event()

    def ask(kind, counter):
        while not stop.wait(0.002):
            counter[world.ask(kind)] += 1

    threads = [
        threading.Thread(target=ask, args=(kind, counter))
        for kind, counter in zip(kinds, seen, strict=True)
        for _ in "ab"
    ]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def enough(counter, more=30):
    """Waits until that many more requests were answered."""
    target = counter.total() + more
    wait_until(lambda: counter.total() >= target, what="enough answers")

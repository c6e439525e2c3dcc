"""Several questions at once, and no waiting for who does not answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Said = TypeVar("Said")

MOST = 16  # threads


def answers(asked: Mapping[Key, Callable[[], Said]], seconds: float, late: Said) -> dict[Key, Said]:
    """What each call returns, within `seconds` in all; `late` for those that are not done by then. They go on
    by themselves until they end. What a call raises is raised here."""
    if not asked:
        return {}
    pool = ThreadPoolExecutor(min(MOST, len(asked)), "analysis")
    try:
        futures = {key: pool.submit(call) for key, call in asked.items()}
        done, _ = wait(futures.values(), seconds)
        return {key: one.result() if one in done else late for key, one in futures.items()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)

"""What beat knows the cluster to have none of, told to the workers through Redis so that they need not ask.

Most namespaces have no NetworkPolicy, and asking costs a request in every convergence. The leader watches
them anyway: while a watch is open and has seen no object, the leader notes so every second; a note ends by
itself soon after the leader does. No note means that the worker asks. A note that an object has just made
untrue is taken back before the lanes concerned are put into the queue, so whoever was misled runs once more.
"""

from __future__ import annotations

from collections.abc import Iterable

import redis

from workers.queue import answered

NOTED_SECONDS = 5
_KEY = "laneway:none:"


class Absences:
    """The notes in one Redis."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def note(self, kind: str, namespace: str) -> None:
        """There is none now. Raises QueueError."""
        with answered("note what there is none of"):
            self._client.set(_key(kind, namespace), "1", ex=NOTED_SECONDS)

    def forget(self, gone: Iterable[tuple[str, str]]) -> None:
        """There may be some of these: kind and namespace. Raises QueueError."""
        keys = [_key(*one) for one in gone]
        if keys:
            with answered("take back what there was none of"):
                self._client.delete(*keys)

    def holds(self, kind: str, namespace: str) -> bool:
        """Whether it is known that there is none; a Redis that does not answer knows nothing."""
        try:
            return bool(self._client.exists(_key(kind, namespace)))
        except redis.RedisError:
            return False


def _key(kind: str, namespace: str) -> str:
    return f"{_KEY}{kind}:{namespace}"

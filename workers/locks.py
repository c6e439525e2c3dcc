"""One job at a time for a lane: a lock in Redis with a token, renewed while it is held.

A lock that could not be renewed in time is lost, whatever the reason; its holder learns that from `valid`,
which asks the clock and not Redis, so that a process that was stopped and wakes up knows before its next
write. What keeps such a one from doing harm even then is that every write to the cluster is conditional.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import redis
import structlog

from workers.queue import answered

LOCK = "laneway:lock:"  # + CHAIN.LANE: the holder's token
DIRTY = "laneway:dirty:"  # + CHAIN.LANE: counts what happened to the lane
DIRTY_SECONDS = 86_400

_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
_RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0
"""

log = structlog.get_logger()


class Held:
    """A lock that this process holds, until `release`."""

    def __init__(self, seconds: float, asked: float, release: Callable[[], None]) -> None:
        self._seconds, self._until, self._release = seconds, asked + seconds, release
        self.done = threading.Event()

    def valid(self) -> bool:
        """Whether nobody else can have the lock."""
        return time.monotonic() < self._until

    def renewed(self, asked: float) -> None:
        """Notes a renewal that was asked for at `asked` (monotonic seconds)."""
        self._until = asked + self._seconds

    def lose(self) -> None:
        self._until = 0.0

    def release(self) -> None:
        """Gives the lock back; once is enough, more does nothing."""
        if not self.done.is_set():
            self.done.set()
            self._release()


class Locks:
    """Safe to share between threads. Raises QueueError when Redis does not answer."""

    def __init__(self, client: redis.Redis, seconds: float) -> None:
        self._client, self.seconds = client, seconds
        self._release, self._renew = client.register_script(_RELEASE), client.register_script(_RENEW)

    @contextmanager
    def hold(self, name: str) -> Iterator[Held | None]:
        """The lock of that name, or None where somebody else has it; never waits."""
        held = self._take(LOCK + name, uuid.uuid4().hex)
        try:
            yield held
        finally:
            if held is not None:
                held.release()

    def _take(self, key: str, token: str) -> Held | None:
        asked = time.monotonic()
        with answered("take a lane's lock"):
            if not self._client.set(key, token, nx=True, px=self._milliseconds):
                return None
        held = Held(self.seconds, asked, lambda: self._give_back(key, token))
        threading.Thread(target=self._keep, args=(key, token, held), daemon=True).start()
        return held

    def _give_back(self, key: str, token: str) -> None:
        with answered("release a lane's lock"):
            self._release([key], [token])

    def mark(self, name: str) -> int:
        """Notes that something happened to the lane; the count of such notes."""
        with answered("mark a lane"):
            pipe = self._client.pipeline()
            pipe.incr(DIRTY + name)
            pipe.expire(DIRTY + name, DIRTY_SECONDS)
            return int(pipe.execute()[0])

    def marked(self, name: str) -> int:
        """The count of `mark` now."""
        with answered("read a lane's mark"):
            return int(self._client.get(DIRTY + name) or 0)

    @property
    def _milliseconds(self) -> int:
        return int(self.seconds * 1000)

    def _keep(self, key: str, token: str, held: Held) -> None:
        """Renews until the lock is released or found to be somebody else's."""
        while not held.done.wait(self.seconds / 3):
            asked = time.monotonic()
            try:
                kept = self._renew([key], [token, self._milliseconds])
                if not kept and not held.done.is_set():
                    held.lose()
                    log.warning("lock.lost", lock=key)
                    return
                held.renewed(asked)
            except redis.RedisError as error:
                log.warning("lock.unrenewed", lock=key, error=str(error))

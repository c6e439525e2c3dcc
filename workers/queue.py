"""The queue's writing side: jobs that are put once, kept until they are done, and due now or later.

Beside Celery's list, each job lies in a hash until `finish`, with a time at which it becomes due again. A job
that is running is leased: its worker renews the lease, and a job whose worker is gone comes back by `promote`
when the lease ends, wherever it was lost, also between taking it from the list and noting that. A retry is
nothing but a later time; no countdown sits in a worker's memory. A job may run twice, never not at all.

Every operation is one script, so it happens whole or not at all, also when its answer is lost. Times are the
server's. Redis holds nothing that the cluster and the sweep would not restore.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from provisioner.errors import QueueError
from workers import message, scripts

JOBS = "laneway:jobs"  # hash: job id -> message
DUE = "laneway:due"  # sorted set: job id -> when it is put into the list (again), seconds
LEASES = "laneway:leases"  # sorted set: id of a running job -> when its worker counts as gone, seconds
LISTED = "laneway:listed"  # sorted set: id of a job in the list -> when it was put there, seconds
MARK = "laneway:mark:"  # + key: the id of the job that was put under it, or "done"
FOUNDED = "laneway:founded"

KEPT_SECONDS = 86_400  # how long a mark outlives a job that never ends
RECLAIM_SECONDS = 50  # a job that nobody has begun by then is put into the list once more
LEASE_SECONDS = 20
ANSWER_SECONDS = 2.0  # how long Redis may take to answer
CONNECT_SECONDS = 1.0


@dataclass(frozen=True)
class Job:
    """A task's name with its JSON-ready arguments. While a job with the same `key` waits, or has been done
    within its keep time, another is a duplicate. `attempt` counts the failures so far."""

    name: str
    args: tuple[Any, ...]
    key: str
    attempt: int = 0

    def encode(self, task: str) -> str:
        return message.encode(self.name, self.args, {"key": self.key, "attempt": self.attempt}, task)

    def next(self) -> Job:
        return replace(self, attempt=self.attempt + 1)


def deliver(event: Mapping[str, Any], delivery: str, chain: str) -> Job:
    """The job that folds one delivery into a chain; `delivery` is unique among all forges."""
    return Job(message.DELIVER, (dict(event), chain), f"deliver/{delivery}/{chain}")


def converge(chain: str, lane: str) -> Job:
    return Job(message.CONVERGE, (chain, lane), f"converge/{chain}.{lane}")


def converge_again(chain: str, lane: str) -> Job:
    """As `converge`, for a later time; it keeps no immediate one from being put."""
    return Job(message.CONVERGE, (chain, lane), f"again/{chain}.{lane}")


def release(chain: str, name: str) -> Job:
    return Job(message.RELEASE, (chain, name), f"release/{chain}.{name}")


def release_again(chain: str, name: str) -> Job:
    """As `release`, for a later time; it keeps no immediate one from being put."""
    return Job(message.RELEASE, (chain, name), f"release-again/{chain}.{name}")


def notify(chain: str, name: str) -> Job:
    return Job(message.NOTIFY, (chain, name), f"notify/{chain}.{name}")


def notify_again(chain: str, name: str) -> Job:
    """As `notify`, for a later time; it keeps no immediate one from being put."""
    return Job(message.NOTIFY, (chain, name), f"notify-again/{chain}.{name}")


def sweep() -> Job:
    return Job(message.SWEEP, (), "sweep")


def connect(url: str) -> redis.Redis:
    """A client that answers or fails within about three seconds. One more try on a fresh connection, for
    one that the server closed while it was idle."""
    return redis.Redis.from_url(
        url,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        decode_responses=True,
    )


@contextmanager
def answered(doing: str) -> Iterator[None]:
    """Turns Redis' errors into a QueueError that says what was being done, and what to do."""
    try:
        yield
    except redis.RedisError as error:
        raise QueueError(
            f"cannot {doing}: {_told(error)}", where="LANEWAY_REDIS_URL", retry_after=5
        ) from error


def _told(error: redis.RedisError) -> str:
    text = str(error).rstrip(".")
    match error:
        case redis.InvalidResponse():
            return (
                f"what answers there speaks no Redis protocol ({text}); give the address of a Redis or Valkey"
            )
        case redis.AuthenticationError():
            return f"{text}; give user and password in the URL"
        case redis.ConnectionError() | redis.TimeoutError():
            return f"{text}; see that Redis runs there and can be reached. It is tried again until it answers"
        case _:
            return text


class Queue:
    """Safe to share between threads. Every method raises QueueError when Redis does not answer."""

    def __init__(self, client: redis.Redis, lease: int = LEASE_SECONDS) -> None:
        self._client = client
        self.lease = lease  # seconds after which a job counts as lost unless it is renewed
        self._scripts = {
            name: client.register_script(scripts.CLOCK + getattr(scripts, name))
            for name in ("PUT", "BEGIN", "RENEW", "FINISH", "CANCEL", "RETRY", "PROMOTE", "OLDEST")
        }

    def put(self, job: Job) -> bool:
        """Queues the job for now; False when one with its key waits or was done a short time ago."""
        return self._place(job, RECLAIM_SECONDS, "1")

    def later(self, job: Job, seconds: float) -> bool:
        """Queues the job for `seconds` from now; one that waits with the same key keeps the earlier time."""
        return self._place(job, seconds, "0")

    def cancel(self, key: str) -> bool:
        """Forgets the job that waits under a key, unless it is running."""
        return bool(self._run("CANCEL", "cancel a job", [MARK + key, JOBS, DUE, LEASES, LISTED], []))

    def begin(self, task: str, key: str, *, reopen: bool) -> bool:
        """Leases the job; False when it is done, or running elsewhere. With `reopen` a job with the same key
        may be put from now on, since what changes from now on may come too late for this one."""
        keys = [MARK + key, JOBS, DUE, LEASES, LISTED]
        return bool(self._run("BEGIN", "begin a job", keys, [task, str(self.lease), str(int(reopen))]))

    def renew(self, tasks: Iterable[str]) -> None:
        """Keeps the leases of running jobs."""
        self._run("RENEW", "renew leases", [DUE, LEASES], [str(self.lease), *tasks])

    def finish(self, task: str, key: str, keep: int = 0) -> None:
        """Forgets the job; with `keep` its key stays a duplicate for that many seconds."""
        self._run("FINISH", "finish a job", [MARK + key, JOBS, DUE, LEASES, LISTED], [task, str(keep)])

    def retry(self, task: str, job: Job, seconds: float) -> None:
        """Puts a running job back, as it is now, for `seconds` from now."""
        self._run("RETRY", "put a job back", [JOBS, DUE, LEASES], [task, job.encode(task), str(seconds)])

    def promote(self) -> int:
        """Puts what is due into the list, at most 100 at once; how many."""
        keys = [JOBS, DUE, message.QUEUE, LISTED]
        return int(self._run("PROMOTE", "look for due jobs", keys, [str(RECLAIM_SECONDS)]))

    def founded(self) -> bool:
        """True once in the life of a Redis: the first time, and after it lost what it held."""
        with answered("look whether Redis is new"):
            return bool(self._client.set(FOUNDED, "1", nx=True))

    def waiting(self) -> int:
        """How many jobs lie in the list."""
        with answered("count jobs"):
            return int(self._client.llen(message.QUEUE))

    def oldest(self) -> float:
        """For how many seconds the job has waited that has waited longest since it was due; 0 for none."""
        return float(self._run("OLDEST", "look for the oldest job", [JOBS, LISTED], []))

    def reachable(self) -> None:
        """Raises QueueError unless Redis answers."""
        with answered("reach Redis"):
            self._client.ping()

    def _place(self, job: Job, seconds: float, now: str) -> bool:
        task = uuid.uuid4().hex
        keys = [MARK + job.key, JOBS, DUE, message.QUEUE, LISTED]
        args = [task, job.encode(task), str(seconds), now, str(KEPT_SECONDS)]
        return bool(self._run("PUT", "queue a job", keys, args))

    def _run(self, script: str, doing: str, keys: list[str], args: list[str]) -> Any:
        with answered(doing):
            return self._scripts[script](keys, args)

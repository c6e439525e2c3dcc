"""Every call by which Laneway reaches something outside its process, counted at one place.

The edges are the methods through which all requests to Kubernetes, all git commands, all questions to forges
and all Redis commands go: a call that somebody adds tomorrow is seen without anybody adding it here.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from unittest import mock

import redis
from redis.client import Pipeline

from provisioner.cluster import Cluster
from provisioner.forges import Forges
from provisioner.git.process import Runner

EDGES: tuple[tuple[type, str, str], ...] = (
    (Cluster, "_send", "kubernetes"),
    (Runner, "__call__", "git"),
    (Forges, "_ask", "forge"),
    (redis.Redis, "execute_command", "redis"),
    (Pipeline, "execute", "redis"),
)


class Moment(StrEnum):
    BEFORE = "before it is sent"
    AFTER = "after it took effect, before its answer is seen"


@dataclass(frozen=True)
class Call:
    """The `number`th call of a run, counted from 1."""

    number: int
    edge: str
    what: str

    def __str__(self) -> str:
        return f"call {self.number}, {self.edge} {self.what}"


Hook = Callable[[Call, Moment], None]


@contextmanager
def watched(hook: Hook) -> Iterator[None]:
    """Within the block `hook` is told of every call, at both moments. Calls that the hook itself makes are
    not counted."""
    counting = _Counting(hook)
    with ExitStack() as stack:
        for owner, method, edge in EDGES:
            original = getattr(owner, method)
            stack.enter_context(mock.patch.object(owner, method, counting.around(original, edge)))
        yield


class _Counting:
    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self._number = 0
        self._inside = False

    def around(self, original: Callable[..., Any], edge: str) -> Callable[..., Any]:
        def call(target: object, *arguments: Any, **options: Any) -> Any:
            if self._inside:
                return original(target, *arguments, **options)
            self._number += 1
            this = Call(self._number, edge, _words(arguments))
            self._tell(this, Moment.BEFORE)
            answer = original(target, *arguments, **options)
            self._tell(this, Moment.AFTER)
            return answer

        return call

    def _tell(self, call: Call, moment: Moment) -> None:
        self._inside = True
        try:
            self._hook(call, moment)
        finally:
            self._inside = False


def _words(arguments: tuple[Any, ...]) -> str:
    """The first words of a call that say which it is; for a git command what follows its options."""
    words = [str(one) for one in arguments if isinstance(one, str) and not one.startswith("-")]
    return " ".join(words[:2])[:120]


class Crash(BaseException):
    """The end of a process, played within one: no call of the dead has any effect any more."""


@dataclass
class Mortal:
    """A hook that raises Crash at the `at`th call and at every later one; 0 is never."""

    at: int
    moment: Moment = Moment.BEFORE
    dead: bool = False

    def __call__(self, call: Call, moment: Moment) -> None:
        self.dead = self.dead or (call.number == self.at and moment is self.moment)
        if self.dead:
            raise Crash(str(call))


@dataclass
class Recorder:
    """A hook that keeps the calls."""

    calls: list[Call]

    def __call__(self, call: Call, moment: Moment) -> None:
        if moment is Moment.BEFORE:
            self.calls.append(call)


def killed_at(number: int, moment: Moment) -> Hook:
    """A hook that ends this process with SIGKILL at that call."""

    def hook(call: Call, now: Moment) -> None:
        if (call.number, now) == (number, moment):
            os.kill(os.getpid(), signal.SIGKILL)

    return hook

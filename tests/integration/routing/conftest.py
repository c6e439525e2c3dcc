"""A router in front of one service, `payment`, with real Envoy and real upstreams."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest

from provisioner.chain.model import Chain
from provisioner.routing.envoy.node import FIRST_LISTENER
from tests.support.doors import Door, Doors
from tests.support.loops import LoopThread, Talk
from tests.support.routing import (
    Envoy,
    Headers,
    Router,
    Store,
    Upstream,
    chain,
    endpoint_slice,
    get,
    lane,
    twin,
    wait_until,
)
from tests.support.wire import TCP_LISTENER, Wire


class World:
    """Everything in front of and behind the router; closed in reverse order of its making."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.thread = LoopThread()
        stack.callback(self.thread.close)
        self.store = Store()
        self.baseline = self.upstream("baseline")
        self.store.put(twin("payment"), endpoint_slice("payment", [self.baseline.address]))

    def upstream(self, name: str) -> Upstream:
        made = Upstream(self.thread, name)
        self._stack.callback(made.kill)
        return made

    def start(self, wanted: Chain | None = None, listeners: tuple[int, ...] = (FIRST_LISTENER,)) -> None:
        self.start_unready(wanted, listeners)
        self.envoy.wait_ready()

    def start_unready(
        self, wanted: Chain | None = None, listeners: tuple[int, ...] = (FIRST_LISTENER,)
    ) -> None:
        self.router = Router(self.store, wanted or chain())
        self._stack.callback(lambda: self.router.stop())
        self.envoy = Envoy(self.router.port, listeners)
        self._stack.callback(self.envoy.stop)

    def another_envoy(self, workers: int = 1) -> Envoy:
        """One more router pod, ready."""
        made = Envoy(self.router.port, (FIRST_LISTENER,), workers=workers)
        self._stack.callback(made.stop)
        made.wait_ready()
        return made

    def open_lane(self, name: str) -> Upstream:
        """A lane with a ready copy of payment, once requests reach it."""
        copy = self.upstream(name)
        self.store.put(lane(name), endpoint_slice("payment", [copy.address], name))
        wait_until(lambda: self.who({"x-preview-lane": name}) == name, what=f"lane {name}")
        return copy

    def ask(self, headers: Headers | None = None, path: str = "/") -> tuple[int, str, str | None]:
        """Status, who answered by its own word, who answered by the router's."""
        status, found, body = get(self.envoy.address, path=path, headers=headers)
        name = json.loads(body)["name"] if status == 200 else body.decode()
        return status, name, found.get("x-preview-lane-served")

    def who(self, headers: Headers | None = None) -> str:
        return self.ask(headers)[1]

    def seen(self, headers: Headers | None = None, **kwargs: Any) -> dict[str, Any]:
        """The request as the application got it."""
        body = get(self.envoy.address, headers=headers, **kwargs)[2]
        found: dict[str, Any] = json.loads(body)
        return found

    def carriers(self, headers: Headers) -> tuple[str | None, str | None, str | None]:
        """What an application gets as header and as baggage, and what the client hears of who answered."""
        _, answer, body = get(self.envoy.address, headers=headers)
        got: dict[str, list[str]] = {}
        for key, value in json.loads(body)["headers"]:
            got.setdefault(key.lower(), []).append(value)
        lane, baggage = (",".join(got[key]) if key in got else None for key in ("x-preview-lane", "baggage"))
        return lane, baggage, answer.get("x-preview-lane-served")


@pytest.fixture
def database(world) -> Iterator[Callable[[Talk], Wire]]:
    """Starts the router before payment and before a service with a TCP port, which talks as the test says."""
    opened = []

    def begin(talk: Talk) -> Wire:
        wire = Wire(world.thread, talk, 5432)
        opened.append(wire)
        world.store.put(
            twin("database", TCP_LISTENER, 5432, name=""),
            endpoint_slice("database", [wire.address], port=5432, name=""),
        )
        world.start(chain(["payment", "database"]), (FIRST_LISTENER, TCP_LISTENER))
        return wire

    yield begin
    for one in opened:
        one.close()


@pytest.fixture
def world() -> Iterator[World]:
    """Not started yet: a baseline and its attached Service."""
    with ExitStack() as stack:
        yield World(stack)


@pytest.fixture(scope="session")
def new_world() -> Callable[[ExitStack], World]:
    """Makes a world that ends with the stack."""
    return World


@pytest.fixture(scope="module")
def doors() -> Iterator[Doors]:
    """The door of an entry; each is made once, and lasts as long as the module."""
    with ExitStack() as stack:
        yield cache(lambda entry: Door(World(stack), entry))


@pytest.fixture(scope="module")
def running() -> Iterator[World]:
    """Started, with one lane: pr-4."""
    with ExitStack() as stack:
        made = World(stack)
        made.start()
        made.open_lane("pr-4")
        yield made

"""One service, payment, of a lane that sleeps and wakes, before a real Envoy."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from provisioner.routing.envoy.node import FIRST_LISTENER
from provisioner.routing.router.holds import Limits
from tests.support.routing import (
    Envoy,
    LoopThread,
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

Json = dict[str, Any]
LONG_AGO = "2026-01-01T00:00:00.000000Z"
LANE = "pr-4"
TAG = {"x-preview-lane": LANE}


class Bedroom:
    """The router over a store, an Envoy, a baseline, and the lane's copy, which runs but is not routed to."""

    def __init__(self, stack: ExitStack, limits: Limits) -> None:
        self.thread = LoopThread()
        stack.callback(self.thread.close)
        self.store = Store()
        self.baseline, self.copy = Upstream(self.thread, "baseline"), Upstream(self.thread, LANE)
        stack.callback(self.baseline.kill)
        stack.callback(self.copy.kill)
        self.store.put(twin("payment"), endpoint_slice("payment", [self.baseline.address]))
        self.router = Router(self.store, chain(), limits)
        stack.callback(self.router.stop)
        self.envoy = Envoy(self.router.port, (FIRST_LISTENER,))
        stack.callback(self.envoy.stop)
        self.pool = stack.enter_context(ThreadPoolExecutor(32))
        self.envoy.wait_ready()

    def put_to_sleep(self, *, without_slice: bool = False) -> None:
        self.store.put(asleep("Sleeping"))
        if not without_slice:
            self.store.put(endpoint_slice("payment", [], LANE))
        wait_until(self.is_routed_to_waker, what="the way to the waker")

    def wake(self) -> None:
        """What a worker and the cluster do: the phase first, a pod later."""
        self.store.put(asleep("Deploying"))
        self.store.put(endpoint_slice("payment", [self.copy.address], LANE))

    def ask(self, **headers: str) -> tuple[int, str, str | None]:
        """Status, the body or who answered, and who the router says did."""
        status, found, body = get(self.envoy.address, headers={**TAG, **headers})
        text = json.loads(body)["name"] if status == 200 else body.decode()
        return status, text, found.get("x-preview-lane-served")

    def asking(self, **headers: str) -> Future[tuple[int, str, str | None]]:
        return self.pool.submit(self.ask, **headers)

    def woken_by(self) -> list[str]:
        """The lanes that the router had woken, in order."""
        return self.router.notes.active_at

    def is_routed_to_waker(self) -> bool:
        return f"/waker/{LANE}" in self.envoy.admin("/clusters")


def asleep(phase: str) -> Json:
    """The Lane as its status says when it sleeps, or wakes."""
    services = [{"name": "payment", "inLane": True, "route": "waker"}]
    return {**lane(LANE), "status": {"phase": phase, "activeAt": LONG_AGO, "services": services}}

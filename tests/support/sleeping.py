"""One service, payment, of a lane that sleeps and wakes, before a real Envoy."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from provisioner.routing.envoy.node import FIRST_LISTENER
from provisioner.routing.router.holds import Limits
from tests.support.loops import LoopThread
from tests.support.routing import (
    Envoy,
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
Answer = tuple[int, str, str | None]
LONG_AGO = "2026-01-01T00:00:00.000000Z"
LANE = "pr-4"
TAG = {"x-preview-lane": LANE}


class Bedroom:
    """The router over a store, an Envoy, a baseline, and the copy of a lane that is not open yet."""

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

    def put_to_sleep(self, name: str = LANE) -> None:
        """What a worker does, and Envoy then knows of. A copy that has no pods may have no EndpointSlice."""
        self.store.put(sleeper(name, "Sleeping"))
        wait_until(lambda: self.is_held(name), what="the way to the waker")

    def wake(self, name: str = LANE, address: str = "") -> None:
        """What a worker and the cluster do: the phase first, a pod then."""
        self.store.put(sleeper(name, "Deploying"))
        self.store.put(endpoint_slice("payment", [address or self.copy.address], name))

    def ask(self, name: str = LANE, method: str = "GET", **headers: str) -> Answer:
        """Status, who answered or else the body, and who the router says did."""
        status, found, body = self.ask_whole(name, method, **headers)
        text = json.loads(body)["name"] if status == 200 else body
        return status, text, found.get("x-preview-lane-served")

    def ask_whole(
        self, name: str = LANE, method: str = "GET", **headers: str
    ) -> tuple[int, dict[str, str], str]:
        """Status, headers and body."""
        tagged = {"x-preview-lane": name, **headers}
        status, found, body = get(self.envoy.address, headers=tagged, method=method)
        return status, found, body.decode()

    def asking(self, name: str = LANE, method: str = "GET", **headers: str) -> Future[Answer]:
        return self.pool.submit(self.ask, name, method, **headers)

    def woken(self) -> list[str]:
        """The lanes that the router had woken, in order."""
        return self.router.notes.active_at

    def is_held(self, name: str = LANE) -> bool:
        """Whether Envoy leads the lane's requests to the waker."""
        return f"/waker/{name}::" in self.envoy.admin("/clusters")

    def held(self) -> int:
        """How many requests Envoy has that wait for the waker's answer."""
        return self.envoy.stat("http.payment_8080/waker.downstream_rq_active")

    def reports(self) -> int:
        """How many reports of use Envoy has sent."""
        return self.envoy.stat("load_reporter.responses")


def sleeper(name: str, phase: str) -> Json:
    """The Lane as its status says when it sleeps, or wakes."""
    services = [{"name": "payment", "inLane": True, "route": "waker"}]
    return lane(name, {"phase": phase, "activeAt": LONG_AGO, "services": services})

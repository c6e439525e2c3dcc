"""A release as a test steps it: a router at the entry, the lane `v2` with its copies, what Envoy was told."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from provisioner.chain.model import Entry
from provisioner.chain.strategy import Strategy
from provisioner.release.model import Phase
from provisioner.routing import share
from tests.support.routing import Envoy, Upstream, chain, endpoint_slice, lane, release, wait_until

if TYPE_CHECKING:
    from tests.integration.routing.conftest import World

NAME = "v2"
BY_COOKIE = Strategy()
OWN = {"phase": "Ready", "services": [{"name": "payment", "inLane": True, "route": "lane"}]}
ENTRY = Entry("payment", url="https://shop.example.com")


def told(envoy: Envoy) -> dict[str, Any] | None:
    """The share that an Envoy has been told of; None while there is none."""
    dump = json.loads(envoy.admin("/config_dump?resource=dynamic_route_configs"))
    routes = (
        route
        for config in dump.get("configs", ())
        for host in config["route_config"]["virtual_hosts"]
        for route in host["routes"]
    )
    told = (one.get("typed_per_filter_config", {}) for one in routes)
    return next((one["envoy.filters.http.lua"]["filter_context"]["share"] for one in told if one), None)


class Releasing:
    """The lane pr-4 is open as well."""

    def __init__(self, world: World, entry: Entry = ENTRY, strategy: Strategy = BY_COOKIE) -> None:
        self.world, self.strategy = world, strategy
        world.start(replace(chain(), entry=entry))
        self.copies: list[Upstream] = []
        preview = world.upstream("pr-4")
        world.store.put(lane("pr-4"), endpoint_slice("payment", [preview.address], "pr-4"))
        self._wait_for([preview])

    @property
    def envoy(self) -> Envoy:
        return self.world.envoy

    def bring(self, count: int = 1) -> None:
        """The release's lane has so many more pods, and requests reach it."""
        self.copies += [self.world.upstream(NAME) for _ in range(count)]
        self.world.store.put(lane(NAME, OWN, mode="members", release=NAME))
        self.show(self.copies)

    def show(self, copies: Sequence[Upstream]) -> None:
        """The cluster says that these are the lane's pods, and Envoy knows."""
        self.world.store.put(endpoint_slice("payment", [one.address for one in copies], NAME))
        self._wait_for(copies)

    def _wait_for(self, copies: Sequence[Upstream]) -> None:
        wanted = {f"{one.address}:{one.port}" for one in copies}
        wait_until(lambda: wanted <= self._known(), what=f"{sorted(wanted)} at Envoy")

    def _known(self) -> set[str]:
        lines = self.envoy.admin("/clusters").splitlines()
        return {line.split("::")[1] for line in lines if line.startswith("payment:8080/lanes/")}

    def put(self, weight: int, phase: Phase = Phase.PROGRESSING) -> None:
        self.world.store.put(release(NAME, weight, phase=phase, strategy=self.strategy))

    def step(self, weight: int, phase: Phase = Phase.PROGRESSING) -> None:
        """The release has this weight, and Envoy knows."""
        self.put(weight, phase)
        wait_until(lambda: self.taken() == weight * 100, what=f"the weight {weight}")

    def end(self) -> None:
        self.put(0, Phase.ROLLED_BACK)
        wait_until(lambda: told(self.envoy) is None, what="the release's end")

    def taken(self) -> int | None:
        """How many buckets are in the release."""
        found = told(self.envoy)
        return None if found is None else int(found["taken"])

    @property
    def start(self) -> int:
        return share.start(NAME)


Releasings = Callable[[Entry, Strategy], Releasing]

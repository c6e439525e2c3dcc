"""A street behind real Envoys, with a release of all of its services but the first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from provisioner.chain.model import Entry
from provisioner.chain.strategy import Sticky, Strategy
from provisioner.release.model import Phase
from tests.support.loops import LoopThread
from tests.support.releasing import NAME, told
from tests.support.routing import Envoy, Router, Store, chain, endpoint_slice, lane, release, twin, wait_until
from tests.support.street import SERVICES, House, Passage, following, listener, passages

RELEASED: Sequence[str] = SERVICES[1:]
OWN = {"phase": "Ready", "services": [{"name": one, "inLane": True, "route": "lane"} for one in RELEASED]}
BY_LOT = Strategy(sticky=Sticky(""))


class Town:
    """The chain behind Envoys: the first is where it is entered, the last the one that services call."""

    def __init__(self, stack: ExitStack, envoys: int = 1, strategy: Strategy = BY_LOT) -> None:
        self._stack, self._strategy = stack, strategy
        self.thread, self.store = LoopThread(), Store()
        stack.callback(self.thread.close)
        self.baseline = {service: self._house(service, "v1") for service in SERVICES}
        for service, house in self.baseline.items():
            self.store.put(twin(service, listener(service)), endpoint_slice(service, [house.address]))
        self.copies: dict[str, list[House]] = {service: [] for service in RELEASED}
        self.router = Router(self.store, replace(chain(SERVICES), entry=Entry("web")))
        stack.callback(self.router.stop)
        self.envoys = [self._envoy() for _ in range(envoys)]
        for one in self.envoys:
            one.wait_ready()
        self._lead(self.baseline.values())

    def _envoy(self) -> Envoy:
        made = Envoy(self.router.port, [listener(one) for one in SERVICES])
        self._stack.callback(made.stop)
        return made

    def _house(self, service: str, version: str) -> House:
        made = House(self.thread, service, version, None)
        self._stack.callback(made.kill)
        return made

    def _lead(self, houses: Iterable[House]) -> None:
        onward = dict(following())
        for one in houses:
            if after := onward[one.service]:
                one.lead((self.envoys[-1].address, listener(after)))

    def build(self, pods: int = 1) -> None:
        """So many more pods of each released service, which nobody has heard of yet."""
        for service, copies in self.copies.items():
            made = [self._house(service, NAME) for _ in range(pods)]
            self._lead(made)
            copies += made

    def show(self, *services: str) -> None:
        """The lane's pods are as they are now."""
        self.store.put(lane(NAME, OWN, mode="members", release=NAME))
        for service in services or RELEASED:
            addresses = [one.address for one in self.copies[service]]
            self.store.put(endpoint_slice(service, addresses, NAME))

    def put(self, weight: int, phase: Phase = Phase.PROGRESSING) -> None:
        self.store.put(release(NAME, weight, RELEASED, phase=phase, strategy=self._strategy))

    def show_preview(self) -> None:
        """Another lane has a copy of the first service."""
        self.store.put(lane("pr-4"), endpoint_slice("web", [self.baseline["orders"].address], "pr-4"))

    def known(self, envoy: Envoy, service: str) -> bool:
        """Whether an Envoy knows a pod of a lane's copy of a service."""
        host = self.baseline[service].address
        lines = envoy.admin("/clusters").splitlines()
        pods = {line.split("::")[1] for line in lines if line.startswith(f"{service}:8080/lanes/")}
        return any(one.startswith("127.") and not one.startswith(f"{host}:") for one in pods)

    def taken(self) -> int | None:
        found = told(self.envoys[0])
        return None if found is None else int(found["taken"])

    def step(self, weight: int) -> None:
        self.put(weight)
        wait_until(lambda: self.taken() == weight * 100, what=f"the weight {weight}")

    def ask(self, count: int) -> list[Passage]:
        return passages(self.envoys[0].address, count)

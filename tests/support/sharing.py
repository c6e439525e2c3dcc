"""A release in a chain that a mesh routes, in a cluster within this process: settled as its story would."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain, Driver, Entry
from provisioner.chain.strategy import Audience, Sticky, Strategy
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane, Mode
from provisioner.release import store as releases
from provisioner.release.model import Change, Phase, Release
from provisioner.routing import settle
from provisioner.routing.mesh import Settled
from tests.support.meshed import Meshed, endpoints
from tests.support.scene import NAMESPACE

Json = dict[str, Any]
NAME = "spring"
SERVICES = ("orders", "payment")


class Sharing:
    """The release of orders, where the chain is entered, and payment. Its lane is there, nothing is ready."""

    def __init__(self, mesh: Meshed) -> None:
        self.mesh, self.cluster = mesh, mesh.cluster
        self.chain: Chain = replace(mesh.chain, entry=Entry("orders"))
        sticky = Sticky() if self.chain.driver is Driver.ISTIO else Sticky("", "")
        changes = tuple(Change(one, f"{one}:new") for one in SERVICES)
        strategy = Strategy(sticky=sticky, audience=Audience("x-tester", "yes"))
        self.release = releases.create(self.cluster, Release("shop", NAME, changes, strategy))
        lane = lanes.write(self.cluster, Lane("shop", NAME, mode=Mode.MEMBERS, release=NAME))
        own = [
            {"name": one.name, "inLane": one.name in SERVICES, "reason": "Released"}
            for one in self.chain.services
        ]
        lanes.write_status(self.cluster, lane, {"services": own})
        self.preview("pr-1")

    def preview(self, name: str) -> None:
        """A lane of a branch, with a ready copy of payment."""
        lanes.write(self.cluster, Lane("shop", name))
        self.cluster.apply(endpoints(f"payment--{name}", name, "payment", True), force=True)
        self.settle(name)

    def pods(self, ready: bool, *services: str) -> None:
        for one in services or SERVICES:
            self.cluster.apply(endpoints(f"{one}--{NAME}", NAME, one, ready), force=True)

    def take(self, weight: int, phase: Phase = Phase.PROGRESSING) -> Settled:
        """The release takes so much from now on."""
        status = {"phase": phase.value, "weight": weight}
        self.release = releases.write_status(self.cluster, self.release, status)
        return self.settle(NAME)

    def settle(self, name: str) -> Settled:
        lane = lanes.read(self.cluster, "shop", name)
        assert lane is not None
        return settle.settle(self.chain, lane, self.mesh.scene.world)

    def end(self) -> None:
        """The release is over, and its lane ends."""
        self.take(0, Phase.ROLLED_BACK)
        lane = lanes.read(self.cluster, "shop", NAME)
        assert lane is not None
        settle.withdraw(self.chain, lane, self.mesh.scene.world)
        lanes.remove(self.cluster, lanes.release(self.cluster, lane))

    def shares(self, kind: str) -> dict[str, Json]:
        """The specs of what leads the share into the lane, by name."""
        found = self.cluster.list(kind, NAMESPACE, f"{labels.LANE}={NAME}")
        return {one["metadata"]["name"]: one["spec"] for one in found if "share" in one["metadata"]["name"]}

"""What the cases need of a driver and its data plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from provisioner.cluster import Cluster
from tests.conformance.hops.application import Instance
from tests.conformance.hops.client import Activity, Hops
from tests.conformance.objects import Place
from tests.conformance.scene import Copy, Lane

DRIVERS = ("envoy", "gateway-api", "istio")


class Plane(Protocol):
    """A chain whose baseline runs behind a driver; lanes come, change and go."""

    hops: Hops
    place: Place
    cluster: Cluster
    settings: Mapping[str, str]  # of a `laneway` command that is asked about the chain

    def deploy(self, lanes: Mapping[str, Lane]) -> None:
        """Starts their copies, and writes their objects and those that Kubernetes makes of copies."""

    def settle(self, lane: str, fails_at: int = 0) -> None:
        """What a worker does for the lane's routes when something has changed; ClusterError where that takes
        so many writes, of which the last one fails."""

    def show(self, service: str, lane: str, copy: Copy) -> None:
        """The cluster sees another state of a copy."""

    def join(self, service: str, lane: str) -> Instance:
        """One more copy of a lane's service listens, and is ready."""

    def lose(self, one: Instance) -> Activity:
        """It dies, whatever it is busy with, and the cluster sees that."""

    def withdraw(self, lane: str, fails_at: int = 0) -> None:
        """The lane ends, and requests leave it; `fails_at` as for `settle`."""

    def remove(self, lane: str) -> None:
        """The lane and its copies are gone."""

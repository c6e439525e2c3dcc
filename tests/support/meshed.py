"""A chain that a mesh routes, in a cluster within this process: no pods run, so tests say which are ready."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain, Driver
from provisioner.cluster import Cluster
from provisioner.kinds import KINDS
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane
from provisioner.reconcile import Outcome, converge
from provisioner.routing import drivers
from tests.support import localapi, scene
from tests.support.forge import Branch
from tests.support.localapi import Local
from tests.support.scene import NAMESPACE, Scene
from workers import queue

Json = dict[str, Any]

REPOSITORY = "acme/shop"
ENTRY: Json = {"name": "entry"}  # the Gateway of a chain's owner, as a route names its parent


class Meshed:
    """The chain, its forge, and what is in the cluster."""

    def __init__(self, local: Local, cluster: Cluster, driver: Driver) -> None:
        self.local, self.cluster = local, cluster
        self.scene = Scene(cluster, replace(scene.chain("shop"), driver=driver))

    @property
    def chain(self) -> Chain:
        return self.scene.chain

    def push(self, branch: str, *services: str) -> None:
        """What the branch changes from now on."""
        self.scene.forge.push(Branch(REPOSITORY, branch), [f"{one}/app.py" for one in services])

    def open(self, branch: str, *services: str) -> None:
        """A pull request, and what Laneway does of it at once."""
        self.push(branch, *services)
        self.scene.forge.open(Branch(REPOSITORY, branch), frozenset())
        self.deliver()

    def close(self, branch: str) -> None:
        self.scene.forge.close(Branch(REPOSITORY, branch), merged=True)
        self.deliver()

    def rebase(self, branch: str, base: str) -> None:
        """The branch's pull request is from now on for another one's branch."""
        self.scene.forge.edit(Branch(REPOSITORY, branch), {"base": base})
        self.deliver()

    def deliver(self) -> None:
        """What the forge has said since is recorded; nothing converges but what begins or ends."""
        for event in self.scene.forge.outbox:
            self.scene.run(queue.deliver(event.to_json(), self.chain.name, event.delivery))
        self.scene.forge.outbox.clear()

    def converge(self, lane: str) -> Outcome:
        return converge(self.chain, lane, self.scene.world)

    def pods(self, lane: str, service: str, ready: bool) -> None:
        """A copy's pod becomes ready, or ceases to be: its EndpointSlice and its Deployment say so."""
        name = f"{service}--{lane}"
        self.cluster.apply(endpoints(name, lane, service, ready), force=True)
        status = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": int(ready), "observedGeneration": 99}
        self.cluster.merge("Deployment", name, {"status": status}, NAMESPACE, "status")

    def opened(self, lane: str, *services: str) -> None:
        """A lane with copies that are ready and have their routes."""
        self.open(lane, *services)
        self.converge(lane)
        for service in services:
            self.pods(lane, service, True)
        self.converge(lane)

    def lane(self, name: str) -> Lane | None:
        return lanes.read(self.cluster, self.chain.name, name)

    def condition(self, name: str, kind: str = "Routed") -> Json:
        lane = self.lane(name)
        assert lane is not None
        return next(one for one in lane.status["conditions"] if one["type"] == kind)

    def routes(self, lane: str = "") -> dict[str, Json]:
        """The HTTPRoutes of a lane, or of all, by name."""
        selector = labels.LANE + (f"={lane}" if lane else "")
        return {one["metadata"]["name"]: one for one in self.cluster.list("HTTPRoute", NAMESPACE, selector)}


@contextmanager
def meshed(driver: Driver, *, installed: bool = True) -> Iterator[Meshed]:
    """A chain of the shop, in a cluster that serves what the driver needs, if that is installed."""
    local, cluster = localapi.connected()
    try:
        if installed:
            install(cluster, driver)
        scene.furnish(cluster)
        yield Meshed(local, cluster, driver)
    finally:
        local.close()


def install(cluster: Cluster, driver: Driver) -> None:
    """Definitions of what the driver reads and writes, which take anything."""
    known = drivers.mesh(driver)
    assert known is not None
    for one in known.requires:
        cluster.apply(definition(one.kind), force=True)


def definition(kind: str) -> Json:
    known = KINDS[kind]
    group, _, version = known.api_version.rpartition("/")
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {
        "name": version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{known.plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "plural": known.plural,
                "singular": kind.lower(),
                "listKind": f"{kind}List",
            },
            "versions": [served],
        },
    }


def users_route(name: str, parent: Json, *rules: Json, namespace: str = NAMESPACE) -> Json:
    """An HTTPRoute as a chain's owner has it."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"parentRefs": [parent], "rules": list(rules)},
    }


def to(service: str, **more: Any) -> Json:
    """A rule that leads to a service of the shop."""
    return {**more, "backendRefs": [{"name": service, "port": 8080}]}


def endpoints(name: str, lane: str, service: str, ready: bool) -> Json:
    """The EndpointSlice of a copy with one pod."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {**labels.of_copy("shop", lane, service), "kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["10.1.0.7"], "conditions": {"ready": ready}}],
    }

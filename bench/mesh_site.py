"""The chains of `bench.mesh_town` on a real cluster, and the sidecars that route requests by them.

Routes are written as the product writes them: a lane's own objects applied, shared ones replaced whole; own
ones before the shared ones that lead to them, and gone after those. They have no owner, since there is no
Lane. Everything is in namespaces of the run's own, which go with it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.envoy import TYPE, listener, open_port, static, virtual_host
from bench.mesh_town import PORT, SERVICE, Application, Town, unowned
from devcluster.dev.cluster.context import Context
from provisioner.cluster import Cluster, connect
from provisioner.lane.model import Lane
from provisioner.routing.drivers import MESHES
from tests.support import mesh
from tests.support.routing import get
from tests.support.waiting import until

Json = dict[str, Any]

HANDS = 4  # writing at once
PATIENCE = 300.0  # seconds until istiod has done with a thousand lanes, on a machine that is busy
ANSWERED_BY = "answered-by"  # the application's own header
BASELINE, COPY = "baseline", "lane-one"  # what it says; of equal length, as all answers must be


@dataclass(frozen=True)
class Site:
    """A town on the cluster, and the sidecar through which it is asked."""

    town: Town
    cluster: Cluster
    sidecar: mesh.Proxy

    def answered_by(self, lane: str) -> str:
        """Which of the applications answers a request of that lane; empty: none, or nobody listens yet."""
        sent = {"host": SERVICE, "x-preview-lane": lane}
        try:
            return get(self.sidecar.address, PORT, headers=sent)[1].get(ANSWERED_BY, "")
        except OSError:
            return ""

    def wait_for(self, lane: Lane, who: str) -> None:
        """Until a lane's requests are answered by the baseline or the copy."""
        told = f"{who} answers {lane.name}"
        until(lambda: self.answered_by(lane.name) == who, told, PATIENCE)

    def route_last(self) -> None:
        """Writes the routes of the last lane; those of the others are there."""
        made = self.town.compiled(self.town.lanes[-1:], self._theirs())
        write(self.cluster, made.own)
        self._share(made.shared)

    def unroute_last(self) -> None:
        """Takes them away."""
        lane, theirs = self.town.lanes[-1:], self._theirs()
        made = self.town.compiled(lane, theirs, is_ready=False)
        self._share(made.shared)
        remove(self.cluster, made.released)
        remove(self.cluster, self.town.compiled(lane, theirs).own)

    def _theirs(self) -> list[Json]:
        """What is there that is no lane's: the host of Laneway's, with the driver that has one."""
        if not MESHES[self.town.driver].finalizer:
            return []
        host = self.cluster.get("VirtualService", f"laneway-{SERVICE}", self.town.namespace)
        return [host] if host else []

    def _share(self, things: Iterable[Json]) -> None:
        for one in things:
            if "resourceVersion" in one["metadata"]:
                self.cluster.replace(one)
            else:
                self.cluster.create(one)


def write(cluster: Cluster, things: Iterable[Json]) -> None:
    for one in things:
        cluster.apply(unowned(one), force=True)


def remove(cluster: Cluster, things: Iterable[Json]) -> None:
    for one in things:
        cluster.delete(one["kind"], one["metadata"]["name"], one["metadata"]["namespace"])


@contextmanager
def standing(chosen: Context, place: Callable[[str], Town]) -> Iterator[Site]:
    """A town in a namespace of its own, with the routes of all of its lanes, told to its sidecar."""
    namespace = f"laneway-bench-mesh-{uuid.uuid4().hex[:6]}"
    town, cluster = place(namespace), connect(str(chosen.kubeconfig))
    chosen.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    try:
        chosen.apply(equal_answers(namespace))
        furnish(town, cluster)
        with mesh.sidecar(mesh.Place(chosen, namespace), {PORT: "HTTP"}) as sidecar:
            site = Site(town, cluster, sidecar)
            for one in (town.lanes[0], town.lanes[-1]):
                site.wait_for(one, COPY)
            yield site
    finally:
        chosen.kubectl("delete", "namespace", namespace, "--wait=false")


def furnish(town: Town, cluster: Cluster) -> None:
    """In the order of the lanes, as nearly as several at once allow: the oldest route is Envoy's first."""
    made = town.compiled(town.lanes)
    with ThreadPoolExecutor(HANDS) as hands:
        for things in (town.furniture(), map(unowned, made.own), made.shared):
            list(hands.map(cluster.create, things))


def equal_answers(namespace: str) -> Json:
    """Keeps the sidecar from saying how long each answer took: the load's client counts bytes, so all answers
    have to have the same length."""
    router = "envoy.filters.http.router"
    kind = f"{TYPE}envoy.extensions.filters.http.router.v3.Router"
    manager = {"name": "envoy.filters.network.http_connection_manager", "subFilter": {"name": router}}
    patch = {
        "applyTo": "HTTP_FILTER",
        "match": {"listener": {"filterChain": {"filter": manager}}},
        "patch": {
            "operation": "MERGE",
            "value": {"name": router, "typed_config": {"@type": kind, "suppress_envoy_headers": True}},
        },
    }
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "equal-answers", "namespace": namespace},
        "spec": {"configPatches": [patch]},
    }


@contextmanager
def answering(host: str) -> Iterator[Application]:
    """The baseline and the copy: an Envoy that answers by itself, where EndpointSlices may lead."""
    found = Application(host, *mesh.free_ports(host, 2))
    answers = {BASELINE: found.baseline, COPY: found.copy}
    listeners = [{**listener(host, port, _table(who)), "name": who} for who, port in answers.items()]
    with static(listeners, []):
        until(lambda: open_port(host, found.copy), "the application listens")
        yield found


def _table(who: str) -> Json:
    route = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200, "body": {"inline_string": "ok"}},
        "response_headers_to_add": [{"header": {"key": ANSWERED_BY, "value": who}}],
    }
    return {"virtual_hosts": [virtual_host([route])]}

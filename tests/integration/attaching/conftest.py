"""A chain's Services in a cluster whose controllers work at once: after every request all follows that would
follow within a second in a real one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from provisioner import labels
from provisioner.routing.router.attach import Work
from provisioner.routing.router.deployment import RouterSettings
from tests.support import localapi

Json = dict[str, Any]
NAMESPACE = "shop"


class Prompt:
    """`settle` does what controllers and kubelets would do."""

    def __init__(self) -> None:
        self._local, self.cluster = localapi.connected()
        self._settled = -1
        self.cluster.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, force=True
        )

    def close(self) -> None:
        self._local.close()

    @property
    def work(self) -> Work:
        return Work(self.cluster, RouterSettings("host", 1, "127.0.0.1:18000"), 5.0, settle=0.0)

    def run(self, name: str) -> None:
        """A service: a pod that is ready, and a Service that leads to it."""
        self._pod(name, {"app": name}, f"10.0.0.{len(self.cluster.list('Pod', NAMESPACE)) + 1}")
        self.cluster.create(service(name, {"app": name}))
        self.settle()

    def settle(self) -> bool:
        """Whether anything had changed since."""
        if self._local.api.store.revision == self._settled:
            return False
        self._follow()
        self._settled = self._local.api.store.revision
        return True

    def _follow(self) -> None:
        for one in self.cluster.list("Deployment", NAMESPACE):
            self._roll_out(one)
        self._end_pods()
        for one in self.cluster.list("Service", NAMESPACE):
            self._list_endpoints(one)

    def _roll_out(self, one: Json) -> None:
        pod = f"{one['metadata']['name']}-1"
        if self.cluster.get("Pod", pod, NAMESPACE) is None:
            self._pod(pod, one["spec"]["template"]["metadata"]["labels"], "10.0.1.1")
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), one["spec"]["replicas"])
        status = {**counts, "observedGeneration": one["metadata"]["generation"]}
        if one.get("status") != status:
            self.cluster.replace({**one, "status": status}, "status")

    def _end_pods(self) -> None:
        running = self.cluster.list("Deployment", NAMESPACE, labels.ROLE)
        for pod in [] if running else self.cluster.list("Pod", NAMESPACE, labels.ROLE):
            self.cluster.delete("Pod", pod["metadata"]["name"], NAMESPACE)

    def _list_endpoints(self, one: Json) -> None:
        name, selector = one["metadata"]["name"], one["spec"]["selector"]
        wanted = ",".join(f"{key}={value}" for key, value in selector.items())
        pods = self.cluster.list("Pod", NAMESPACE, wanted)
        found = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [pod["status"]["podIP"]]} for pod in pods],
            "ports": [],
        }
        self.cluster.apply(found, force=True)

    def _pod(self, name: str, marks: Json, address: str) -> None:
        container = {"name": "app", "image": "host", "ports": [{"name": "web", "containerPort": 8080}]}
        metadata = {"name": name, "namespace": NAMESPACE, "labels": marks}
        spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
        made = self.cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        self.cluster.replace({**made, "status": status}, "status")


def service(name: str, selector: Json, **spec: Any) -> Json:
    ports = [
        {"name": "http", "port": 80, "targetPort": "web"},
        {"name": "admin", "port": 81, "targetPort": 9090},
    ]
    metadata = {"name": name, "namespace": NAMESPACE, "annotations": {"team": "money"}}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"selector": selector, "ports": ports, **spec},
    }


@pytest.fixture
def prompt() -> Iterator[Prompt]:
    """One with two services, orders and payment."""
    made = Prompt()
    for name in ("orders", "payment"):
        made.run(name)
    yield made
    made.close()

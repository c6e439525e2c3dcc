"""The scene as Kubernetes objects, the way that the cluster would have made them of running pods. Pure.

The applications are processes that no kubelet started, so their Services have no selector and their
EndpointSlices are written here, with the labels that Kubernetes would have copied from the Services.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner import labels, names
from provisioner.chain.grammar import parse
from provisioner.chain.model import Chain
from tests.conformance.hops.application import Instance
from tests.conformance.scene import BASELINE, COOKIE, DOMAIN, KEY, LINK, PORTS, SERVICES, Copy, Lane

Json = dict[str, Any]
PROTOCOLS = {"http": "http", "admin": "http", "grpc": "kubernetes.io/h2c"}


@dataclass(frozen=True)
class Place:
    """Which chain, and in which namespace it lies."""

    chain: str
    namespace: str
    driver: str = "envoy"

    @property
    def text(self) -> str:
        """The chain's file."""
        services = "\n".join(
            f'  {one}: {{paths: ["{one}/**"], workload: Deployment/{one}, image: "example/{one}:{{sha}}"}}'
            for one in SERVICES
        )
        return (
            f"chain: {self.chain}\nnamespace: {self.namespace}\n"
            "repositories: [{url: 'https://example.com/acme/shop.git'}]\n"
            f"services:\n{services}\n"
            f"entry: {{service: {SERVICES[0]}, host: '{{lane}}.{DOMAIN}', cookie: {COOKIE}, link: {LINK}}}\n"
            f"routing: {{driver: {self.driver}}}\n"
            f"release: {{sticky: {'none' if self.driver == 'gateway-api' else '{}'}}}\n"
        )

    def parsed(self) -> Chain:
        return parse(self.text, "laneway.yaml")


def settings(place: Place, folder: Path, kubeconfig: Path) -> dict[str, str]:
    """The environment of a `laneway` process that knows the chain and the cluster."""
    file, keys = folder / "shop.yaml", folder / "keys"
    file.write_text(place.text)
    keys.write_text(KEY)
    return {
        "LANEWAY_CHAINS": str(file),
        "LANEWAY_KUBECONFIG": str(kubeconfig),
        "LANEWAY_LINK_KEYS_FILE": str(keys),
    }


def namespace(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def service(place: Place, one: Instance, numbers: Mapping[str, int] = PORTS) -> Json:
    """The Service that an instance is behind: the team's own, or the copy's."""
    ports = [
        {"name": name, "port": number, "targetPort": number, "appProtocol": PROTOCOLS[name]}
        for name, number in numbers.items()
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": service_name(one),
            "namespace": place.namespace,
            "labels": marks(place, one) if one.who != BASELINE else {"app": one.service},
        },
        "spec": {"ports": ports},
    }


def service_name(one: Instance) -> str:
    return one.service if one.who == BASELINE else names.derived(one.service, one.who)


def slice_name(one: Instance) -> str:
    """Each copy has one of its own: those on one machine differ by their ports."""
    return f"{service_name(one)}-{one.number or 'x'}"


def marks(place: Place, one: Instance) -> dict[str, str]:
    return {**labels.of_lane(place.chain, one.who), labels.SERVICE: one.service}


def endpoint_slice(
    place: Place, one: Instance, *, ready: bool, role: Mapping[str, str] | None = None
) -> Json:
    """`role` are labels that a baseline's Service has, and its EndpointSlices thereby."""
    of_service = marks(place, one) if one.who != BASELINE else dict(role or {})
    name = service_name(one)
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": slice_name(one),
            "namespace": place.namespace,
            "labels": {**of_service, "kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [one.address], "conditions": {"ready": ready, "serving": ready}}],
        "ports": [{"name": name, "port": number, "protocol": "TCP"} for name, number in one.ports.items()],
    }


def lane(place: Place, name: str, one: Lane) -> Json:
    spec = {"chain": place.chain, "lane": name, "members": [], "mode": one.mode, "pin": False}
    if one.parent:
        spec["parent"] = one.parent
    if one.release:
        spec["release"] = one.release
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "Lane",
        "metadata": {"name": f"{place.chain}.{name}", "labels": labels.of_lane(place.chain, name)},
        "spec": spec,
    }


def lane_status(one: Lane) -> Json:
    """What a worker says of the lane: which services are its own."""
    services = [
        {
            "name": name,
            "inLane": name in one.copies,
            "reason": "Changed" if name in one.copies else "Unchanged",
            "ready": one.copies.get(name) in (Copy.READY, Copy.CRASHED),
            "route": "lane" if one.copies.get(name) in (Copy.READY, Copy.CRASHED) else "baseline",
        }
        for name in SERVICES
    ]
    return {"phase": "Ready", "services": services}


def instances(lanes: Mapping[str, Lane]) -> Iterator[tuple[str, str, Copy]]:
    """Service, who, and what is to be seen of it: the baseline's first."""
    for name in SERVICES:
        yield name, BASELINE, Copy.READY
    for lane_name, one in lanes.items():
        for name, copy in one.copies.items():
            yield name, lane_name, copy

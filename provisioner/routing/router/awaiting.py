"""What attaching and detaching wait for, each as a question: what is missing still, in words; empty when
nothing is. Reads the cluster and changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from provisioner import labels
from provisioner.cluster import Cluster
from provisioner.errors import TemporaryError
from provisioner.routing.router import attachment, deployment

Json = dict[str, Any]
Missing = Callable[[], str]

POLL_SECONDS = 0.1


def wait(missing: Missing, seconds: float) -> None:
    """Until nothing is missing; TemporaryError that says what is, after that long."""
    deadline = time.monotonic() + seconds
    while what := missing():
        if time.monotonic() > deadline:
            raise TemporaryError(
                f"after {seconds:.0f} s: {what}; what was done stays and harms nothing: run it again",
                reason="NotReady",
            )
        time.sleep(POLL_SECONDS)


def twins_serve(cluster: Cluster, namespace: str, services: Sequence[str]) -> str:
    """Services that have an endpoint while their twins have none yet."""
    slices = cluster.list("EndpointSlice", namespace)
    behind = [
        attachment.twin_name(name)
        for name in services
        if _addresses(slices, name) and not _addresses(slices, attachment.twin_name(name))
    ]
    return f"no endpoints yet for {', '.join(behind)}" if behind else ""


def led_to_router(cluster: Cluster, chain: str, namespace: str, services: Sequence[str]) -> str:
    """Services whose endpoints are not the router's pods alone yet."""
    slices, pods = cluster.list("EndpointSlice", namespace), router_pods(cluster, chain, namespace)
    ours = _pod_addresses(pods)
    behind = [name for name in services if not (found := _addresses(slices, name)) or found - ours]
    return f"{', '.join(behind)} does not lead to the router yet" if behind else ""


def led_away(cluster: Cluster, chain: str, namespace: str, services: Sequence[str]) -> str:
    """Services of which a router's pod is an endpoint still."""
    slices, pods = cluster.list("EndpointSlice", namespace), router_pods(cluster, chain, namespace)
    ours = _pod_addresses(pods)
    behind = [name for name in services if _addresses(slices, name) & ours]
    return f"{', '.join(behind)} leads to the router still" if behind else ""


def rolled_out(cluster: Cluster, chain: str, namespace: str) -> str:
    """Why the router's Deployment is not complete; empty when every pod is new and ready."""
    name = deployment.name(chain)
    found = cluster.get("Deployment", name, namespace) or {}
    status, wanted = found.get("status", {}), found.get("spec", {}).get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= found.get("metadata", {}).get("generation", 1)
    counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas")]
    if seen and counts == [wanted] * 3:
        return ""
    why = "; ".join(_reasons(found, router_pods(cluster, chain, namespace)))
    said = f" ({why})" if why else " (kubectl describe says why)"
    return f"Deployment {namespace}/{name} has {counts[2]} of {wanted} pods ready{said}"


def _reasons(found: Json, pods: Iterable[Json]) -> Iterator[str]:
    """What the Deployment and its pods say of why they are not ready, each once."""
    said = dict.fromkeys([*_failures(found), *(one for pod in pods for one in _troubles(pod))])
    yield from said


def _failures(found: Json) -> Iterator[str]:
    for one in found.get("status", {}).get("conditions") or ():
        if one["type"] == "ReplicaFailure" and one["status"] == "True":
            yield f"{one.get('reason')}: {one.get('message')}"


def _troubles(pod: Json) -> Iterator[str]:
    status = pod.get("status", {})
    for one in status.get("conditions") or ():
        if one["type"] == "PodScheduled" and one["status"] == "False":
            yield f"{one.get('reason')}: {one.get('message')}"
    for one in status.get("containerStatuses") or ():
        waiting = (one.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            yield f"{waiting['reason']}: {waiting.get('message', '')}"
        if "running" in (one.get("state") or {}) and not one.get("ready"):
            yield (
                "it runs and waits for its configuration: does `laneway router` run, and can pods of this "
                "namespace reach it at LANEWAY_DISCOVERY_ADDRESS?"
            )


def pods_gone(cluster: Cluster, chain: str, namespace: str) -> str:
    """The router's pods that still drain."""
    pods = router_pods(cluster, chain, namespace)
    return f"{len(pods)} router pods in {namespace} still drain" if pods else ""


def router_pods(cluster: Cluster, chain: str, namespace: str) -> list[Json]:
    """The pods of a chain's router in a namespace, those that end among them."""
    return cluster.list("Pod", namespace, f"{of_router(chain)},!{labels.LANE}")


def of_router(chain: str) -> str:
    """The label selector of a chain's router and of all that it works with."""
    return ",".join(f"{key}={value}" for key, value in deployment.marks(chain).items())


def _pod_addresses(pods: Iterable[Json]) -> set[str]:
    return {one["ip"] for pod in pods for one in pod.get("status", {}).get("podIPs") or ()}


def _addresses(slices: Iterable[Json], service: str) -> set[str]:
    """The addresses of a Service that take traffic."""
    return {
        address
        for one in slices
        if (one["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == service
        for endpoint in one.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready", True)
        for address in endpoint["addresses"]
    }

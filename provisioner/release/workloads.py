"""The baseline's workloads, as a release sees them and as it gives them an image: a table by kind. Pure.

What is read is raw JSON as the cluster gave it. What is written is a merge patch that changes one image, and
only in the object that was read: it names that object's resourceVersion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from provisioner.chain.model import Service
from provisioner.copies import template
from provisioner.errors import RefusedError
from provisioner.release import rollout
from provisioner.release.found import Found, Patch
from provisioner.release.observed import Workload
from provisioner.status import readiness
from provisioner.status.readiness import Clock

Json = dict[str, Any]


@dataclass(frozen=True)
class Manner:
    """How a kind of workload is read, and how it gets an image. `refusal`: why it cannot be released at all.
    `urge`: what has to be written besides, so that it gets on to that image, None while there is nothing."""

    read: Callable[[Service, Found, Clock], Workload]
    patch: Callable[[Service, Found, str], Patch]
    refusal: Callable[[Service, Found], str]
    urge: Callable[[Service, Found], Patch | None] = lambda service, found: None


def read(service: Service, found: Found, clock: Clock) -> Workload:
    """The baseline of a service. Raises RefusedError where its container is not there."""
    return MANNERS[service.workload.kind].read(service, found, clock)


def patch(service: Service, found: Found, image: str) -> Patch:
    """What gives the service's container an image, if the workload still is as it was read."""
    return MANNERS[service.workload.kind].patch(service, found, image)


def urge(service: Service, found: Found) -> Patch | None:
    """What else has to be written of a workload that has its image and is not settled; None: nothing."""
    return MANNERS[service.workload.kind].urge(service, found)


def refusal(service: Service, found: Found) -> str:
    """Why a workload cannot be released at all; empty where it can."""
    return MANNERS[service.workload.kind].refusal(service, found)


def _read(service: Service, found: Found, clock: Clock) -> Workload:
    one = found.workload
    reading = readiness.read(one, found.pods, clock)
    least, most = found.bounds
    return Workload(
        revision=template.revision(service, one),
        image=template.image(service, one),
        replicas=one["spec"].get("replicas", 1),
        settled=readiness.is_ready(one) and _is_available(one),
        most=most,
        least=least,
        trouble=f"{reading.state}: {reading.message}" if reading.stuck else "",
        held=_held(one),
    )


def _is_available(workload: Json) -> bool:
    """Whether its pods have been ready for as long as it asks (minReadySeconds)."""
    wanted = workload["spec"].get("replicas", 1)
    return bool(int((workload.get("status") or {}).get("availableReplicas") or 0) >= wanted)


def _held(workload: Json) -> str:
    """What of it keeps a new image from its pods."""
    spec = workload["spec"]
    strategy = spec.get("updateStrategy") or {}
    if "deletionTimestamp" in workload["metadata"]:
        return "it is being deleted"
    if spec.get("paused"):
        return "its roll-outs are paused (spec.paused)"
    if strategy.get("type") == "OnDelete":
        return "it replaces its pods only when somebody deletes them (updateStrategy OnDelete)"
    if (strategy.get("rollingUpdate") or {}).get("partition"):
        return "it holds back some of its pods (updateStrategy.rollingUpdate.partition)"
    return ""


def _patch(service: Service, found: Found, image: str) -> Patch:
    one = found.workload
    metadata = one["metadata"]
    spec = {"containers": template.containers(service, one, image)}
    body = {
        "metadata": {"resourceVersion": metadata["resourceVersion"]},
        "spec": {"template": {"spec": spec}},
    }
    return Patch(one["kind"], metadata["namespace"], metadata["name"], body)


def _refusal(service: Service, found: Found) -> str:
    try:
        template.image(service, found.workload)
    except RefusedError as error:
        return str(error)
    return ""


MANNERS: Mapping[str, Manner] = {
    "Deployment": Manner(_read, _patch, _refusal),
    "StatefulSet": Manner(_read, _patch, _refusal),
    "Rollout": Manner(rollout.read, rollout.patch, rollout.refusal, rollout.urge),
}

"""Reads the baseline of the services that are released, and gives it images.

One request for each workload, one for the autoscalers of each namespace, and one for a workload's pods while
they are not all ready. What is written is what `workloads` says, conditional on what was read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from provisioner import labels
from provisioner.chain.model import Service
from provisioner.cluster import Cluster
from provisioner.copies import rollouts
from provisioner.release import workloads
from provisioner.release.found import Found, Patch
from provisioner.release.observed import Patch as Wanted
from provisioner.release.workloads import MANNERS
from provisioner.status import readiness
from provisioner.status.readiness import Clock

Json = dict[str, Any]

AUTOSCALER = "HorizontalPodAutoscaler"
_ANY_TIME = Clock(datetime.min.replace(tzinfo=UTC), timedelta(0))  # an image does not depend on it

log = structlog.get_logger()


def read(services: Iterable[Service], cluster: Cluster) -> dict[str, Found]:
    """What the cluster holds for each service; one whose workload is not there is missing."""
    known: dict[str, list[Json]] = {}
    found = {}
    for service in services:
        namespace = service.namespace
        workload = _get(service.workload.kind, service.workload.name, namespace, cluster)
        if workload is None:
            continue
        if namespace not in known:
            known[namespace] = autoscalers(namespace, cluster)
        found[service.name] = Found(
            workload,
            pods=_pods(workload, cluster),
            autoscaler=scaling(workload, known[namespace]),
            template=_template(workload, cluster),
        )
    return found


def autoscalers(namespace: str, cluster: Cluster) -> list[Json]:
    """Those of the baseline."""
    return cluster.list(AUTOSCALER, namespace, f"!{labels.LANE}")


def scaling(workload: Json, known: Iterable[Json]) -> Json | None:
    """The autoscaler that sets a workload's replicas."""
    wanted = workload["kind"], workload["metadata"]["name"]
    for one in known:
        target = one["spec"]["scaleTargetRef"]
        if (target.get("kind"), target.get("name")) == wanted:
            return one
    return None


@dataclass(frozen=True)
class Order:
    """What is to be written of one service's baseline, which was read as `found`."""

    service: Service
    found: Found
    wanted: Wanted


def rehearse(order: Order, cluster: Cluster) -> None:
    """Tries it without effect. Raises as `carry_out` does."""
    for patch in _patches(order):
        cluster.rehearse_merge(patch.kind, patch.name, patch.body, patch.namespace)


def carry_out(order: Order, cluster: Cluster) -> None:
    """Gives the service's container its image, and its autoscaler its bound. ConflictError when either was
    written meanwhile, PermanentError when the cluster refuses it."""
    for patch in _patches(order):
        _write(patch, cluster)
        log.info("baseline.written", service=order.service.name, kind=patch.kind, name=patch.name)


def _patches(order: Order) -> list[Patch]:
    """The bound first: the workload's replicas are there before it rolls out."""
    found, least = order.found, order.wanted.least
    patches = [] if least is None or found.autoscaler is None else [_bound(found.autoscaler, least)]
    if not _has_image(order):
        patches.append(workloads.patch(order.service, found, order.wanted.image))
    return patches


def _has_image(order: Order) -> bool:
    now = workloads.read(order.service, order.found, _ANY_TIME)
    return now.image == order.wanted.image


def _bound(scaler: Json, least: int) -> Patch:
    metadata = scaler["metadata"]
    body = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "spec": {"minReplicas": least}}
    return Patch(AUTOSCALER, metadata["namespace"], metadata["name"], body)


def urge(service: Service, found: Found, cluster: Cluster) -> None:
    """Writes what else brings a workload on to the image that it has."""
    if (patch := workloads.urge(service, found)) is not None:
        _write(patch, cluster)
        log.info("baseline.urged", service=service.name, workload=str(service.workload))


def _write(patch: Patch, cluster: Cluster) -> None:
    cluster.merge(patch.kind, patch.name, patch.body, patch.namespace, patch.subresource)


def _get(kind: str, name: str, namespace: str, cluster: Cluster) -> Json | None:
    return cluster.get(kind, name, namespace) if kind in MANNERS else None


def _template(workload: Json, cluster: Cluster) -> Json | None:
    """The object that holds a workload's pod template, where that is another one."""
    kind, name = rollouts.reference(workload)
    return cluster.get(kind, name, workload["metadata"]["namespace"]) if kind == "Deployment" else None


def _pods(workload: Json, cluster: Cluster) -> list[Json]:
    """The pods of a workload that is not as it should be, to say why."""
    selector = workload["spec"].get("selector")
    if selector is None or readiness.is_ready(workload):
        return []
    return cluster.list("Pod", workload["metadata"]["namespace"], _text(selector))


def _text(selector: Json) -> str:
    """A selector as a query has it."""
    equal = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    return ",".join([*equal, *(_term(one) for one in selector.get("matchExpressions") or ())])


def _term(one: Json) -> str:
    key, values = one["key"], ",".join(one.get("values") or ())
    match one["operator"]:
        case "Exists":
            return str(key)
        case "DoesNotExist":
            return f"!{key}"
        case operator:
            return f"{key} {operator.lower()} ({values})"

"""Reads the baseline of the services that are released, and gives it images.

One request for each workload, one for the autoscalers of each namespace, and one for a workload's pods while
they are not all ready. What is written is what `workloads` says, conditional on what was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import structlog

from provisioner import labels
from provisioner.chain.model import Service
from provisioner.cluster import Cluster
from provisioner.copies import rollouts
from provisioner.release import workloads
from provisioner.release.found import Found, Patch
from provisioner.release.workloads import MANNERS
from provisioner.status import readiness

Json = dict[str, Any]

AUTOSCALER = "HorizontalPodAutoscaler"

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


def give(service: Service, found: Found, image: str, cluster: Cluster) -> None:
    """Gives the service's container an image. ConflictError when the workload was written meanwhile."""
    _write(workloads.patch(service, found, image), cluster)
    log.info("baseline.written", service=service.name, workload=str(service.workload), image=image)


def urge(services: Mapping[str, Service], found: Mapping[str, Found], cluster: Cluster) -> None:
    """Writes what else brings workloads on to the image that they have."""
    for name, one in found.items():
        if (patch := workloads.urge(services[name], one)) is not None:
            _write(patch, cluster)
            log.info("baseline.urged", service=name, workload=str(services[name].workload))


def bound(found: Found, least: int, cluster: Cluster) -> None:
    """Gives a workload's autoscaler a lower bound. ConflictError when that was written meanwhile."""
    scaler = found.autoscaler
    if scaler is None or scaler["spec"].get("minReplicas", 1) == least:
        return
    metadata = scaler["metadata"]
    body = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "spec": {"minReplicas": least}}
    _write(Patch(AUTOSCALER, metadata["namespace"], metadata["name"], body), cluster)
    log.info("baseline.bounded", autoscaler=metadata["name"], least=least)


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

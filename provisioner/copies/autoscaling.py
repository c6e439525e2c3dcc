"""The autoscaler of a copy, where a release's lane takes the baseline's load. Pure.

It is the baseline's with other bounds: never fewer pods than the release wants of the copy, so that a share
is never raised before its pods are there, and as many as the baseline's may make. What it has made of the
copy is left as it is; Laneway only lifts the number to that lower bound, which the autoscaler would do itself
some seconds later.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from provisioner import names
from provisioner.chain.model import Service
from provisioner.copies import clone
from provisioner.copies.clone import Order

Json = dict[str, Any]

KIND = "HorizontalPodAutoscaler"
API_VERSION = "autoscaling/v2"
MAX_NAME = 63


def of(service: Service, known: Iterable[Json]) -> Json | None:
    """The autoscaler that sets the replicas of a service's workload."""
    wanted = service.workload.kind, service.workload.name
    for one in known:
        target = one["spec"]["scaleTargetRef"]
        if one["metadata"]["namespace"] == service.namespace and wanted == (target["kind"], target["name"]):
            return one
    return None


def copy(order: Order, scaler: Json, workload: Json) -> Json:
    """The autoscaler of a copy whose workload is given."""
    name = names.derived(scaler["metadata"]["name"], order.lane.name, MAX_NAME)
    spec: Json = deepcopy(scaler["spec"])
    spec |= {
        "scaleTargetRef": {
            "apiVersion": workload["apiVersion"],
            "kind": workload["kind"],
            "name": workload["metadata"]["name"],
        },
        "minReplicas": order.replicas,
        "maxReplicas": max(order.replicas, scaler["spec"]["maxReplicas"]),
    }
    metadata = clone.metadata(order, name, order.labels, {})
    return clone.sealed({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec})


def scaled(workload: Json, there: Json | None) -> Json:
    """The copy's workload with the number of pods that its autoscaler has made of it, if that is larger. The
    hash does not know that number, so that a change of it is no reason to write."""
    now = 0 if there is None else int(there["spec"].get("replicas", 1))
    replicas = max(workload["spec"]["replicas"], now)
    return {**workload, "spec": {**workload["spec"], "replicas": replicas}}

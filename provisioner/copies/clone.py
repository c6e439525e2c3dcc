"""A service's copy in a lane: the live baseline workload plus the branch's image. Pure.

What changes in a copy; everything else stays as it is:

    name            derived from the baseline's and the lane's; at most 52 characters for a StatefulSet, which
                    gets no pod otherwise
    metadata        only labels and annotations are taken over, without the marks by which Helm, Argo CD, Flux
                    and kubectl know their own objects
    labels          each that a selector of the namespace reads gets a new value; Laneway's own are added
    owner           the Lane: deleting it deletes the copy. It blocks a deletion of the Lane in the
                    foreground: `kubectl delete lane --cascade=foreground` returns when the pods are gone
    selector        the copy's own labels
    replicas        1, or none while the lane sleeps; of a release's lane what the release wants, or what the
                    copy's autoscaler made of it (see `autoscaling`)
    image           of the service's container only
    environment     LANEWAY_LANE in every container, also of init, first, so that the others can refer to it
    hostPort        left out: the baseline has it
    affinity        rules about the pod's own kind name the copy's (see `placement`)
    held roll-outs  `paused`, a partition and OnDelete are left out: a push must reach the copy
    Rollout         the copy is a Deployment, and knows nothing of steps, analyses and hashes (see `rollouts`)
    StatefulSet     its governing Service is the copy's; claims made for it go with it, and outlast a scale to
                    zero; Parallel, since one pod has no order, and OrderedReady never replaces a pod that
                    does not get ready

A copy that does not follow its baseline (`lifecycle.follow: false`, or a release's) notes on itself the
baseline that it was derived from, and is derived from that again: so a push and a change by hand are seen to
as ever.

The copy's Service has the ports of the baseline's and the pods of the copy alone. It is headless, except
where a mesh routes to it: to a sidecar of Istio a headless Service is an address to pass on, no destination.

Input is raw JSON as the cluster gave it and is not changed; typed models would drop what they do not know.
"""

from __future__ import annotations

import hashlib
import json
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from provisioner import labels, names
from provisioner.chain.model import Service
from provisioner.copies import placement, refusals, rollouts, selection
from provisioner.lane.model import Lane

Json = dict[str, Any]

MAX_NAME = {"StatefulSet": 52}
MAX_SERVICE_NAME = 63

_MARKS = (
    "meta.helm.sh/",
    "helm.sh/",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "deployment.kubernetes.io/",
    rollouts.GROUP,
    "argo-rollouts.argoproj.io/",
    f"{labels.GROUP}/",
)
_MARK_KEYS = frozenset(
    ("kubectl.kubernetes.io/last-applied-configuration", "pod-template-hash", rollouts.HASH)
)
# Argo CD's default tracking label. On an object it means "mine, prune it"; on a pod it is an ordinary label.
_TRACKING_LABEL = "app.kubernetes.io/instance"
_PORT_FIELDS = ("name", "port", "targetPort", "protocol", "appProtocol")


@dataclass(frozen=True)
class Order:
    """Which copy is wanted. `image` None: the one that its baseline has."""

    lane: Lane  # with its uid: the copy is owned by it
    service: Service
    image: str | None
    follows: bool = True  # the baseline's changes
    replicas: int = 1  # 0: it sleeps
    headless: bool = True  # its Service
    revision: str = ""  # of the baseline, if it does not follow: one of another is derived anew

    @property
    def labels(self) -> dict[str, str]:
        return labels.of_copy(self.lane.chain, self.lane.name, self.service.name)

    @property
    def identity(self) -> dict[str, str]:
        """What selects this copy's pods and no others."""
        return {key: value for key, value in self.labels.items() if key != labels.MANAGED_BY}

    @property
    def workload_name(self) -> str:
        kind = self.service.workload.kind
        return names.derived(self.service.workload.name, self.lane.name, MAX_NAME.get(kind, MAX_SERVICE_NAME))

    @property
    def service_name(self) -> str:
        return names.derived(self.service.name, self.lane.name, MAX_SERVICE_NAME)


@dataclass(frozen=True)
class Baseline:
    """What the cluster holds for the service, and every selector of its namespace."""

    workload: Json
    service: Json | None  # None: the workload is reached by no Service, and copied all the same
    selectors: tuple[selection.Selector, ...] = ()

    @property
    def pod_labels(self) -> dict[str, str]:
        return dict(self.workload["spec"]["template"]["metadata"].get("labels") or {})


def make(order: Order, baseline: Baseline) -> tuple[Json, ...]:
    """The objects of one copy, ready to be applied, in the order of application: its Service, its workload.

    Raises RefusedError when the container is unknown, or when a selector cannot be escaped.
    """
    service = () if baseline.service is None else (sealed(_service(order, baseline.service)),)
    return (*service, sealed(_workload(order, baseline), _revision(baseline.workload)))


def derived_from(thing: Json) -> Json | None:
    """The baseline workload that a copy notes, or None where it notes none. ValueError where somebody has
    changed the note."""
    text = (thing["metadata"].get("annotations") or {}).get(labels.DERIVED_FROM)
    found = None if text is None else json.loads(text)
    if found is not None and not (isinstance(found, dict) and {"kind", "metadata", "spec"} <= found.keys()):
        raise ValueError("no workload")
    return found


def spec_hash(thing: Json) -> str:
    """The hash of an object as it is wanted. Laneway's annotations are not part of it: a baseline that only
    scaled has a new revision, but the same copy."""
    bare = deepcopy(thing)
    annotations = bare["metadata"].get("annotations") or {}
    bare["metadata"]["annotations"] = {
        key: value
        for key, value in annotations.items()
        if key not in (labels.SPEC_HASH, labels.BASELINE_REVISION)
    }
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def sealed(thing: Json, annotations: Json | None = None) -> Json:
    """The object with its hash, and what else is noted on it. The hash does not know what is noted."""
    noted = {**(thing["metadata"].get("annotations") or {}), **(annotations or {})}
    noted[labels.SPEC_HASH] = spec_hash(thing)
    return {**thing, "metadata": {**thing["metadata"], "annotations": noted}}


def _revision(workload: Json) -> Json:
    return {labels.BASELINE_REVISION: str(workload["metadata"].get("generation", 0))}


def _service(order: Order, baseline: Json) -> Json:
    ports = selection.original_spec(baseline).get("ports") or ()
    address = {"clusterIP": "None"} if order.headless else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(order, order.service_name, order.labels, {}),
        "spec": {
            **address,
            "ports": [{field: port[field] for field in _PORT_FIELDS if field in port} for port in ports],
            "selector": order.identity,
        },
    }


def _workload(order: Order, baseline: Baseline) -> Json:
    live = baseline.workload
    pod_labels = _pod_labels(order, baseline)
    given = live["metadata"]
    own = {key: value for key, value in (given.get("labels") or {}).items() if key != _TRACKING_LABEL}
    object_labels = selection.relabel(_unmarked(own), order.labels, baseline.selectors, order.lane.name)
    made = metadata(order, order.workload_name, object_labels, given.get("annotations") or {})
    if not order.follows:
        made["annotations"][labels.DERIVED_FROM] = _note(live)
    return {
        "apiVersion": live["apiVersion"],
        "kind": live["kind"],
        "metadata": made,
        "spec": _spec(order, baseline, pod_labels),
    }


def _note(workload: Json) -> str:
    """As much of a baseline workload as a copy is derived from."""
    metadata = {
        key: workload["metadata"][key]
        for key in ("name", "namespace", "generation", "labels")
        if key in workload["metadata"]
    }
    metadata["annotations"] = _unmarked(workload["metadata"].get("annotations") or {})
    bare = {**{key: workload[key] for key in ("apiVersion", "kind", "spec")}, "metadata": metadata}
    return json.dumps(bare, sort_keys=True, separators=(",", ":"))


def _pod_labels(order: Order, baseline: Baseline) -> dict[str, str]:
    """The labels of the copy's pods, which no selector of the namespace takes."""
    found = selection.relabel(
        _unmarked(baseline.pod_labels), order.labels, baseline.selectors, order.lane.name
    )
    refusals.unescaped(order.service, selection.selecting(baseline.selectors, found))
    return found


def metadata(order: Order, name: str, own_labels: Json, annotations: Json) -> Json:
    """The metadata of an object in the service's namespace that a copy's lane owns."""
    return {
        "name": name,
        "namespace": order.service.namespace,
        "labels": dict(own_labels),
        "annotations": _unmarked(annotations),
        "ownerReferences": [_owner(order.lane)],
    }


def _owner(lane: Lane) -> Json:
    """No `blockOwnerDeletion`: where OwnerReferencesPermissionEnforcement is on (OpenShift), it takes a right
    more, and all that it gives is that a foreground deletion of the Lane waits for the copies."""
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "Lane",
        "name": lane.object_name,
        "uid": lane.uid,
        "controller": True,
    }


def _unmarked(marks: Json) -> Json:
    """Labels or annotations without those by which other tools know their own objects."""
    return {
        key: value for key, value in marks.items() if key not in _MARK_KEYS and not key.startswith(_MARKS)
    }


def _spec(order: Order, baseline: Baseline, pod_labels: dict[str, str]) -> Json:
    spec: Json = deepcopy(baseline.workload["spec"])
    spec.pop("paused", None)
    change = placement.Relabelled(order.service.namespace, baseline.pod_labels, pod_labels, order.identity)
    spec |= {
        "replicas": order.replicas,
        "selector": {"matchLabels": order.identity},
        "template": _template(order, spec["template"], change),
    }
    return _stateful(order, spec) if baseline.workload["kind"] == "StatefulSet" else spec


def _template(order: Order, template: Json, change: placement.Relabelled) -> Json:
    metadata = {key: value for key, value in template["metadata"].items() if key != "creationTimestamp"}
    metadata["labels"] = dict(change.after)
    if "annotations" in metadata:
        metadata["annotations"] = _unmarked(metadata["annotations"] or {})
    pod = placement.rewritten(template["spec"], change)
    return {**template, "metadata": metadata, "spec": _pod(order, pod)}


def _pod(order: Order, pod: Json) -> Json:
    target = refusals.container(order.service, pod)
    for one in (*(pod.get("initContainers") or ()), *pod["containers"]):
        _free_host_ports(one)
        one["env"] = _environment(one.get("env") or [], order.lane.name)
    for one in pod["containers"]:
        if one["name"] == target and order.image is not None:
            one["image"] = order.image
    return pod


def _free_host_ports(container: Json) -> None:
    for port in container.get("ports") or ():
        port.pop("hostPort", None)
        port.pop("hostIP", None)


def _environment(env: list[Json], lane: str) -> list[Json]:
    """The variables with LANEWAY_LANE in its place if the baseline has one, else first."""
    own = {"name": labels.LANE_ENV, "value": lane}
    if any(one["name"] == labels.LANE_ENV for one in env):
        return [own if one["name"] == labels.LANE_ENV else one for one in env]
    return [own, *env]


def _stateful(order: Order, spec: Json) -> Json:
    spec |= {
        "serviceName": order.service_name,
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "RollingUpdate"},
    }
    if spec.get("volumeClaimTemplates"):
        spec["volumeClaimTemplates"] = [_claim(one) for one in spec["volumeClaimTemplates"]]
        spec["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": "Delete", "whenScaled": "Retain"}
    return spec


def _claim(template: Json) -> Json:
    """A claim template without what the server adds to it."""
    metadata = {key: value for key, value in template["metadata"].items() if key != "creationTimestamp"}
    return {key: value for key, value in template.items() if key != "status"} | {"metadata": metadata}

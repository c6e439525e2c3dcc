"""What the API server fills in where a manifest is silent."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from devcluster import defaults_pods
from devcluster.defaults_pods import fill_in
from devcluster.schema import Node

Object = dict[str, Any]


def from_schema(value: Any, node: Node) -> None:
    """Fill in, in place, the defaults that the type itself declares."""
    if isinstance(value, dict):
        for name, child in node.properties.items():
            if name not in value and child.default is not None:
                value[name] = _fresh(child.default)
            if name in value:
                from_schema(value[name], child)
        if node.additional is not None:
            for name in value.keys() - node.properties.keys():
                from_schema(value[name], node.additional)
    elif isinstance(value, list) and node.items is not None:
        for item in value:
            from_schema(item, node.items)


def _fresh(value: Any) -> Any:
    """A copy, so that objects never share the default itself."""
    if isinstance(value, dict):
        return {key: _fresh(child) for key, child in value.items()}
    return [_fresh(child) for child in value] if isinstance(value, list) else value


def fill(resource: str, obj: Object) -> None:
    """Fill in, in place, what depends on more than the type of one field."""
    if filler := FILLERS.get(resource):
        filler(obj)


def _template(obj: Object) -> Object:
    """Fill in the pod template of a workload: its spec."""
    spec: Object = obj.setdefault("spec", {})
    template = spec.get("template")
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        defaults_pods.pod_spec(template.setdefault("spec", {}))
    return spec


# workloads


def _deployment(obj: Object) -> None:
    spec = _template(obj)
    fill_in(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
    strategy = spec["strategy"]
    fill_in(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill_in(strategy, rollingUpdate={})
        fill_in(strategy["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")


def _replica_set(obj: Object) -> None:
    fill_in(_template(obj), replicas=1)


def _stateful_set(obj: Object) -> None:
    spec = _template(obj)
    fill_in(spec, replicas=1, revisionHistoryLimit=10, podManagementPolicy="OrderedReady", updateStrategy={})
    fill_in(spec, persistentVolumeClaimRetentionPolicy={"whenDeleted": "Retain", "whenScaled": "Retain"})
    fill_in(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        fill_in(spec["updateStrategy"], rollingUpdate={})
        fill_in(spec["updateStrategy"]["rollingUpdate"], partition=0)
    for claim in spec.get("volumeClaimTemplates") or ():
        fill_in(claim, apiVersion="v1", kind="PersistentVolumeClaim", status={"phase": "Pending"})
        fill_in(claim.setdefault("spec", {}), volumeMode="Filesystem")


def _daemon_set(obj: Object) -> None:
    spec = _template(obj)
    fill_in(spec, revisionHistoryLimit=10, updateStrategy={})
    fill_in(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        fill_in(spec["updateStrategy"], rollingUpdate={})
        fill_in(spec["updateStrategy"]["rollingUpdate"], maxUnavailable=1, maxSurge=0)


def _job(obj: Object) -> None:
    spec = _template(obj)
    fill_in(
        spec,
        parallelism=1,
        completions=1,
        backoffLimit=6,
        completionMode="NonIndexed",
        suspend=False,
        manualSelector=False,
    )
    fill_in(spec, podReplacementPolicy="TerminatingOrFailed")
    if not spec["manualSelector"] and isinstance(spec.get("template"), dict):
        uid = obj["metadata"].get("uid", "")
        own = {
            "batch.kubernetes.io/controller-uid": uid,
            "batch.kubernetes.io/job-name": obj["metadata"].get("name", ""),
        }
        fill_in(spec, selector={"matchLabels": {"batch.kubernetes.io/controller-uid": uid}})
        labels = spec["template"]["metadata"].setdefault("labels", {})
        for key, value in own.items():
            labels.setdefault(key, value)


def _cron_job(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    fill_in(
        spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1
    )
    _template(spec.get("jobTemplate") or {"spec": {}})


def _disruption_budget(obj: Object) -> None:
    obj.setdefault("spec", {})


def _autoscaler(obj: Object) -> None:
    fill_in(obj.setdefault("spec", {}), minReplicas=1)


# the rest


def _service(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    fill_in(spec, type="ClusterIP", sessionAffinity="None")
    for port in spec.get("ports") or ():
        fill_in(port, protocol="TCP")
        if spec["type"] != "ExternalName" and "port" in port:
            fill_in(port, targetPort=port["port"])
    if spec["type"] != "ExternalName":
        fill_in(spec, internalTrafficPolicy="Cluster", ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        fill_in(spec, externalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        fill_in(spec, allocateLoadBalancerNodePorts=True)
    if spec["sessionAffinity"] == "ClientIP":
        fill_in(spec, sessionAffinityConfig={"clientIP": {"timeoutSeconds": 10800}})


def _namespace(obj: Object) -> None:
    name = obj["metadata"].get("name", "")
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name
    obj["spec"] = {"finalizers": ["kubernetes"]} if not obj.get("spec") else obj["spec"]
    fill_in(obj.setdefault("status", {}), phase="Active")


def _secret(obj: Object) -> None:
    fill_in(obj, type="Opaque")
    for key, text in (obj.pop("stringData", None) or {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()


def _claim(obj: Object) -> None:
    fill_in(obj.setdefault("spec", {}), volumeMode="Filesystem")
    fill_in(obj.setdefault("status", {}), phase="Pending")


def _network_policy(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    fill_in(spec, policyTypes=["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    for rule in [*(spec.get("ingress") or ()), *(spec.get("egress") or ())]:
        for port in rule.get("ports") or ():
            fill_in(port, protocol="TCP")


def _binding(obj: Object) -> None:
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            fill_in(subject, apiGroup="rbac.authorization.k8s.io")
    if isinstance(obj.get("roleRef"), dict):
        fill_in(obj["roleRef"], apiGroup="rbac.authorization.k8s.io")


def _slice(obj: Object) -> None:
    for port in obj.get("ports") or ():
        fill_in(port, name="", protocol="TCP")


FILLERS: dict[str, Callable[[Object], None]] = {
    "pods": defaults_pods.pod,
    "services": _service,
    "namespaces": _namespace,
    "secrets": _secret,
    "persistentvolumeclaims": _claim,
    "deployments.apps": _deployment,
    "replicasets.apps": _replica_set,
    "statefulsets.apps": _stateful_set,
    "daemonsets.apps": _daemon_set,
    "jobs.batch": _job,
    "cronjobs.batch": _cron_job,
    "poddisruptionbudgets.policy": _disruption_budget,
    "horizontalpodautoscalers.autoscaling": _autoscaler,
    "networkpolicies.networking.k8s.io": _network_policy,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
    "endpointslices.discovery.k8s.io": _slice,
}

"""What the API server fills in where a manifest is silent."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

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


def _set(target: Object, **values: Any) -> None:
    for key, value in values.items():
        if target.get(key) is None:
            target[key] = value


# pods


def pod_spec(spec: Object) -> None:
    _set(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    if spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind) or ():
            _container(container, host_network=bool(spec.get("hostNetwork")))
    for volume in spec.get("volumes") or ():
        _volume(volume)


def _container(container: Object, *, host_network: bool) -> None:
    image = container.get("image") or ""
    floating = ":" not in image.rpartition("/")[2] or image.endswith(":latest")
    _set(
        container,
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="Always" if floating and "@" not in image else "IfNotPresent",
        resources={},
    )
    for port in container.get("ports") or ():
        _set(port, protocol="TCP")
        if host_network and "containerPort" in port:
            _set(port, hostPort=port["containerPort"])
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(name), dict):
            _probe(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict):
            _http_get(hook)
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            _set(reference, apiVersion="v1")
    _resources(container["resources"])


def _resources(resources: Object) -> None:
    """A limit without a request is also the request."""
    for name, amount in (resources.get("limits") or {}).items():
        resources.setdefault("requests", {}).setdefault(name, amount)


def _probe(probe: Object) -> None:
    _set(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    _http_get(probe)
    if isinstance(probe.get("grpc"), dict):
        _set(probe["grpc"], service="")


def _http_get(action: Object) -> None:
    if isinstance(action.get("httpGet"), dict):
        _set(action["httpGet"], path="/", scheme="HTTP")


def _volume(volume: Object) -> None:
    for kind in ("configMap", "secret", "downwardAPI", "projected"):
        if isinstance(volume.get(kind), dict):
            _set(volume[kind], defaultMode=420)
    for source in (volume.get("projected") or {}).get("sources") or ():
        if isinstance(source.get("serviceAccountToken"), dict):
            _set(source["serviceAccountToken"], expirationSeconds=3600)
    items = (volume.get("downwardAPI") or {}).get("items") or ()
    for item in items:
        if isinstance(item.get("fieldRef"), dict):
            _set(item["fieldRef"], apiVersion="v1")
    if isinstance(volume.get("hostPath"), dict):
        _set(volume["hostPath"], type="")
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}


def _pod(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    pod_spec(spec)
    _set(spec, serviceAccountName="default", serviceAccount="default", enableServiceLinks=True, priority=0)
    _set(spec, preemptionPolicy="PreemptLowerPriority", tolerations=_tolerations())
    _set(obj.setdefault("status", {}), phase="Pending", qosClass=_quality(spec))


def _quality(spec: Object) -> str:
    """The quality-of-service class that a pod's resources give it."""
    resources = [container["resources"] for container in spec.get("containers") or ()]
    if not any(found.get("limits") or found.get("requests") for found in resources):
        return "BestEffort"
    for found in resources:
        limits, requests = found.get("limits") or {}, found.get("requests") or {}
        if not {"cpu", "memory"} <= set(limits) or any(requests.get(name) != limits[name] for name in limits):
            return "Burstable"
    return "Guaranteed"


def _tolerations() -> list[Object]:
    keys = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    return [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300} for key in keys
    ]


def _template(obj: Object) -> Object:
    """Fill in the pod template of a workload: its spec."""
    spec: Object = obj.setdefault("spec", {})
    template = spec.get("template")
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        pod_spec(template.setdefault("spec", {}))
    return spec


# workloads


def _deployment(obj: Object) -> None:
    spec = _template(obj)
    _set(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
    strategy = spec["strategy"]
    _set(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(strategy, rollingUpdate={})
        _set(strategy["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")


def _replica_set(obj: Object) -> None:
    _set(_template(obj), replicas=1)


def _stateful_set(obj: Object) -> None:
    spec = _template(obj)
    _set(spec, replicas=1, revisionHistoryLimit=10, podManagementPolicy="OrderedReady", updateStrategy={})
    _set(spec, persistentVolumeClaimRetentionPolicy={"whenDeleted": "Retain", "whenScaled": "Retain"})
    _set(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _set(spec["updateStrategy"], rollingUpdate={})
        _set(spec["updateStrategy"]["rollingUpdate"], partition=0)
    for claim in spec.get("volumeClaimTemplates") or ():
        _set(claim, apiVersion="v1", kind="PersistentVolumeClaim", status={"phase": "Pending"})
        _set(claim.setdefault("spec", {}), volumeMode="Filesystem")


def _daemon_set(obj: Object) -> None:
    spec = _template(obj)
    _set(spec, revisionHistoryLimit=10, updateStrategy={})
    _set(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _set(spec["updateStrategy"], rollingUpdate={})
        _set(spec["updateStrategy"]["rollingUpdate"], maxUnavailable=1, maxSurge=0)


def _job(obj: Object) -> None:
    spec = _template(obj)
    _set(
        spec,
        parallelism=1,
        completions=1,
        backoffLimit=6,
        completionMode="NonIndexed",
        suspend=False,
        manualSelector=False,
    )
    _set(spec, podReplacementPolicy="TerminatingOrFailed")
    if not spec["manualSelector"] and isinstance(spec.get("template"), dict):
        uid = obj["metadata"].get("uid", "")
        own = {
            "batch.kubernetes.io/controller-uid": uid,
            "batch.kubernetes.io/job-name": obj["metadata"].get("name", ""),
        }
        _set(spec, selector={"matchLabels": {"batch.kubernetes.io/controller-uid": uid}})
        labels = spec["template"]["metadata"].setdefault("labels", {})
        for key, value in own.items():
            labels.setdefault(key, value)


def _cron_job(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _set(
        spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1
    )
    _template(spec.get("jobTemplate") or {"spec": {}})


def _disruption_budget(obj: Object) -> None:
    obj.setdefault("spec", {})


def _autoscaler(obj: Object) -> None:
    _set(obj.setdefault("spec", {}), minReplicas=1)


# the rest


def _service(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _set(spec, type="ClusterIP", sessionAffinity="None")
    for port in spec.get("ports") or ():
        _set(port, protocol="TCP")
        if spec["type"] != "ExternalName" and "port" in port:
            _set(port, targetPort=port["port"])
    if spec["type"] != "ExternalName":
        _set(spec, internalTrafficPolicy="Cluster", ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _set(spec, externalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        _set(spec, allocateLoadBalancerNodePorts=True)
    if spec["sessionAffinity"] == "ClientIP":
        _set(spec, sessionAffinityConfig={"clientIP": {"timeoutSeconds": 10800}})


def _namespace(obj: Object) -> None:
    name = obj["metadata"].get("name", "")
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name
    obj["spec"] = {"finalizers": ["kubernetes"]} if not obj.get("spec") else obj["spec"]
    _set(obj.setdefault("status", {}), phase="Active")


def _secret(obj: Object) -> None:
    _set(obj, type="Opaque")
    for key, text in (obj.pop("stringData", None) or {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()


def _claim(obj: Object) -> None:
    _set(obj.setdefault("spec", {}), volumeMode="Filesystem")
    _set(obj.setdefault("status", {}), phase="Pending")


def _network_policy(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _set(spec, policyTypes=["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    for rule in [*(spec.get("ingress") or ()), *(spec.get("egress") or ())]:
        for port in rule.get("ports") or ():
            _set(port, protocol="TCP")


def _binding(obj: Object) -> None:
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            _set(subject, apiGroup="rbac.authorization.k8s.io")
    if isinstance(obj.get("roleRef"), dict):
        _set(obj["roleRef"], apiGroup="rbac.authorization.k8s.io")


def _slice(obj: Object) -> None:
    for port in obj.get("ports") or ():
        _set(port, name="", protocol="TCP")


FILLERS: dict[str, Callable[[Object], None]] = {
    "pods": _pod,
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

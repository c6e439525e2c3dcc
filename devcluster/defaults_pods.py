"""What the API server fills in of pods and pod templates."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def fill_in(target: Object, **values: Any) -> None:
    """Set, in place, the values of keys that are absent or null."""
    for key, value in values.items():
        if target.get(key) is None:
            target[key] = value


def pod_spec(spec: Object) -> None:
    fill_in(
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
    fill_in(
        container,
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="Always" if floating and "@" not in image else "IfNotPresent",
        resources={},
    )
    for port in container.get("ports") or ():
        fill_in(port, protocol="TCP")
        if host_network and "containerPort" in port:
            fill_in(port, hostPort=port["containerPort"])
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(name), dict):
            _probe(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict):
            _http_get(hook)
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            fill_in(reference, apiVersion="v1")
    _resources(container["resources"])


def _resources(resources: Object) -> None:
    """A limit without a request is also the request."""
    for name, amount in (resources.get("limits") or {}).items():
        resources.setdefault("requests", {}).setdefault(name, amount)


def _probe(probe: Object) -> None:
    fill_in(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    _http_get(probe)
    if isinstance(probe.get("grpc"), dict):
        fill_in(probe["grpc"], service="")


def _http_get(action: Object) -> None:
    if isinstance(action.get("httpGet"), dict):
        fill_in(action["httpGet"], path="/", scheme="HTTP")


def _volume(volume: Object) -> None:
    for kind in ("configMap", "secret", "downwardAPI", "projected"):
        if isinstance(volume.get(kind), dict):
            fill_in(volume[kind], defaultMode=420)
    for source in (volume.get("projected") or {}).get("sources") or ():
        if isinstance(source.get("serviceAccountToken"), dict):
            fill_in(source["serviceAccountToken"], expirationSeconds=3600)
    items = (volume.get("downwardAPI") or {}).get("items") or ()
    for item in items:
        if isinstance(item.get("fieldRef"), dict):
            fill_in(item["fieldRef"], apiVersion="v1")
    if isinstance(volume.get("hostPath"), dict):
        fill_in(volume["hostPath"], type="")
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}


def pod(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    pod_spec(spec)
    fill_in(spec, serviceAccountName="default", serviceAccount="default", enableServiceLinks=True, priority=0)
    fill_in(spec, preemptionPolicy="PreemptLowerPriority", tolerations=_tolerations())
    fill_in(obj.setdefault("status", {}), phase="Pending", qosClass=_quality(spec))


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

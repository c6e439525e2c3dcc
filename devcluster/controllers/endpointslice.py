"""EndpointSlices: who answers for a Service, by the readiness of the pods that it selects."""

from __future__ import annotations

import json

from devcluster.controllers import pods as podrules
from devcluster.controllers.view import Key, Object, View, deleting, key_of, owned_by
from devcluster.controllers.workqueue import WorkQueue

RESOURCE = "endpointslices.discovery.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_MANAGER = "endpointslice-controller.k8s.io"
_HEADLESS = "service.kubernetes.io/headless"
PER_SLICE = 100  # endpoints, as Kubernetes' default

Pair = tuple[str, str, str]  # namespace, label, value


class EndpointSlices:
    def __init__(self, view: View) -> None:
        self._view = view
        self._selected_by: dict[Pair, set[str]] = {}
        self.queue = WorkQueue("endpointslice", self._reconcile)

    def start(self) -> None:
        self._view.on("services", self._service_changed)
        self._view.on("pods", self._pod_changed)
        self._view.on(RESOURCE, self._slice_changed)

    # noticing

    def _service_changed(self, before: Object | None, after: Object | None) -> None:
        for service in (before, after):
            if service is not None:
                self.queue.add(key_of(service))
        if before is not None and (pair := _pair(before)) is not None:
            self._selected_by[pair].discard(before["metadata"]["name"])
        if after is not None and (pair := _pair(after)) is not None:
            self._selected_by.setdefault(pair, set()).add(after["metadata"]["name"])

    def _pod_changed(self, before: Object | None, after: Object | None) -> None:
        for pod in (before, after):
            if pod is not None:
                namespace = pod["metadata"]["namespace"]
                for label in (pod["metadata"].get("labels") or {}).items():
                    for name in self._selected_by.get((namespace, *label), ()):
                        self.queue.add((namespace, name))

    def _slice_changed(self, before: Object | None, after: Object | None) -> None:
        """A slice that someone edited or deleted is made right again."""
        labels = (after or before or {})["metadata"].get("labels") or {}
        if labels.get(_MANAGED_BY) == _MANAGER and SERVICE_NAME in labels:
            self.queue.add(((after or before or {})["metadata"]["namespace"], labels[SERVICE_NAME]))

    # reconciling

    def _reconcile(self, key: Key) -> None:
        service = self._view.get("services", key)
        if service is None or deleting(service):
            return
        selector = service["spec"].get("selector")
        external = service["spec"].get("type") == "ExternalName"
        have = [s for s in self._view.owned(RESOURCE, service) if not deleting(s)]
        have = [s for s in have if (s["metadata"].get("labels") or {}).get(_MANAGED_BY) == _MANAGER]
        if selector and not external:
            pods = self._view.labelled("pods", key[0], selector)
            self._write(service, have, wanted_slices(service, pods))
        else:
            self._write(service, have, [])

    def _write(self, service: Object, have: list[Object], wanted: list[Object]) -> None:
        """Make the slices the wanted ones, changing as few as possible."""
        wanted = list(wanted)
        spare = []
        for old in have:
            same = next((w for w in wanted if _carries(old, w)), None)
            if same is None:
                spare.append(old)
            else:
                wanted.remove(same)
        for new in wanted:
            if spare:
                self._replace(spare.pop(0), new)
            else:
                self._view.create(RESOURCE, service["metadata"]["namespace"], new)
        for old in spare:
            self._view.delete(RESOURCE, old)

    def _replace(self, old: Object, new: Object) -> None:
        metadata = {**old["metadata"], "labels": new["metadata"]["labels"]}
        metadata["ownerReferences"] = new["metadata"]["ownerReferences"]
        self._view.api.update(RESOURCE, *key_of(old), {**old, **new, "metadata": metadata})


def _pair(service: Object) -> Pair | None:
    """The one label by which the Service is looked for when a pod changes."""
    selector = service["spec"].get("selector") or {}
    if not selector:
        return None
    # The value that tells most services apart is usually the longest.
    label, value = max(selector.items(), key=lambda item: (len(item[1]), item))
    return service["metadata"]["namespace"], label, value


def _carries(old: Object, wanted: Object) -> bool:
    parts = all(old.get(part) == wanted[part] for part in ("endpoints", "ports", "addressType"))
    return parts and (old["metadata"].get("labels") or {}) == wanted["metadata"]["labels"]


def wanted_slices(service: Object, pods: list[Object]) -> list[Object]:
    """The slices of a Service: one a set of resolved ports, of at most 100 endpoints. At least one."""
    groups: dict[str, tuple[list[Object], list[Object]]] = {}
    for pod in pods:
        if _reachable(pod):
            ports = resolved_ports(service, pod)
            group = groups.setdefault(json.dumps(ports, sort_keys=True), (ports, []))
            group[1].append(_endpoint(service, pod))
    chunks = [
        (ports, endpoints[i : i + PER_SLICE])
        for ports, endpoints in groups.values()
        for i in range(0, len(endpoints), PER_SLICE)
    ]
    return [_slice(service, ports, endpoints) for ports, endpoints in chunks or [([], [])]]


def _reachable(pod: Object) -> bool:
    status = pod.get("status") or {}
    return bool(status.get("podIP")) and status.get("phase") not in ("Succeeded", "Failed")


def resolved_ports(service: Object, pod: Object) -> list[Object]:
    """The Service's ports as this pod has them; a named one that the pod lacks is left out."""
    named = {
        (port["name"], port.get("protocol", "TCP")): port["containerPort"]
        for container in _long_running(pod)
        for port in container.get("ports") or []
        if "name" in port
    }
    result = []
    for port in service["spec"].get("ports") or []:
        protocol = port.get("protocol", "TCP")
        target = port.get("targetPort", port["port"])
        number = named.get((target, protocol)) if isinstance(target, str) else target
        if number is not None:
            entry = {"name": port.get("name", ""), "port": number or port["port"], "protocol": protocol}
            result.append({**entry, **{k: port[k] for k in ("appProtocol",) if k in port}})
    return result


def _long_running(pod: Object) -> list[Object]:
    sidecars = [c for c in pod["spec"].get("initContainers") or [] if c.get("restartPolicy") == "Always"]
    return [*pod["spec"]["containers"], *sidecars]


def _endpoint(service: Object, pod: Object) -> Object:
    serving, terminating = podrules.ready(pod), deleting(pod)
    metadata = pod["metadata"]
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating)
    endpoint = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": {"kind": "Pod", **{k: metadata[k] for k in ("name", "namespace", "uid")}},
    }
    hostname = pod["spec"].get("hostname")
    if hostname and pod["spec"].get("subdomain") == service["metadata"]["name"]:
        endpoint["hostname"] = hostname
    return endpoint


def _slice(service: Object, ports: list[Object], endpoints: list[Object]) -> Object:
    name = service["metadata"]["name"]
    labels = {**(service["metadata"].get("labels") or {}), SERVICE_NAME: name, _MANAGED_BY: _MANAGER}
    if service["spec"].get("clusterIP") == "None":
        labels[_HEADLESS] = ""
    return {
        "metadata": {"generateName": f"{name}-", "labels": labels, "ownerReferences": owned_by(service)},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": ports,
    }

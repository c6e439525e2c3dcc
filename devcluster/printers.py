"""The columns of the built-in kinds."""

from __future__ import annotations

from typing import Any

from devcluster.podtable import POD
from devcluster.subresources import selector_text
from devcluster.tables import AGE, NAME, Column, Columns, age, since

Object = dict[str, Any]


def _head(*names: str, wide: tuple[str, ...] = ()) -> tuple[Column, ...]:
    """Name, the given columns, age, and those that only `-o wide` shows."""
    shown = tuple(Column(name, "integer" if name in INTEGERS else "string") for name in names)
    return (NAME, *shown, AGE, *(Column(name, priority=1) for name in wide))


INTEGERS = frozenset({"Desired", "Current", "Data", "Secrets", "Up-to-date", "Available"})


def _name(obj: Object) -> str:
    name: str = obj["metadata"]["name"]
    return name


def _spec(obj: Object) -> Object:
    return obj.get("spec") or {}


def _status(obj: Object) -> Object:
    return obj.get("status") or {}


def _containers(obj: Object) -> list[str]:
    """The wide columns of a workload: containers, images, selector."""
    containers = ((_spec(obj).get("template") or {}).get("spec") or {}).get("containers") or []
    names, images = (",".join(c.get(key, "") for c in containers) for key in ("name", "image"))
    return [names, images, selector_text(_spec(obj).get("selector") or {})]


def _deployment(obj: Object) -> list[Any]:
    status = _status(obj)
    ready = f"{status.get('readyReplicas', 0)}/{_spec(obj).get('replicas', 0)}"
    counts = [status.get("updatedReplicas", 0), status.get("availableReplicas", 0)]
    return [_name(obj), ready, *counts, age(obj), *_containers(obj)]


def _replica_set(obj: Object) -> list[Any]:
    status = _status(obj)
    counts = [_spec(obj).get("replicas", 0), status.get("replicas", 0), status.get("readyReplicas", 0)]
    return [_name(obj), *counts, age(obj), *_containers(obj)]


def _stateful_set(obj: Object) -> list[Any]:
    ready = f"{_status(obj).get('readyReplicas', 0)}/{_spec(obj).get('replicas', 0)}"
    return [_name(obj), ready, age(obj), *_containers(obj)[:2]]


def _daemon_set(obj: Object) -> list[Any]:
    fields = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    selector = (((_spec(obj).get("template") or {}).get("spec") or {}).get("nodeSelector")) or {}
    words = ",".join(f"{key}={value}" for key, value in sorted(selector.items())) or "<none>"
    return [_name(obj), *(_status(obj).get(field, 0) for field in fields), words, age(obj), *_containers(obj)]


def _service(obj: Object) -> list[Any]:
    spec = _spec(obj)
    kind = spec.get("type", "")
    external = (
        spec.get("externalName", "")
        if kind == "ExternalName"
        else ",".join(spec.get("externalIPs") or ()) or "<none>"
    )
    if kind == "LoadBalancer":
        external = "<pending>"
    ports = ",".join(_service_port(port) for port in spec.get("ports") or ()) or "<none>"
    selector = (
        ",".join(f"{key}={value}" for key, value in sorted((spec.get("selector") or {}).items())) or "<none>"
    )
    return [_name(obj), kind, spec.get("clusterIP") or "<none>", external, ports, age(obj), selector]


def _service_port(port: Object) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node}/{port.get('protocol', 'TCP')}"


def _node(obj: Object) -> list[Any]:
    ready = next((c for c in _status(obj).get("conditions") or () if c["type"] == "Ready"), None)
    words = "Unknown" if ready is None else "Ready" if ready["status"] == "True" else "NotReady"
    addresses = {a["type"]: a["address"] for a in _status(obj).get("addresses") or ()}
    info = _status(obj).get("nodeInfo") or {}
    wide = [addresses.get("InternalIP", "<none>"), addresses.get("ExternalIP", "<none>")]
    wide += [info.get(key, "<unknown>") for key in ("osImage", "kernelVersion", "containerRuntimeVersion")]
    return [_name(obj), words, "<none>", age(obj), info.get("kubeletVersion", ""), *wide]


def _event(obj: Object) -> list[Any]:
    involved = obj.get("involvedObject") or {}
    what = f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"
    seen = obj.get("lastTimestamp") or obj.get("eventTime") or obj["metadata"].get("creationTimestamp")
    first = obj.get("firstTimestamp") or obj.get("eventTime") or obj["metadata"].get("creationTimestamp")
    source = (obj.get("source") or {}).get("component") or obj.get("reportingComponent", "")
    head = [
        since(seen),
        obj.get("type", ""),
        obj.get("reason", ""),
        what,
        involved.get("fieldPath", ""),
        source,
    ]
    return [*head, obj.get("message", "").strip(), since(first), obj.get("count", 1), _name(obj)]


_EVENT_WIDE = ("Subobject", "Source", "First Seen", "Count", "Name")
_EVENT_HEAD = tuple(
    Column(name, priority=1 if name in _EVENT_WIDE else 0)
    for name in (
        "Last Seen",
        "Type",
        "Reason",
        "Object",
        "Subobject",
        "Source",
        "Message",
        "First Seen",
        "Count",
        "Name",
    )
)


def _slice(obj: Object) -> list[Any]:
    ports = ",".join(str(port.get("port", "*")) for port in obj.get("ports") or ()) or "<unset>"
    addresses = [
        address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()
    ]
    return [_name(obj), obj.get("addressType", ""), ports, _some(addresses) or "<unset>", age(obj)]


def _some(words: list[str]) -> str:
    more = f" + {len(words) - 3} more..." if len(words) > 3 else ""
    return ",".join(words[:3]) + more


def _endpoints(obj: Object) -> list[Any]:
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in obj.get("subsets") or ()
        for port in subset.get("ports") or ()
        for address in subset.get("addresses") or ()
    ]
    return [_name(obj), _some(found) or "<none>", age(obj)]


def _claim(obj: Object) -> list[Any]:
    spec, status = _spec(obj), _status(obj)
    short = {
        "ReadWriteOnce": "RWO",
        "ReadOnlyMany": "ROX",
        "ReadWriteMany": "RWX",
        "ReadWriteOncePod": "RWOP",
    }
    modes = ",".join(short.get(mode, mode) for mode in status.get("accessModes") or ())
    capacity = (status.get("capacity") or {}).get("storage", "")
    names = [spec.get("volumeName", ""), capacity, modes, spec.get("storageClassName", ""), "<unset>"]
    return [_name(obj), status.get("phase", ""), *names, age(obj), spec.get("volumeMode", "")]


def _job(obj: Object) -> list[Any]:
    spec, status = _spec(obj), _status(obj)
    done = next((c["type"] for c in status.get("conditions") or () if c.get("status") == "True"), "Running")
    words = {"Complete": "Complete", "Failed": "Failed", "Suspended": "Suspended"}.get(done, "Running")
    took = since(status.get("startTime")) if status.get("startTime") else ""
    return [
        _name(obj),
        words,
        f"{status.get('succeeded', 0)}/{spec.get('completions', 1)}",
        took,
        age(obj),
        *_containers(obj),
    ]


def _cron_job(obj: Object) -> list[Any]:
    spec, status = _spec(obj), _status(obj)
    template = spec.get("jobTemplate") or {}
    last = since(status["lastScheduleTime"]) if status.get("lastScheduleTime") else "<none>"
    suspended = str(bool(spec.get("suspend"))).capitalize()
    zone = spec.get("timeZone", "<none>")
    active = len(status.get("active") or ())
    return [_name(obj), spec.get("schedule"), zone, suspended, active, last, age(obj), *_containers(template)]


def _budget(obj: Object) -> list[Any]:
    spec, allowed = _spec(obj), _status(obj).get("disruptionsAllowed", 0)
    bounds = [str(spec.get(field, "N/A")) for field in ("minAvailable", "maxUnavailable")]
    return [_name(obj), *bounds, allowed, age(obj)]


def _autoscaler(obj: Object) -> list[Any]:
    spec, status = _spec(obj), _status(obj)
    target = spec.get("scaleTargetRef") or {}
    what = f"{target.get('kind', '')}/{target.get('name', '')}"
    bounds = [
        str(spec.get("minReplicas", "<unset>")),
        spec.get("maxReplicas", 0),
        status.get("currentReplicas", 0),
    ]
    return [_name(obj), what, "<unknown>" if spec.get("metrics") else "<none>", *bounds, age(obj)]


def _ingress(obj: Object) -> list[Any]:
    rules = [rule.get("host", "*") for rule in _spec(obj).get("rules") or ()]
    ports = "80, 443" if _spec(obj).get("tls") else "80"
    return [
        _name(obj),
        _spec(obj).get("ingressClassName", "<none>"),
        ",".join(rules) or "*",
        "",
        ports,
        age(obj),
    ]


def _lease(obj: Object) -> list[Any]:
    return [_name(obj), _spec(obj).get("holderIdentity", ""), age(obj)]


def _network_policy(obj: Object) -> list[Any]:
    return [_name(obj), selector_text(_spec(obj).get("podSelector") or {}) or "<none>", age(obj)]


def _role_binding(obj: Object) -> list[Any]:
    role = obj.get("roleRef") or {}
    return [_name(obj), f"{role.get('kind', '')}/{role.get('name', '')}", age(obj)]


def _created(obj: Object) -> list[Any]:
    return [_name(obj), obj["metadata"].get("creationTimestamp", "")]


_WORKLOAD = ("Containers", "Images", "Selector")
_BINDING = Columns(_head("Role"), _role_binding)
_ROLE = Columns((NAME, Column("Created At")), _created)
_DAEMON = ("Desired", "Current", "Ready", "Up-to-date", "Available", "Node Selector")
_CLAIM = ("Status", "Volume", "Capacity", "Access Modes", "StorageClass", "VolumeAttributesClass")
_NODE_WIDE = ("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime")

COLUMNS: dict[str, Columns] = {
    "pods": POD,
    "services": Columns(_head("Type", "Cluster-IP", "External-IP", "Port(s)", wide=("Selector",)), _service),
    "namespaces": Columns(_head("Status"), lambda obj: [_name(obj), _status(obj).get("phase", ""), age(obj)]),
    "nodes": Columns(
        (*_head("Status", "Roles"), Column("Version"), *(Column(n, priority=1) for n in _NODE_WIDE)), _node
    ),
    "configmaps": Columns(
        _head("Data"), lambda o: [_name(o), len(o.get("data") or {}) + len(o.get("binaryData") or {}), age(o)]
    ),
    "secrets": Columns(
        _head("Type", "Data"), lambda o: [_name(o), o.get("type", ""), len(o.get("data") or {}), age(o)]
    ),
    "events": Columns(_EVENT_HEAD, _event),
    "endpoints": Columns(_head("Endpoints"), _endpoints),
    "persistentvolumeclaims": Columns(_head(*_CLAIM, wide=("VolumeMode",)), _claim),
    "deployments.apps": Columns(_head("Ready", "Up-to-date", "Available", wide=_WORKLOAD), _deployment),
    "replicasets.apps": Columns(_head("Desired", "Current", "Ready", wide=_WORKLOAD), _replica_set),
    "statefulsets.apps": Columns(_head("Ready", wide=("Containers", "Images")), _stateful_set),
    "daemonsets.apps": Columns(_head(*_DAEMON, wide=_WORKLOAD), _daemon_set),
    "jobs.batch": Columns(_head("Status", "Completions", "Duration", wide=_WORKLOAD), _job),
    "cronjobs.batch": Columns(
        _head("Schedule", "Timezone", "Suspend", "Active", "Last Schedule", wide=_WORKLOAD), _cron_job
    ),
    "horizontalpodautoscalers.autoscaling": Columns(
        _head("Reference", "Targets", "MinPods", "MaxPods", "Replicas"), _autoscaler
    ),
    "poddisruptionbudgets.policy": Columns(
        _head("Min Available", "Max Unavailable", "Allowed Disruptions"), _budget
    ),
    "endpointslices.discovery.k8s.io": Columns(_head("AddressType", "Ports", "Endpoints"), _slice),
    "ingresses.networking.k8s.io": Columns(_head("Class", "Hosts", "Address", "Ports"), _ingress),
    "networkpolicies.networking.k8s.io": Columns(_head("Pod-Selector"), _network_policy),
    "leases.coordination.k8s.io": Columns(_head("Holder"), _lease),
    "roles.rbac.authorization.k8s.io": _ROLE,
    "clusterroles.rbac.authorization.k8s.io": _ROLE,
    "rolebindings.rbac.authorization.k8s.io": _BINDING,
    "clusterrolebindings.rbac.authorization.k8s.io": _BINDING,
    "customresourcedefinitions.apiextensions.k8s.io": Columns((NAME, Column("Created At")), _created),
}

"""Pods and pod templates: what a real API server refuses of them."""

from __future__ import annotations

from typing import Any

from devcluster import errors, syntax
from devcluster.errors import Cause

Object = dict[str, Any]

PROTOCOLS = ["SCTP", "TCP", "UDP"]
HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
MUTABLE = (
    "activeDeadlineSeconds",
    "tolerations",
    "terminationGracePeriodSeconds",
    "nodeName",
    "schedulingGates",
)
POD_IMMUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod(obj: Object, old: Object | None, causes: list[Cause]) -> None:
    pod_spec(obj["spec"], "spec", causes)
    if old is None:
        return
    had = old["spec"].get("nodeName")
    if _fixed(obj["spec"]) != _fixed(old["spec"]) or (had and had != obj["spec"].get("nodeName")):
        causes.append(errors.field_forbidden("spec", POD_IMMUTABLE))


def _fixed(spec: Object) -> Object:
    """A pod's spec without what may change."""
    kept = {key: value for key, value in spec.items() if key not in MUTABLE}
    for kind in ("containers", "initContainers"):
        if kind in kept:
            kept[kind] = [{**container, "image": ""} for container in kept[kind]]
    return kept


def pod_spec(
    spec: Object,
    path: str,
    causes: list[Cause],
    *,
    restart: tuple[str, ...] = ("Always", "OnFailure", "Never"),
    claims: frozenset[str] = frozenset(),
) -> None:
    """Check the spec of a pod, or of a template whose workload allows only some restart policies and adds a
    volume for each of its claims."""
    if not spec.get("containers"):
        causes.append(errors.required(f"{path}.containers"))
    volumes = _volumes(spec.get("volumes") or [], f"{path}.volumes", causes) | claims
    names: set[str] = set()
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or ()):
            _container(container, f"{path}.{kind}[{index}]", names, volumes, causes)
    _choice(spec, "restartPolicy", list(restart), path, causes)
    _choice(spec, "dnsPolicy", ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"], path, causes)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        _at_least(spec, "terminationGracePeriodSeconds", 0, path, causes)
    for key, value in (spec.get("nodeSelector") or {}).items():
        for wrong in filter(None, (syntax.qualified(key), syntax.label_value(value))):
            causes.append(errors.wrong(f"{path}.nodeSelector", key, wrong))
    account = spec.get("serviceAccountName")
    if account and (wrong := syntax.subdomain(account)):
        causes.append(errors.wrong(f"{path}.serviceAccountName", account, wrong))


def _choice(obj: Object, field: str, allowed: list[str], path: str, causes: list[Cause]) -> None:
    if field in obj and obj[field] not in allowed:
        causes.append(errors.unsupported(f"{path}.{field}", obj[field], allowed))


def _at_least(obj: Object, field: str, least: int, path: str, causes: list[Cause]) -> None:
    if field in obj and obj[field] < least:
        causes.append(
            errors.wrong(f"{path}.{field}", obj[field], f"must be greater than or equal to {least}")
        )


def _volumes(volumes: list[Object], path: str, causes: list[Cause]) -> set[str]:
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        name = volume.get("name") or ""
        where = f"{path}[{index}].name"
        if not name:
            causes.append(errors.required(where))
        elif wrong := syntax.label(name):
            causes.append(errors.wrong(where, name, wrong))
        if name in names:
            causes.append(errors.duplicate(where, name))
        names.add(name)
        sources = sorted(key for key in volume if key != "name")
        if len(sources) > 1:
            detail = "may not specify more than 1 volume type"
            causes.append(errors.field_forbidden(f"{path}[{index}].{sources[1]}", detail))
    return names


def _container(container: Object, path: str, names: set[str], volumes: set[str], causes: list[Cause]) -> None:
    name = container.get("name") or ""
    if not name:
        causes.append(errors.required(f"{path}.name"))
    elif wrong := syntax.label(name):
        causes.append(errors.wrong(f"{path}.name", name, wrong))
    if name in names:
        causes.append(errors.duplicate(f"{path}.name", name))
    names.add(name)
    image = container.get("image") or ""
    if not image:
        causes.append(errors.required(f"{path}.image"))
    elif image != image.strip():
        causes.append(errors.wrong(f"{path}.image", image, "must not have leading or trailing whitespace"))
    _choice(container, "imagePullPolicy", ["Always", "IfNotPresent", "Never"], path, causes)
    _ports(container.get("ports") or [], f"{path}.ports", causes)
    _env(container.get("env") or [], f"{path}.env", causes)
    _mounts(container.get("volumeMounts") or [], f"{path}.volumeMounts", volumes, causes)
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe in container:
            _probe(container[probe], f"{path}.{probe}", single=probe != "readinessProbe", causes=causes)
    _resources(container.get("resources") or {}, f"{path}.resources", causes)
    for hook, handler in (container.get("lifecycle") or {}).items():
        if isinstance(handler, dict):
            _handler(handler, f"{path}.lifecycle.{hook}", ("exec", "httpGet", "tcpSocket", "sleep"), causes)


def _ports(ports: list[Object], path: str, causes: list[Cause]) -> None:
    names: set[str] = set()
    for index, port in enumerate(ports):
        where = f"{path}[{index}]"
        for field in ("containerPort", "hostPort"):
            if (field == "containerPort" or port.get(field)) and (wrong := syntax.port(port.get(field))):
                causes.append(errors.wrong(f"{where}.{field}", port.get(field), wrong))
        name = port.get("name")
        if name and (wrong := syntax.port_name(name)):
            causes.append(errors.wrong(f"{where}.name", name, wrong))
        if name and name in names:
            causes.append(errors.duplicate(f"{where}.name", name))
        names.add(name or "")
        _choice(port, "protocol", PROTOCOLS, where, causes)


def _env(env: list[Object], path: str, causes: list[Cause]) -> None:
    for index, variable in enumerate(env):
        where, name = f"{path}[{index}]", variable.get("name") or ""
        if not name:
            causes.append(errors.required(f"{where}.name"))
        elif wrong := syntax.env_name(name):
            causes.append(errors.wrong(f"{where}.name", name, wrong))
        source = variable.get("valueFrom")
        if source is None:
            continue
        if variable.get("value"):
            causes.append(
                errors.wrong(f"{where}.valueFrom", "", "may not be specified when `value` is not empty")
            )
        if len(source) != 1:
            detail = (
                "may not have more than one field specified at a time"
                if source
                else (
                    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, "
                    "`secretKeyRef` or `fileKeyRef`"
                )
            )
            causes.append(errors.wrong(f"{where}.valueFrom", "", detail))
        for kind in ("configMapKeyRef", "secretKeyRef"):
            if kind in source and not source[kind].get("key"):
                causes.append(errors.required(f"{where}.valueFrom.{kind}.key"))


def _mounts(mounts: list[Object], path: str, volumes: set[str], causes: list[Cause]) -> None:
    seen: set[str] = set()
    for index, mount in enumerate(mounts):
        where = f"{path}[{index}]"
        if not mount.get("name"):
            causes.append(errors.required(f"{where}.name"))
        elif mount["name"] not in volumes:
            message = f'Not found: "{mount["name"]}"'
            causes.append(Cause(f"{where}.name", "FieldValueNotFound", message))
        if not mount.get("mountPath"):
            causes.append(errors.required(f"{where}.mountPath"))
        elif mount["mountPath"] in seen:
            causes.append(errors.wrong(f"{where}.mountPath", mount["mountPath"], "must be unique"))
        seen.add(mount.get("mountPath") or "")


def _probe(probe: Object, path: str, *, single: bool, causes: list[Cause]) -> None:
    _handler(probe, path, HANDLERS, causes)
    for field in (
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ):
        _at_least(probe, field, 0, path, causes)
    if single and probe.get("successThreshold", 1) != 1:
        causes.append(errors.wrong(f"{path}.successThreshold", probe["successThreshold"], "must be 1"))


def _handler(handler: Object, path: str, kinds: tuple[str, ...], causes: list[Cause]) -> None:
    given = [kind for kind in kinds if handler.get(kind) is not None]
    if not given:
        causes.append(errors.required(path, "must specify a handler type"))
    for extra in given[1:]:
        causes.append(errors.field_forbidden(f"{path}.{extra}", "may not specify more than 1 handler type"))
    for kind in ("httpGet", "tcpSocket"):
        number = handler[kind].get("port") if kind in given else None
        if isinstance(number, int) and (wrong := syntax.port(number)):
            causes.append(errors.wrong(f"{path}.{kind}.port", number, wrong))
    if "httpGet" in given:
        _choice(handler["httpGet"], "scheme", ["HTTP", "HTTPS"], f"{path}.httpGet", causes)


def _resources(resources: Object, path: str, causes: list[Cause]) -> None:
    for field in ("limits", "requests"):
        for name, amount in (resources.get(field) or {}).items():
            if wrong := syntax.quantity(amount):
                causes.append(errors.wrong(f"{path}.{field}[{name}]", amount, wrong))

"""A container's environment as Kubernetes composes it: Services, envFrom, env, $(VAR) expansion. Pure.

Rules (kubelet `makeEnvironmentVariables`): later wins; in `env`, `$(NAME)` means a variable defined before
it or a Service's; an unknown one stays as written; `$$` is a dollar that starts no reference.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

_REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


class ConfigError(Exception):
    """The container cannot be configured yet: a ConfigMap, a Secret or one of their keys is missing."""


@dataclass(frozen=True)
class Sources:
    """What an environment is made from. `find` returns an object of the pod's namespace, or None."""

    pod: Object
    pod_ip: str
    host_ip: str
    services: list[Object]
    find: Callable[[str, str], Object | None]  # (resource, name)


def environment(container: Object, sources: Sources) -> dict[str, str]:
    """The variables that the container's spec asks for.

    :raises ConfigError: something it names does not exist and is not optional
    """
    linked = sources.pod["spec"].get("enableServiceLinks", True)
    links = service_variables(sources.services) if linked else {}
    result: dict[str, str] = {}
    for source in container.get("envFrom", []):
        result.update(_from_whole(source, sources))
    for entry in container.get("env", []):
        value = _value(entry, container, sources, {**links, **result})
        if value is not None:
            result[entry["name"]] = value
    return {**links, **result}


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`text` with $(NAME) replaced where the variable is known, and $$ by a dollar."""

    def replace(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return variables.get(found[1], found[0])

    return _REFERENCE.sub(replace, text)


def service_variables(services: Iterable[Object]) -> dict[str, str]:
    """NAME_SERVICE_HOST, NAME_SERVICE_PORT[_PORTNAME] and the docker link forms; headless ones have none."""
    result: dict[str, str] = {}
    for service in services:
        address = service["spec"].get("clusterIP") or "None"
        ports = service["spec"].get("ports", [])
        if address == "None" or not ports:
            continue
        prefix = service["metadata"]["name"].upper().replace("-", "_")
        result[f"{prefix}_SERVICE_HOST"] = address
        result[f"{prefix}_SERVICE_PORT"] = str(ports[0]["port"])
        result[f"{prefix}_PORT"] = _link(ports[0], address)
        for port in ports:
            result.update(_port_variables(prefix, port, address))
    return result


def _port_variables(prefix: str, port: Object, address: str) -> dict[str, str]:
    protocol = port.get("protocol", "TCP")
    link = f"{prefix}_PORT_{port['port']}_{protocol}"
    result = {
        link: _link(port, address),
        f"{link}_PROTO": protocol.lower(),
        f"{link}_PORT": str(port["port"]),
        f"{link}_ADDR": address,
    }
    if port.get("name"):
        result[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
    return result


def _link(port: Object, address: str) -> str:
    return f"{port.get('protocol', 'TCP').lower()}://{address}:{port['port']}"


def _from_whole(source: Object, sources: Sources) -> dict[str, str]:
    prefix = source.get("prefix", "")
    for field, resource in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
        if (reference := source.get(field)) is not None:
            return {prefix + k: v for k, v in data_of(reference, resource, sources.find).items()}
    return {}


def data_of(reference: Object, resource: str, find: Callable[[str, str], Object | None]) -> dict[str, str]:
    """The data of a ConfigMap or Secret as text; empty when it is missing and optional.

    :raises ConfigError: it is missing and not optional
    """
    found = find(resource, reference["name"])
    if found is None:
        if reference.get("optional"):
            return {}
        raise ConfigError(f'{resource.removesuffix("s")} "{reference["name"]}" not found')
    data = found.get("data") or {}
    if resource == "secrets":
        return {k: base64.b64decode(v).decode(errors="replace") for k, v in data.items()}
    return dict(data)


def _value(entry: Object, container: Object, sources: Sources, known: Mapping[str, str]) -> str | None:
    source = entry.get("valueFrom")
    if not source:
        return expand(entry.get("value", ""), known)
    for field, resource in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
        if (reference := source.get(field)) is not None:
            return _key(reference, resource, sources)
    if (reference := source.get("resourceFieldRef")) is not None:
        return _resource(reference, container, sources)
    return field_value(source["fieldRef"]["fieldPath"], sources)


def _key(reference: Object, resource: str, sources: Sources) -> str | None:
    data = data_of(reference, resource, sources.find)
    if reference["key"] in data or reference.get("optional"):
        return data.get(reference["key"])
    where = f"{sources.pod['metadata']['namespace']}/{reference['name']}"
    raise ConfigError(f"couldn't find key {reference['key']} in {resource.removesuffix('s')} {where}")


def field_value(path: str, sources: Sources) -> str:
    """What the downward API gives for a field path.

    :raises ConfigError: the path is none that the downward API knows
    """
    metadata, spec = sources.pod["metadata"], sources.pod["spec"]
    if found := _SUBSCRIPT.fullmatch(path):
        return str((metadata.get(found[1]) or {}).get(found[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        pairs = (metadata.get(path.removeprefix("metadata.")) or {}).items()
        return "\n".join(f'{key}="{value}"' for key, value in sorted(pairs))
    plain = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": sources.pod_ip,
        "status.podIPs": sources.pod_ip,
        "status.hostIP": sources.host_ip,
        "status.hostIPs": sources.host_ip,
    }
    if path not in plain:
        raise ConfigError(f'fieldPath "{path}" is not supported')
    return str(plain[path])


_UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNITS |= {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}


def quantity(text: str | float) -> float:
    """A Kubernetes quantity as a number, e.g. "250m" is 0.25 and "1Ki" is 1024."""
    found = re.fullmatch(r"([0-9.eE+-]*[0-9.])([A-Za-z]*)", str(text))
    if found is None or found[2] not in _UNITS:
        raise ConfigError(f'"{text}" is not a quantity')
    return float(found[1]) * _UNITS[found[2]]


def _resource(reference: Object, container: Object, sources: Sources) -> str:
    """limits.cpu and the like, in units of the divisor, rounded up; the machine's own size when unset."""
    wanted = reference.get("containerName", container["name"])
    spec = next(c for c in sources.pod["spec"]["containers"] + [container] if c["name"] == wanted)
    kind, _, name = reference["resource"].partition(".")
    amount = (spec.get("resources", {}).get(kind) or {}).get(name, 1 if name == "cpu" else "1Gi")
    divisor = quantity(reference.get("divisor", "1")) or 1.0
    return str(int(-(-quantity(amount) // divisor)))

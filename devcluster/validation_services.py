"""Services and EndpointSlices: what a real API server refuses of them."""

from __future__ import annotations

import ipaddress
from typing import Any

from devcluster import errors, syntax
from devcluster.errors import Cause

Object = dict[str, Any]

TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]
PROTOCOLS = ["SCTP", "TCP", "UDP"]


def service(obj: Object, old: Object | None, causes: list[Cause]) -> None:
    spec = obj["spec"]
    kind = spec.get("type")
    if kind not in TYPES:
        causes.append(errors.unsupported("spec.type", kind, TYPES))
    if spec.get("sessionAffinity") not in ("ClientIP", "None"):
        causes.append(
            errors.unsupported("spec.sessionAffinity", spec.get("sessionAffinity"), ["ClientIP", "None"])
        )
    if kind == "ExternalName" and not spec.get("externalName"):
        causes.append(errors.required("spec.externalName"))
    if kind != "ExternalName" and not spec.get("ports") and spec.get("clusterIP") != "None":
        causes.append(errors.required("spec.ports"))
    _ports(spec.get("ports") or [], causes)
    for key, value in (spec.get("selector") or {}).items():
        for wrong in filter(None, (syntax.qualified(key), syntax.label_value(value))):
            causes.append(errors.wrong("spec.selector", value, wrong))
    _address(spec, old, causes)


def _address(spec: Object, old: Object | None, causes: list[Cause]) -> None:
    address = spec.get("clusterIP")
    if address and address != "None" and not _is_address(address):
        causes.append(
            errors.wrong(
                "spec.clusterIPs[0]", address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            )
        )
    had = ((old or {}).get("spec") or {}).get("clusterIP")
    same_type = old is not None and "ExternalName" not in (spec.get("type"), old["spec"].get("type"))
    if same_type and had and address and address != had:
        causes.append(errors.wrong("spec.clusterIPs[0]", [address], "may not change once set"))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _ports(ports: list[Object], causes: list[Cause]) -> None:
    names: set[str] = set()
    pairs: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        path = f"spec.ports[{index}]"
        _port(port, path, several=len(ports) > 1, causes=causes)
        name = port.get("name") or ""
        if name and name in names:
            causes.append(errors.duplicate(f"{path}.name", name))
        pair = (port.get("port"), port.get("protocol"))
        if pair in pairs:
            shown = f'{{"port":{pair[0]},"protocol":"{pair[1]}"}}'
            causes.append(errors.duplicate(path, shown))
        names.add(name)
        pairs.add(pair)


def _port(port: Object, path: str, *, several: bool, causes: list[Cause]) -> None:
    name = port.get("name") or ""
    if several and not name:
        causes.append(errors.required(f"{path}.name"))
    elif name and (wrong := syntax.label(name)):
        causes.append(errors.wrong(f"{path}.name", name, wrong))
    if wrong := syntax.port(port.get("port")):
        causes.append(errors.wrong(f"{path}.port", port.get("port"), wrong))
    if port.get("protocol") not in PROTOCOLS:
        causes.append(errors.unsupported(f"{path}.protocol", port.get("protocol"), PROTOCOLS))
    target = port.get("targetPort")
    if (isinstance(target, int) and (wrong := syntax.port(target))) or (
        isinstance(target, str) and (wrong := syntax.port_name(target))
    ):
        causes.append(errors.wrong(f"{path}.targetPort", target, wrong))


def endpoint_slice(obj: Object, old: Object | None, causes: list[Cause]) -> None:
    kind = obj.get("addressType")
    if kind not in ("FQDN", "IPv4", "IPv6"):
        causes.append(errors.unsupported("addressType", kind, ["FQDN", "IPv4", "IPv6"]))
    if old and old.get("addressType") != kind:
        causes.append(errors.wrong("addressType", kind, "field is immutable"))
    if len(obj.get("endpoints") or ()) > 1000:
        causes.append(Cause("endpoints", "FieldValueTooMany", "Too many: must have at most 1000 items"))
    for index, endpoint in enumerate(obj.get("endpoints") or ()):
        if not endpoint.get("addresses"):
            causes.append(errors.required(f"endpoints[{index}].addresses", "must contain at least 1 address"))
        for place, address in enumerate(endpoint.get("addresses") or ()):
            if kind in ("IPv4", "IPv6") and not _is_address(address):
                path = f"endpoints[{index}].addresses[{place}]"
                causes.append(
                    errors.wrong(
                        path, address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
                    )
                )

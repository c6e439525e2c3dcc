"""Whom a host in Istio's objects means. Pure.

A name without a dot is that of a Service in the object's own namespace; SERVICE.NAMESPACE.svc.DOMAIN is one
anywhere; everything else is no Service (Istio does not complete SERVICE.NAMESPACE).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

Json = dict[str, Any]
Key = tuple[str, str]  # namespace and name of a Service

DOMAIN = "cluster.local"
MESH = "mesh"  # what stands among `gateways` for the sidecars

_IN_FULL = re.compile(r"([^.*]+)\.([^.*]+)\.svc\..+")


@lru_cache(maxsize=4096)
def service(host: str, namespace: str) -> Key | None:
    """The Service that a host in an object of a namespace means; None where it means none."""
    if host and "." not in host and "*" not in host:
        return namespace, host
    found = _IN_FULL.fullmatch(host)
    return (found[2], found[1]) if found else None


def covers(host: str, namespace: str, key: Key) -> bool:
    """Whether a host of a VirtualService or DestinationRule is about a Service, by name or by wildcard."""
    if host.startswith("*"):
        return in_full(key).endswith(host[1:])
    return service(host, namespace) == key


def spoken(key: Key, namespace: str) -> str:
    """How an object of a namespace names a Service: shortly where it can, so that no domain is needed."""
    return key[1] if key[0] == namespace else in_full(key)


def in_full(key: Key) -> str:
    return f"{key[1]}.{key[0]}.svc.{DOMAIN}"


def covers_name(host: str, name: str) -> bool:
    """Whether a host of a VirtualService is about a name outside the cluster."""
    return name.endswith(host[1:]) if host.startswith("*") else host == name


def called(thing: Json) -> str:
    """How a message names an object."""
    return f"{thing['kind']} {thing['metadata']['namespace']}/{thing['metadata']['name']}"


def key_of(thing: Json) -> Key:
    return thing["metadata"]["namespace"], thing["metadata"]["name"]

"""What one NetworkPolicy says of a Service's pods: whether it selects them, names them, opens their ports.
Pure. https://kubernetes.io/docs/concepts/services-networking/network-policies/"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from provisioner import isolation
from provisioner.copies.selection import label_selector
from provisioner.isolation import NAMESPACE_NAME
from provisioner.routing.router.backends import Backend, Target

Json = dict[str, Any]


def isolating(policies: Sequence[Json], pod: Any, kind: str) -> list[Json]:
    """The policies that select a pod in one direction."""
    return [
        one
        for one in policies
        if kind in isolation.types(one) and isolation.takes(isolation.pod_selector(one), pod)
    ]


def takes(peer: Json, backend: Backend, namespace: str) -> bool:
    """Whether a peer in a policy of `namespace` is one of a Service's pods. What labels a namespace has is
    not known here: a selector of namespaces is taken to include it, and goes along in what is written."""
    if block := peer.get("ipBlock"):
        return any(_within(address, block) for address in backend.addresses)
    chosen = label_selector("", peer.get("podSelector") or {})
    if chosen is None or not any(chosen.matches(pod) for pod in backend.pods):
        return False
    where = peer.get("namespaceSelector")
    if where is None:
        return backend.namespace == namespace
    return bool((where.get("matchLabels") or {}).get(NAMESPACE_NAME, backend.namespace) == backend.namespace)


def _within(address: str, block: Json) -> bool:
    one = ipaddress.ip_address(address)
    if any(one in ipaddress.ip_network(cidr, strict=False) for cidr in block.get("except") or ()):
        return False
    return one in ipaddress.ip_network(block["cidr"], strict=False)


def opens(rule: Json, target: Target) -> bool:
    """Whether a rule's ports include a target port."""
    ports = rule.get("ports") or ()
    return not ports or any(_is(port, target) for port in ports)


def _is(port: Json, target: Target) -> bool:
    if port.get("protocol", "TCP") != "TCP":
        return False
    number = port.get("port")
    if number is None:
        return True
    if isinstance(number, str):
        return number in target.names
    last = int(port["endPort"]) if "endPort" in port else int(number)
    return any(number <= one <= last for one in target.numbers)

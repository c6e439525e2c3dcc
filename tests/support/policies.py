"""Who may reach whom under NetworkPolicies, as Kubernetes defines it; apart from the product's own reading.

https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Json = dict[str, Any]
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Pod:
    """A pod, with the labels of its namespace beside the name's, and its named ports."""

    namespace: str
    labels: Labels
    address: str = "10.0.0.1"
    ports: Mapping[str, int] = field(default_factory=dict)
    of_namespace: Labels = field(default_factory=dict)

    @property
    def namespace_labels(self) -> dict[str, str]:
        return {"kubernetes.io/metadata.name": self.namespace, **self.of_namespace}


@dataclass(frozen=True)
class Outside:
    """An address that is no pod's."""

    address: str


End = Pod | Outside


def allowed(policies: Sequence[Json], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    """Whether a connection from `source` to a port of `target` is let out by the one and in by the other."""
    asked = (port, protocol)
    leaves = _passes(policies, source, target, "Egress", target, asked)
    return leaves and _passes(policies, target, source, "Ingress", target, asked)


def _passes(
    policies: Sequence[Json], subject: End, other: End, way: str, target: End, asked: tuple[int, str]
) -> bool:
    if isinstance(subject, Outside):
        return True
    rules_key, peers_key = ("ingress", "from") if way == "Ingress" else ("egress", "to")
    mine = [one for one in policies if way in _types(one["spec"]) and _selects(one, subject)]
    if not mine:
        return True
    return any(
        _peers(rule.get(peers_key), other, one["metadata"]["namespace"])
        and _ports(rule.get("ports"), target, asked)
        for one in mine
        for rule in one["spec"].get(rules_key) or []
    )


def _types(spec: Json) -> list[str]:
    if spec.get("policyTypes"):
        return list(spec["policyTypes"])
    return ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _selects(policy: Json, pod: Pod) -> bool:
    same = policy["metadata"]["namespace"] == pod.namespace
    return same and matches(policy["spec"].get("podSelector") or {}, pod.labels)


def _peers(peers: list[Json] | None, other: End, namespace: str) -> bool:
    return not peers or any(_peer(one, other, namespace) for one in peers)


def _peer(peer: Json, other: End, namespace: str) -> bool:
    if "ipBlock" in peer:
        block, address = peer["ipBlock"], ip_address(other.address)
        out = any(address in ip_network(one) for one in block.get("except") or [])
        return address in ip_network(block["cidr"]) and not out
    if isinstance(other, Outside):
        return False
    spaces = peer.get("namespaceSelector")
    near = other.namespace == namespace if spaces is None else matches(spaces, other.namespace_labels)
    return near and matches(peer.get("podSelector") or {}, other.labels)


def _ports(ports: list[Json] | None, target: End, asked: tuple[int, str]) -> bool:
    return not ports or any(_port(one, target, asked) for one in ports)


def _port(wanted: Json, target: End, asked: tuple[int, str]) -> bool:
    number, protocol = asked
    if wanted.get("protocol", "TCP") != protocol:
        return False
    first = wanted.get("port")
    if first is None:
        return True
    if isinstance(first, str):
        return isinstance(target, Pod) and target.ports.get(first) == number
    return bool(first <= number <= wanted.get("endPort", first))


def matches(selector: Json, labels: Labels) -> bool:
    """A `metav1.LabelSelector`; the empty one takes everything."""
    equal = (selector.get("matchLabels") or {}).items()
    return all(labels.get(key) == value for key, value in equal) and all(
        _meets(one, labels) for one in selector.get("matchExpressions") or []
    )


def _meets(one: Json, labels: Labels) -> bool:
    there, value = one["key"] in labels, labels.get(one["key"])
    match one["operator"]:
        case "In":
            return there and value in one["values"]
        case "NotIn":
            return not there or value not in one["values"]
        case "Exists":
            return there
        case "DoesNotExist":
            return not there
    raise AssertionError(f"no such operator: {one}")

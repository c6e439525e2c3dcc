"""What NetworkPolicies have to say beside the user's own, once the router stands in the middle. Pure.

Requests went from a client's pod to an application's pod; now they go from the client's to the router's, and
from there to the application's. So that the same clients as before, and no others, get through:

* the router's pods let in, at each listener port, exactly those that the policies of the Service's pods let
  in at its target port: all, where no policy isolates them;
* the Service's pods let the router's pods in at their target ports, where a policy isolates them;
* pods whose egress rules lead to a Service's pods may also go to the router's pods, at that Service's
  listener ports, by an addition to each such policy;
* the router's pods may go where they must, where a policy isolates them: to the Services' pods, to the lanes'
  copies, to discovery and to DNS.

All are objects of their own: no policy of the user's is changed. They are derived anew at each attach. Where
no policy of the namespace concerns the chain, nothing is written.
https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner import labels
from provisioner.copies.selection import label_selector
from provisioner.routing.router import deployment
from provisioner.routing.router.attachment import canonical, digest
from provisioner.routing.router.backends import Backend, Target
from provisioner.routing.router.naming import fitted

Json = dict[str, Any]

NAMESPACE_NAME = "kubernetes.io/metadata.name"  # the label that every namespace has
INGRESS, EGRESS = "Ingress", "Egress"
DNS = 53


@dataclass(frozen=True)
class Scene:
    """A chain in one namespace: what it is to be let through. `policies` are the namespace's, our own left
    out; `backends` are the whole chain's, in all its namespaces."""

    chain: str
    namespace: str
    backends: tuple[Backend, ...]
    policies: tuple[Json, ...]
    discovery_port: int

    @property
    def here(self) -> tuple[Backend, ...]:
        return tuple(one for one in self.backends if one.namespace == self.namespace)


def foreign(policies: Iterable[Json]) -> tuple[Json, ...]:
    """The policies that Laneway did not write."""
    return tuple(one for one in policies if not _is_ours(one["metadata"].get("labels") or {}))


def _is_ours(marks: Json) -> bool:
    return marks.get(labels.MANAGED_BY) == labels.MANAGED_BY_LANEWAY or labels.LANE in marks


def refusals(scene: Scene) -> list[str]:
    """Services whose pods are not all treated alike, so that no single rule at the router can stand for
    them."""
    found = []
    for backend in scene.here:
        kinds: list[set[str]] = [
            {_name(one) for one in _isolating(scene.policies, pod, INGRESS)} for pod in backend.pods
        ]
        if some := sorted(set().union(*kinds) - kinds[0].intersection(*kinds)):
            found.append(
                f"{backend.service}: NetworkPolicy {', '.join(some)} selects some of its pods and not "
                "others, and the router stands in front of all alike; let it select all of them, or none"
            )
    return found


def extensions(scene: Scene) -> list[Json]:
    """The policies to write in the namespace, sorted by name."""
    found = [*_router(scene), *_backends(scene), *_clients(scene)]
    return sorted(found, key=_name)


def _router(scene: Scene) -> Iterator[Json]:
    """What the router's pods let in, and where they may go."""
    marks = deployment.marks(scene.chain)
    kinds = [kind for kind in (INGRESS, EGRESS) if _isolating(scene.policies, marks, kind)]
    if INGRESS not in kinds and any(_is_isolated(scene, one) for one in scene.here):
        kinds.insert(0, INGRESS)
    if not kinds:
        return
    spec: Json = {"podSelector": {"matchLabels": marks}, "policyTypes": kinds}
    if INGRESS in kinds:
        spec["ingress"] = _admitted(scene)
    if EGRESS in kinds:
        spec["egress"] = _onward(scene)
    yield _policy(scene, deployment.name(scene.chain), spec)


def _admitted(scene: Scene) -> list[Json]:
    """Ingress rules of the router: of each listener the peers of the port that it stands for."""
    ports: dict[str, list[int]] = {}
    peers: dict[str, list[Json]] = {}
    for backend in scene.here:
        for target in backend.targets:
            for allowed in _allowed_to(scene, backend, target):
                key = canonical(allowed)
                peers[key] = allowed
                ports.setdefault(key, []).append(target.listener)
    return [
        {**({"from": peers[key]} if peers[key] else {}), "ports": _ports(ports[key])} for key in sorted(peers)
    ]


def _allowed_to(scene: Scene, backend: Backend, target: Target) -> Iterator[list[Json]]:
    """The peers of each rule that opens a target port; no peers means everybody."""
    policies = _isolating(scene.policies, backend.pods[0], INGRESS)
    if not policies:
        yield []
    for policy in policies:
        for rule in policy["spec"].get("ingress") or ():
            if _opens(rule, target):
                yield list(rule.get("from") or ())


def _onward(scene: Scene) -> list[Json]:
    """Egress rules of the router."""
    copies = {
        "matchLabels": {labels.CHAIN: scene.chain},
        "matchExpressions": [{"key": labels.LANE, "operator": "Exists"}],
    }
    backends = [
        {"to": [{"podSelector": {"matchLabels": dict(one.selector)}}], "ports": _given(one)}
        for one in scene.here
    ]
    dns = {"ports": [{"protocol": protocol, "port": DNS} for protocol in ("TCP", "UDP")]}
    return [*backends, {"to": [{"podSelector": copies}]}, {"ports": _ports([scene.discovery_port])}, dns]


def _backends(scene: Scene) -> Iterator[Json]:
    """The Services' pods let the router's in."""
    router = [{"podSelector": {"matchLabels": deployment.marks(scene.chain)}}]
    for backend in scene.here:
        if _is_isolated(scene, backend):
            spec = {
                "podSelector": {"matchLabels": dict(backend.selector)},
                "policyTypes": [INGRESS],
                "ingress": [{"from": router, "ports": _given(backend)}],
            }
            yield _policy(scene, fitted(f"laneway-to-{backend.service}"), spec)


def _clients(scene: Scene) -> Iterator[Json]:
    """Whoever may go to a Service's pods may go to the router's."""
    for policy in scene.policies:
        if rules := list(_outward(scene, policy)):
            spec = {
                "podSelector": policy["spec"].get("podSelector") or {},
                "policyTypes": [EGRESS],
                "egress": rules,
            }
            which = digest([scene.chain, _name(policy)])[:8]
            yield _policy(scene, fitted(f"laneway-from-{_name(policy)}", f"-{which}"), spec)


def _outward(scene: Scene, policy: Json) -> Iterator[Json]:
    for rule in policy["spec"].get("egress") or ():
        if not rule.get("to") and not rule.get("ports"):
            continue  # it opens everything already
        for backend in scene.backends:
            listeners = [target.listener for target in backend.targets if _opens(rule, target)]
            peers = _toward(rule, backend, scene)
            if listeners and peers:
                yield {"to": peers, "ports": _ports(listeners)}


def _toward(rule: Json, backend: Backend, scene: Scene) -> list[Json]:
    """The router's pods in place of each peer of an egress rule that takes a Service's pods."""
    if not rule.get("to"):
        return [_router_in(backend.namespace, scene.chain, {})]
    found: list[Json] = []
    for peer in rule["to"]:
        instead = _instead_of(peer, backend, scene)
        if instead and instead not in found:
            found.append(instead)
    return found


def _instead_of(peer: Json, backend: Backend, scene: Scene) -> Json | None:
    if block := peer.get("ipBlock"):
        inside = any(_within(address, block) for address in backend.addresses)
        return _router_in(backend.namespace, scene.chain, {}) if inside else None
    chosen = label_selector("", peer.get("podSelector") or {})
    if chosen is None or not any(chosen.matches(pod) for pod in backend.pods):
        return None
    where = peer.get("namespaceSelector")
    if where is None:
        return (
            _router_in(backend.namespace, scene.chain, {}) if backend.namespace == scene.namespace else None
        )
    named = (where.get("matchLabels") or {}).get(NAMESPACE_NAME, backend.namespace)
    return _router_in(backend.namespace, scene.chain, where) if named == backend.namespace else None


def _router_in(namespace: str, chain: str, where: Json) -> Json:
    """The router's pods in a namespace, if that also has the labels that `where` asks for."""
    named = {**(where.get("matchLabels") or {}), NAMESPACE_NAME: namespace}
    return {
        "namespaceSelector": {**where, "matchLabels": named},
        "podSelector": {"matchLabels": deployment.marks(chain)},
    }


def _within(address: str, block: Json) -> bool:
    one = ipaddress.ip_address(address)
    if any(one in ipaddress.ip_network(cidr, strict=False) for cidr in block.get("except") or ()):
        return False
    return one in ipaddress.ip_network(block["cidr"], strict=False)


def _opens(rule: Json, target: Target) -> bool:
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


def _isolating(policies: Sequence[Json], pod: Any, kind: str) -> list[Json]:
    """The policies that select a pod in one direction."""
    found = []
    for policy in policies:
        chosen = label_selector("", policy["spec"].get("podSelector") or {})
        if chosen and chosen.matches(pod) and kind in _types(policy):
            found.append(policy)
    return found


def _types(policy: Json) -> Sequence[str]:
    spec = policy["spec"]
    return spec.get("policyTypes") or ((INGRESS, EGRESS) if spec.get("egress") else (INGRESS,))


def _is_isolated(scene: Scene, backend: Backend) -> bool:
    return any(_isolating(scene.policies, pod, INGRESS) for pod in backend.pods)


def _given(backend: Backend) -> list[Json]:
    """The target ports as the Service names them."""
    found: list[Json] = []
    for target in backend.targets:
        port = {"protocol": "TCP", "port": target.given}
        if port not in found:
            found.append(port)
    return found


def _ports(numbers: Iterable[int]) -> list[Json]:
    return [{"protocol": "TCP", "port": number} for number in sorted(set(numbers))]


def _policy(scene: Scene, name: str, spec: Json) -> Json:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": name,
            "namespace": scene.namespace,
            "labels": {**labels.of_chain(scene.chain), labels.ROLE: deployment.ROUTER},
        },
        "spec": spec,
    }


def _name(policy: Json) -> str:
    return str(policy["metadata"]["name"])


def _names(some: Iterable[Json]) -> frozenset[str]:
    return frozenset(_name(one) for one in some)

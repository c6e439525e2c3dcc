"""What NetworkPolicies have to say beside the user's own, once the router stands in the middle. Pure.

Requests went from a client's pod to an application's pod; now they go from the client's to the router's, and
from there to the application's. So that the same clients as before, and no others, get through:

* the router's pods let in, at each listener port, exactly those that the policies of the Service's pods let
  in at its target port: all, where no policy isolates them; and at the port of their readiness Laneway's
  workers, who read there what a release's requests were answered;
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

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from provisioner import labels
from provisioner.isolation import EGRESS, INGRESS, NAMESPACE_NAME
from provisioner.routing.envoy.node import READY_PORT
from provisioner.routing.router import deployment
from provisioner.routing.router.attachment import canonical, digest
from provisioner.routing.router.backends import Backend, Target
from provisioner.routing.router.naming import fitted
from provisioner.routing.router.peers import isolating, opens, takes

Json = dict[str, Any]

DNS = 53
COMPONENT, WORKER = "app.kubernetes.io/component", "worker"  # as the chart labels its pods


@dataclass(frozen=True)
class Scene:
    """A chain in one namespace: what it is to be let through. `policies` are the namespace's, our own left
    out; `backends` are the whole chain's, in all its namespaces."""

    chain: str
    namespace: str
    backends: tuple[Backend, ...]
    policies: tuple[Json, ...]
    discovery_port: int
    home: str = ""  # the namespace of Laneway's workers; empty: nobody reads the router's counters

    @property
    def here(self) -> tuple[Backend, ...]:
        return tuple(one for one in self.backends if one.namespace == self.namespace)


def foreign(policies: Iterable[Json]) -> tuple[Json, ...]:
    """The policies that Laneway did not write."""
    return tuple(one for one in policies if not _is_ours(one["metadata"].get("labels") or {}))


def _is_ours(marks: Json) -> bool:
    return marks.get(labels.MANAGED_BY) == labels.MANAGED_BY_LANEWAY or labels.LANE in marks


def refusals(scene: Scene) -> list[str]:
    """What no addition can make right, each with the policy's name: Services whose pods are not all treated
    alike, so that no rule at the router can stand for them; and policies that would open a way through the
    router to a Service that they do not open themselves."""
    here = [why for one in scene.here for why in (*_uneven(scene, one), *_way_in(scene, one))]
    return [*here, *(why for one in scene.backends for why in _way_out(scene, one))]


def _uneven(scene: Scene, backend: Backend) -> Iterator[str]:
    kinds = [_names(isolating(scene.policies, pod, INGRESS)) for pod in backend.pods]
    if some := sorted(frozenset().union(*kinds) - kinds[0].intersection(*kinds)):
        yield (
            f"{backend.service}: NetworkPolicy {', '.join(some)} selects some of its pods and not others, "
            "and the router stands in front of all alike; let it select all of them, or none"
        )


def _way_in(scene: Scene, backend: Backend) -> Iterator[str]:
    """Policies that select the router's pods, and not a Service's that others isolate."""
    mine = _names(isolating(scene.policies, backend.pods[0], INGRESS))
    for policy in isolating(scene.policies, deployment.marks(scene.chain), INGRESS) if mine else ():
        rules = policy["spec"].get("ingress") or ()
        if _name(policy) not in mine and any(
            opens(rule, _at_router(one)) for rule in rules for one in backend.targets
        ):
            yield (
                f"{backend.service}: NetworkPolicy {_name(policy)} would let its clients in at the router, "
                f"and so to a Service that it does not select; add `{labels.ROLE}: DoesNotExist` to its "
                "podSelector"
            )


def _way_out(scene: Scene, backend: Backend) -> Iterator[str]:
    """Policies whose egress rules take the router's pods, at the listener of a port that they do not open."""
    marks = {**labels.of_chain(scene.chain), **deployment.marks(scene.chain)}
    router = replace(backend, pods=(marks,), addresses=())
    for policy in scene.policies:
        rules = policy["spec"].get("egress") or ()
        for target in backend.targets:
            through = any(_leads(rule, router, scene) and opens(rule, _at_router(target)) for rule in rules)
            if through and not any(_leads(rule, backend, scene) and opens(rule, target) for rule in rules):
                yield (
                    f"{backend.service}: NetworkPolicy {_name(policy)} in {scene.namespace} lets its pods go "
                    f"to the router's at port {target.listener}, and so to a Service to which it does not "
                    f"let them; add `{labels.ROLE}: DoesNotExist` to the podSelector of its egress rule"
                )
                break


def _at_router(target: Target) -> Target:
    """The listener that stands in front of a target port, as a port of the router's pods."""
    return Target(target.listener, target.listener, frozenset({target.listener}), frozenset())


def extensions(scene: Scene) -> list[Json]:
    """The policies to write in the namespace, sorted by name."""
    found = [*_router(scene), *_backends(scene), *_clients(scene)]
    return sorted(found, key=_name)


def _router(scene: Scene) -> Iterator[Json]:
    """What the router's pods let in, and where they may go."""
    marks = deployment.marks(scene.chain)
    kinds = [kind for kind in (INGRESS, EGRESS) if isolating(scene.policies, marks, kind)]
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
    clients = [
        {**({"from": peers[key]} if peers[key] else {}), "ports": _ports(ports[key])} for key in sorted(peers)
    ]
    return [*clients, *_readers(scene)]


def _readers(scene: Scene) -> Iterator[Json]:
    """Who reads the router's counters."""
    if scene.home:
        worker = {
            "namespaceSelector": {"matchLabels": {NAMESPACE_NAME: scene.home}},
            "podSelector": {"matchLabels": {COMPONENT: WORKER}},
        }
        yield {"from": [worker], "ports": _ports([READY_PORT])}


def _allowed_to(scene: Scene, backend: Backend, target: Target) -> Iterator[list[Json]]:
    """The peers of each rule that opens a target port; no peers means everybody."""
    policies = isolating(scene.policies, backend.pods[0], INGRESS)
    if not policies:
        yield []
    for policy in policies:
        for rule in policy["spec"].get("ingress") or ():
            if opens(rule, target):
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
            listeners = [target.listener for target in backend.targets if opens(rule, target)]
            peers = _toward(rule, backend, scene)
            if listeners and peers:
                yield {"to": peers, "ports": _ports(listeners)}


def _toward(rule: Json, backend: Backend, scene: Scene) -> list[Json]:
    """The router's pods in place of each peer of an egress rule that takes a Service's pods."""
    found: list[Json] = []
    if not rule.get("to"):
        return [_router_in(backend.namespace, scene.chain, {})]
    for peer in rule["to"]:
        instead = _router_in(backend.namespace, scene.chain, peer.get("namespaceSelector") or {})
        if takes(peer, backend, scene.namespace) and instead not in found:
            found.append(instead)
    return found


def _leads(rule: Json, backend: Backend, scene: Scene) -> bool:
    """Whether an egress rule takes a Service's pods, whatever the port."""
    return not rule.get("to") or any(takes(peer, backend, scene.namespace) for peer in rule["to"])


def _router_in(namespace: str, chain: str, where: Json) -> Json:
    """The router's pods in a namespace, if that also has the labels that `where` asks for."""
    named = {**(where.get("matchLabels") or {}), NAMESPACE_NAME: namespace}
    return {
        "namespaceSelector": {**where, "matchLabels": named},
        "podSelector": {"matchLabels": deployment.marks(chain)},
    }


def _is_isolated(scene: Scene, backend: Backend) -> bool:
    return any(isolating(scene.policies, pod, INGRESS) for pod in backend.pods)


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

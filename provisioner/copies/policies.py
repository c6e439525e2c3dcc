"""What NetworkPolicies mean for a copy: it may reach, and be reached by, what its original may. Pure.

A copy's labels differ from its baseline's, so policies that select the baseline's pods miss the copy, and
those that name them as peers do not mean it. Policies only ever add up, so a lane gets twins beside them and
changes none:

    of the copy   one policy that selects the copy's pods, with the rules of every policy that they escaped.
                  Where a rule names the pods of a service of the chain as peers, it names that service's copy
                  in this lane as well, whether or not there is one.
    of a peer     for each policy that names the baseline's pods as peers: the same pods selected, the same
                  ports, the copy's pods as peers. It isolates nobody who was not isolated.

What cannot be put right by adding is refused: a rule that means the copy and not its original (`NotIn` the
original's value) would let the copy do more. Where such a policy only isolates the copy, and the original is
free, the copy gets everything back.

A namespace's labels are not known here, other than its name. A peer with a selector of namespaces is taken
over with it, so that it means the same namespaces, whichever they are.

https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner import labels, names
from provisioner.copies import clone, refusals
from provisioner.copies.clone import Order
from provisioner.copies.selection import Labels, label_selector
from provisioner.isolation import EGRESS, INGRESS, NAMESPACE_NAME, pod_selector, takes, types

Json = dict[str, Any]


@dataclass(frozen=True)
class Direction:
    """One half of a policy: its type, where its rules are, and the field of a rule that has the peers."""

    type: str
    rules: str
    peers: str


DIRECTIONS = (Direction(INGRESS, "ingress", "from"), Direction(EGRESS, "egress", "to"))


@dataclass(frozen=True)
class Kin:
    """The pods of one service of the chain, on the baseline."""

    service: str
    namespace: str
    pod: Labels


@dataclass(frozen=True)
class Copied:
    """A copy whose pods have other labels than the baseline's."""

    order: Order
    before: Labels
    after: Labels

    @property
    def namespace(self) -> str:
        return self.order.service.namespace

    def lost(self, selector: Json | None) -> bool:
        """Whether a selector takes the baseline's pods, and not the copy's."""
        return takes(selector, self.before) and not takes(selector, self.after)

    def gained(self, selector: Json | None) -> bool:
        """Whether a selector takes the copy's pods, and not the baseline's."""
        return takes(selector, self.after) and not takes(selector, self.before)


def twins(copy: Copied, kin: Sequence[Kin], policies: Sequence[Json]) -> tuple[Json, ...]:
    """The policies that a copy needs, by name; none where the baseline's mean it already.

    `policies` are those of the chain's namespaces, without any lane's. Raises RefusedError when one of them
    would let the copy do what its original cannot, unless the chain file says `clone: true`.
    """
    if not copy.order.service.clone:
        _refuse_surplus(copy, policies)
    own = _own(copy, kin, [one for one in policies if one["metadata"]["namespace"] == copy.namespace])
    return (*own, *(twin for one in policies for twin in _of_peer(copy, one)))


def followed(twins: Iterable[Json]) -> list[str]:
    """The names of the policies that these were made from, sorted."""
    notes = ((one["metadata"].get("annotations") or {}).get(labels.FOLLOWS, "") for one in twins)
    return sorted({name for note in notes for name in note.split(",") if name})


# --- the copy's own ---------------------------------------------------------------------------------------


def _own(copy: Copied, kin: Sequence[Kin], here: Sequence[Json]) -> Iterator[Json]:
    halves = {way: _half(copy, way, kin, here) for way in DIRECTIONS}
    found = {way: rules for way, rules in halves.items() if rules is not None}
    if found:
        spec = {
            "podSelector": {"matchLabels": copy.order.identity},
            "policyTypes": [way.type for way in found],
            **{way.rules: rules for way, rules in found.items() if rules},
        }
        escaped = [one for one in here if copy.lost(pod_selector(one)) or copy.gained(pod_selector(one))]
        yield _policy(copy, copy.order.service_name, copy.namespace, spec, escaped)


def _half(copy: Copied, way: Direction, kin: Sequence[Kin], here: Sequence[Json]) -> list[Json] | None:
    """The copy's own rules in one direction; None where it needs no policy of its own for it."""
    isolating = [one for one in here if way.type in types(one)]
    original = [one for one in isolating if takes(pod_selector(one), copy.before)]
    if not original:
        caught = any(takes(pod_selector(one), copy.after) for one in isolating)
        return [{}] if caught else None
    escaped = [one for one in original if copy.lost(pod_selector(one))]
    if not escaped:
        return None
    rules = [rule for one in escaped for rule in one["spec"].get(way.rules) or ()]
    return [_with_kin(rule, way, copy, kin) for rule in rules]


def _with_kin(rule: Json, way: Direction, copy: Copied, kin: Sequence[Kin]) -> Json:
    """The rule; peers that mean a service of the chain mean its copy in this lane, too."""
    peers = rule.get(way.peers) or ()
    if not peers:
        return _port_rule(rule, way, ())
    meant = [(_beside(peer, copy, _meant(peer, copy, kin))) for peer in peers]
    return _port_rule(rule, way, [*peers, *(one for one in meant if one is not None)])


def _meant(peer: Json, copy: Copied, kin: Sequence[Kin]) -> list[str]:
    """The services of the chain of which a peer names the baseline's pods by their labels."""
    if not peer.get("podSelector"):
        return []  # all pods of a namespace: the copies among them
    return sorted(
        one.service
        for one in kin
        if _may_reach(peer, copy.namespace, one.namespace) and takes(peer["podSelector"], one.pod)
    )


# --- of peers ---------------------------------------------------------------------------------------------


def _of_peer(copy: Copied, policy: Json) -> Iterator[Json]:
    """The policy's twin that has the copy's pods as peers."""
    found = {way: rules for way in DIRECTIONS if (rules := list(_rules_of_peer(copy, policy, way)))}
    if found:
        spec = {
            "podSelector": pod_selector(policy),
            "policyTypes": [way.type for way in found],
            **{way.rules: rules for way, rules in found.items()},
        }
        yield _policy(copy, _name_of_peer(copy, policy), policy["metadata"]["namespace"], spec, [policy])


def _rules_of_peer(copy: Copied, policy: Json, way: Direction) -> Iterator[Json]:
    """The rules that mean the original and not the copy, meaning the copy alone."""
    namespace = policy["metadata"]["namespace"]
    for rule in _active(policy, way):
        peers = rule.get(way.peers) or ()
        missed = [
            _beside(peer, copy, [copy.order.service.name])
            for peer in peers
            if _may_reach(peer, namespace, copy.namespace) and copy.lost(peer.get("podSelector"))
        ]
        if missed and not any(_surely(peer, namespace, copy.namespace, copy.after) for peer in peers):
            yield _port_rule(rule, way, [one for one in missed if one is not None])


def _name_of_peer(copy: Copied, policy: Json) -> str:
    """A slash is in no object's name, so this is never the name of a copy's own policy."""
    service = copy.order.service
    whole = f"{policy['metadata']['name']}/{service.namespace}/{service.name}"
    return names.derived(whole, copy.order.lane.name)


# --- what adding cannot put right -------------------------------------------------------------------------


def _refuse_surplus(copy: Copied, policies: Sequence[Json]) -> None:
    for policy in policies:
        for way in DIRECTIONS:
            if _catches(copy, policy, way, policies) or _admits_more(copy, policy, way):
                refusals.surplus(copy.order.service, _where(policy))


def _catches(copy: Copied, policy: Json, way: Direction, policies: Sequence[Json]) -> bool:
    """Whether the copy gets rules of a policy that does not select its original, which others isolate."""
    if policy["metadata"]["namespace"] != copy.namespace or not copy.gained(pod_selector(policy)):
        return False
    isolated = any(
        way.type in types(one) and takes(pod_selector(one), copy.before)
        for one in policies
        if one["metadata"]["namespace"] == copy.namespace
    )
    return isolated and bool(list(_active(policy, way)))


def _admits_more(copy: Copied, policy: Json, way: Direction) -> bool:
    """Whether a rule has the copy for a peer, and not its original."""
    namespace = policy["metadata"]["namespace"]
    for rule in _active(policy, way):
        peers = rule.get(way.peers) or ()
        more = any(
            _may_reach(peer, namespace, copy.namespace) and copy.gained(peer.get("podSelector"))
            for peer in peers
        )
        if more and not any(_surely(peer, namespace, copy.namespace, copy.before) for peer in peers):
            return True
    return False


# --- reading and writing policies -------------------------------------------------------------------------


def _active(policy: Json, way: Direction) -> Sequence[Json]:
    rules: Sequence[Json] = policy["spec"].get(way.rules) or ()
    return rules if way.type in types(policy) else ()


def _may_reach(peer: Json, policy_namespace: str, namespace: str) -> bool:
    """Whether a peer may mean pods of a namespace, of which the name is all that is known."""
    if "ipBlock" in peer:
        return False
    if peer.get("namespaceSelector") is None:
        return policy_namespace == namespace
    rule = label_selector("", peer["namespaceSelector"])
    by_name = [one for one in rule.requirements if one.key == NAMESPACE_NAME] if rule else []
    return all(one.met({NAMESPACE_NAME: namespace}) for one in by_name)


def _surely(peer: Json, policy_namespace: str, namespace: str, pod: Labels) -> bool:
    """Whether a peer means these pods, whatever other labels their namespace has."""
    if not _may_reach(peer, policy_namespace, namespace):
        return False
    rule = label_selector("", peer.get("namespaceSelector"))
    known = rule is None or all(one.key == NAMESPACE_NAME for one in rule.requirements)
    return known and (peer.get("podSelector") is None or takes(peer["podSelector"], pod))


def _beside(peer: Json, copy: Copied, services: Sequence[str]) -> Json | None:
    """A peer in the same namespaces that means the copies of these services in the lane; None for none."""
    if not services:
        return None
    lane = copy.order.lane
    mine = {
        "matchLabels": {labels.CHAIN: lane.chain, labels.LANE: lane.name},
        "matchExpressions": [{"key": labels.SERVICE, "operator": "In", "values": list(services)}],
    }
    where = {key: peer[key] for key in ("namespaceSelector",) if peer.get(key) is not None}
    return {"podSelector": mine, **where}


def _port_rule(rule: Json, way: Direction, peers: Iterable[Json]) -> Json:
    """A rule with the same ports, as a server would keep it."""
    ports = [{"protocol": "TCP", **port} for port in rule.get("ports") or ()]
    there = list(peers)
    return {**({way.peers: there} if there else {}), **({"ports": ports} if ports else {})}


def _policy(copy: Copied, name: str, namespace: str, spec: Json, follows: Iterable[Json]) -> Json:
    order = copy.order
    metadata = clone.metadata(order, name, order.labels, {}) | {"namespace": namespace}
    whole = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": spec,
    }
    noted = ",".join(sorted(one["metadata"]["name"] for one in follows))
    return clone.sealed(whole, {labels.FOLLOWS: noted})


def _where(policy: Json) -> str:
    return f"NetworkPolicy/{policy['metadata']['name']}"

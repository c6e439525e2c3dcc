"""NetworkPolicies with the router in the middle: the same clients as before get through, and no others.

The property is held by an evaluator that knows nothing of how the additions are made
(tests/support/policies.py).
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from provisioner import labels
from provisioner.routing.envoy.node import READY_PORT
from provisioner.routing.router import backends, deployment, policies
from provisioner.routing.router.attachment import Attachment
from provisioner.routing.router.policies import Scene
from tests.support.policies import Pod, allowed

Json = dict[str, Any]
TEAMS = {"shop": {"team": "a"}, "bank": {"team": "b"}, "web": {"team": "b"}}  # labels of each namespace


def pod(
    namespace: str, marks: dict[str, str], ports: dict[str, int] | None = None, address: str = "10.0.0.9"
) -> Pod:
    return Pod(namespace, marks, address, ports or {}, TEAMS.get(namespace, {}))


# a chain of three Services in two namespaces, and pods that call them

APPS = {"frontend": "shop", "orders": "shop", "payment": "bank"}
PORTS = {"web": 8080, "admin": 9090}
PODS = {
    name: pod(namespace, {"app": name, "tier": "back"}, PORTS, f"10.0.0.{place}")
    for place, (name, namespace) in enumerate(APPS.items(), 1)
}
STRANGERS = [pod("shop", {"app": "other"}), pod("bank", {"app": "other", "tier": "back"}), pod("web", {})]


def attached(name: str, first: int) -> Attachment:
    ports = [{"name": "a", "port": 80, "targetPort": "web"}, {"name": "b", "port": 90, "targetPort": 9090}]
    metadata = {"name": name, "namespace": APPS[name]}
    spec = {"clusterIP": "10.1.0.1", "selector": {"app": name}, "ports": ports}
    obj = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    return Attachment("shop", obj, {"80": first, "90": first + 1})


def listed(pod: Pod, name: str) -> Json:
    ports = [{"name": key, "containerPort": value} for key, value in pod.ports.items()]
    return {
        "metadata": {"name": name, "namespace": pod.namespace, "labels": pod.labels},
        "spec": {"containers": [{"name": "app", "ports": ports}]},
        "status": {"podIPs": [{"ip": pod.address}]},
    }


ATTACHED = [attached("frontend", 10001), attached("orders", 10003), attached("payment", 10001)]
BACKENDS = tuple(backends.backend(one, [listed(PODS[one.name], one.name)]) for one in ATTACHED)


def router(namespace: str) -> Pod:
    marks = {**labels.of_chain("shop"), **deployment.marks("shop")}
    return pod(namespace, marks, address="10.0.1.1")


def scenes(rules: list[Json]) -> list[Scene]:
    return [
        Scene(
            "shop",
            name,
            BACKENDS,
            tuple(one for one in rules if one["metadata"]["namespace"] == name),
            18000,
            "laneway-system",
        )
        for name in ("bank", "shop")
    ]


selectors = st.sampled_from(
    [
        {},
        {"matchLabels": {"app": "payment"}},
        {"matchLabels": {"app": "frontend"}},
        {"matchLabels": {"tier": "back"}},
        {"matchExpressions": [{"key": "app", "operator": "In", "values": ["orders", "other"]}]},
        {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["payment"]}]},
    ]
)
spaces = st.sampled_from(
    [
        {},
        {"matchLabels": {"team": "b"}},
        {"matchLabels": {"kubernetes.io/metadata.name": "shop", **TEAMS["shop"]}},
    ]
)
peers = st.one_of(
    selectors.map(lambda one: {"podSelector": one}),
    spaces.map(lambda one: {"namespaceSelector": one}),
    st.builds(lambda one, two: {"podSelector": one, "namespaceSelector": two}, selectors, spaces),
)
ports = st.sampled_from(
    [
        {"protocol": "TCP", "port": 8080},
        {"protocol": "TCP", "port": "web"},
        {"port": 9090},
        {"protocol": "TCP", "port": 8000, "endPort": 9100},
        {"protocol": "UDP", "port": 8080},
        {"protocol": "TCP"},
    ]
)


@st.composite
def rule(draw: st.DrawFn, side: str) -> Json:
    found: Json = {}
    if some := draw(st.lists(peers, max_size=2)):
        found[side] = some
    if some := draw(st.lists(ports, max_size=2)):
        found["ports"] = some
    return found


@st.composite
def policy(draw: st.DrawFn, number: int) -> Json:
    kinds = draw(st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]]))
    spec: Json = {"podSelector": draw(selectors), "policyTypes": kinds}
    for kind, side in (("Ingress", "from"), ("Egress", "to")):
        if kind in kinds:
            spec[kind.lower()] = draw(st.lists(rule(side), max_size=2))
    return named(f"rule-{number}", draw(st.sampled_from(["shop", "bank"])), spec)


def named(name: str, namespace: str, spec: Json) -> Json:
    return {"kind": "NetworkPolicy", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


several = st.integers(0, 4).flatmap(lambda count: st.tuples(*(policy(number) for number in range(count))))


def through_the_router(rules: list[Json], client: Pod, name: str, place: int) -> bool:
    target = next(one for one in BACKENDS if one.service == name).targets[place]
    middle, end = router(APPS[name]), PODS[name]
    (number,) = target.numbers
    return allowed(rules, client, middle, target.listener) and allowed(rules, middle, end, number)


@given(several)
@settings(max_examples=300)
def test_who_could_reach_a_service_can_through_the_router_and_nobody_else(found: tuple[Json, ...]) -> None:
    before = list(found)
    assume(not any(policies.refusals(one) for one in scenes(before)))
    after = before + [one for scene in scenes(before) for one in policies.extensions(scene)]
    for name, end in PODS.items():
        for client in [*PODS.values(), *STRANGERS]:
            for place, number in enumerate(PORTS.values()) if client != end else ():
                direct = allowed(before, client, end, number)
                assert through_the_router(after, client, name, place) is direct, (client, name, number)
                assert allowed(after, client, end, number) is direct, "nobody gets another way in"


def deny(namespace: str = "shop") -> Json:
    return named("deny", namespace, {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})


def test_under_default_deny_the_router_reaches_discovery_and_nothing_else_abroad() -> None:
    after = [deny(), *(one for scene in scenes([deny()]) for one in policies.extensions(scene))]
    discovery = pod("web", {"app": "discovery"})
    assert allowed(after, router("shop"), discovery, 18000)
    assert not allowed(after, router("shop"), discovery, 18001)


def test_under_default_deny_laneways_workers_alone_read_the_routers_counters() -> None:
    after = [deny(), *(one for scene in scenes([deny()]) for one in policies.extensions(scene))]
    reads = {
        (space, component): allowed(
            after, pod(space, {"app.kubernetes.io/component": component}), router("shop"), READY_PORT
        )
        for space in ("laneway-system", "web")
        for component in ("worker", "serve")
    }
    assert [who for who, may in reads.items() if may] == [("laneway-system", "worker")]


def test_under_default_deny_the_router_reaches_the_lanes_copies() -> None:
    (scene,) = [one for one in scenes([deny()]) if one.namespace == "shop"]
    copy = pod("shop", labels.of_copy("shop", "pr-4", "orders"))
    admits = named(
        "twin",
        "shop",
        {"podSelector": {"matchLabels": copy.labels}, "policyTypes": ["Ingress"], "ingress": [{}]},
    )
    assert allowed([deny(), admits, *policies.extensions(scene)], router("shop"), copy, 8080)


def test_where_there_is_no_policy_nothing_is_written() -> None:
    assert [policies.extensions(one) for one in scenes([])] == [[], []]


def test_laneways_own_policies_and_those_of_lanes_are_not_extended() -> None:
    own = named("laneway-to-payment", "shop", {})
    own["metadata"]["labels"] = labels.of_chain("shop")
    twin = named("deny-pr-4", "shop", {})
    twin["metadata"]["labels"] = {labels.LANE: "pr-4"}
    assert policies.foreign([own, deny(), twin]) == (deny(),)


def test_a_policy_that_selects_some_pods_of_a_service_is_refused_by_name() -> None:
    green = listed(pod("shop", {"app": "orders", "color": "green"}, PORTS), "green")
    blue = listed(pod("shop", {"app": "orders", "color": "blue"}, PORTS), "blue")
    some = named(
        "only-green", "shop", {"podSelector": {"matchLabels": {"color": "green"}}, "policyTypes": ["Ingress"]}
    )
    scene = Scene("shop", "shop", (backends.backend(ATTACHED[1], [green, blue]),), (some,), 18000)
    (why,) = policies.refusals(scene)
    assert why.startswith("orders: NetworkPolicy only-green selects some of its pods")


def test_an_egress_rule_by_address_leads_to_the_router_where_it_led_to_a_services_pods() -> None:
    block = {"to": [{"ipBlock": {"cidr": "10.0.0.0/29"}}], "ports": [{"port": 8080}]}
    some = named("out", "shop", {"podSelector": {}, "policyTypes": ["Egress"], "egress": [block]})
    after = [some, *(rule for scene in scenes([some]) for rule in policies.extensions(scene))]
    assert through_the_router(after, PODS["frontend"], "orders", 0)
    assert not through_the_router(after, PODS["frontend"], "orders", 1)


@pytest.mark.parametrize("name", ["x" * 63, "a.b.c", "deny"])
def test_names_of_additions_are_valid_and_distinct(name: str) -> None:
    out = {"to": [{"podSelector": {}}], "ports": [{"port": 8080}]}
    some = [
        named(one, "shop", {"podSelector": {}, "policyTypes": ["Egress"], "egress": [out]})
        for one in (name, name + "-2")
    ]
    made = [one["metadata"]["name"] for scene in scenes(some) for one in policies.extensions(scene)]
    assert len(set(made)) == len(made) == 3  # one for each, and the router's own
    assert all(len(one) <= 63 for one in made)

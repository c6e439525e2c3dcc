"""Under whatever NetworkPolicies: a copy can do exactly what its original can; no one else can do more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner import labels
from provisioner.copies import live, plan
from tests.support import baseline as b
from tests.support.policies import End, Outside, Pod, allowed

Json = dict[str, Any]

# `app` and `part` are what Services select by, so a copy has other values; `tier` and `role` stay
KEYS = st.sampled_from(["app", "part", "tier", "role"])
VALUES = st.sampled_from(["payment", "orders", "redis", "back"])
PODS = {
    "payment": {"app": "payment", "part": "back", "tier": "back"},
    "orders": {"app": "orders", "part": "back", "tier": "back", "role": "orders"},
}
BYSTANDERS: dict[str, End] = {
    "redis": Pod("shop", {"app": "redis", "tier": "back"}, "10.1.0.3", {"http": 8080}),
    "router": Pod("shop", {labels.CHAIN: "shop", labels.ROLE: "router"}, "10.1.0.4", {"http": 8080}),
    "monitor": Pod("watch", {"app": "payment"}, "10.1.0.5", {"http": 8080}, {"team": "ops"}),
    "world": Outside("192.0.2.7"),
}
ASKED = [(8080, "TCP"), (9000, "TCP"), (9005, "TCP"), (8080, "UDP")]

EXPRESSIONS = st.one_of(
    st.builds(
        lambda key, operator, values: {"key": key, "operator": operator, "values": values},
        KEYS,
        st.sampled_from(["In", "NotIn"]),
        st.lists(VALUES, min_size=1, max_size=3, unique=True),
    ),
    st.builds(
        lambda key, operator: {"key": key, "operator": operator},
        KEYS,
        st.sampled_from(["Exists", "DoesNotExist"]),
    ),
)
SELECTORS = st.one_of(
    st.just({}),
    st.builds(lambda key, value: {"matchLabels": {key: value}}, KEYS, VALUES),
    st.builds(lambda one: {"matchExpressions": [one]}, EXPRESSIONS),
)
SPACES = st.sampled_from(
    [
        {},
        {"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
        {"matchLabels": {"kubernetes.io/metadata.name": "watch"}},
        {"matchLabels": {"team": "ops"}},
    ]
)
BLOCKS = st.sampled_from(
    [
        {"cidr": "0.0.0.0/0"},
        {"cidr": "0.0.0.0/0", "except": ["10.1.0.0/16"]},
        {"cidr": "192.0.2.0/24", "except": ["192.0.2.7/32"]},
    ]
)
PEERS = st.one_of(
    st.builds(lambda pods: {"podSelector": pods}, SELECTORS),
    st.builds(lambda spaces: {"namespaceSelector": spaces}, SPACES),
    st.builds(lambda spaces, pods: {"namespaceSelector": spaces, "podSelector": pods}, SPACES, SELECTORS),
    st.builds(lambda block: {"ipBlock": block}, BLOCKS),
)
PORTS = st.sampled_from(
    [
        {"port": "http"},
        {"port": 8080},
        {"port": 9000, "endPort": 9010},
        {"protocol": "UDP"},
        {"port": 8080, "protocol": "UDP"},
    ]
)


def rules(peers: str) -> st.SearchStrategy[list[Json]]:
    one = st.fixed_dictionaries(
        {},
        optional={
            peers: st.lists(PEERS, min_size=1, max_size=3),
            "ports": st.lists(PORTS, min_size=1, max_size=2),
        },
    )
    return st.lists(one, max_size=2)


SPECS = st.fixed_dictionaries(
    {"podSelector": SELECTORS},
    optional={
        "ingress": rules("from"),
        "egress": rules("to"),
        "policyTypes": st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]]),
    },
)
APPS = st.sampled_from([{"matchLabels": {"app": app}} for app in ("payment", "orders", "redis")])
# as most are written: some pods by name, isolated, and who may reach them, or whom they may reach, by name
NAMED = st.builds(
    lambda pods, peer, way, more: {
        "podSelector": pods,
        "policyTypes": [way[0]],
        way[1]: [{way[2]: [{"podSelector": peer}, *more]}],
    },
    APPS,
    st.one_of(APPS, SELECTORS),
    st.sampled_from([("Ingress", "ingress", "from"), ("Egress", "egress", "to")]),
    st.lists(PEERS, max_size=1),
)
POLICIES = st.lists(st.one_of(NAMED, NAMED, SPECS), min_size=1, max_size=4)


def policy(number: int, spec: Json, namespace: str = "shop") -> Json:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"policy-{number}", "namespace": namespace},
        "spec": spec,
    }


def planned(given: list[Json], *copied: str, clone: bool = False) -> plan.Plan:
    """The plan for a lane with copies of these services."""
    services = [b.service(name, clone=clone) for name in PODS]
    workloads = [b.deployment(name) for name in PODS]
    for one in workloads:
        one["spec"]["template"]["metadata"]["labels"] = PODS[one["metadata"]["name"]]
    snapshot = replace(
        b.snapshot(),
        workloads=tuple(workloads),
        services=tuple(
            b.kube_service(name, {key: PODS[name][key] for key in ("app", "part")}) for name in PODS
        ),
        policies=tuple(given),
    )
    wanted = [b.wanted(one) for one in services if one.name in copied]
    return plan.make(b.chain(*services), b.lane(), wanted, snapshot)


def twins(made: plan.Plan) -> list[Json]:
    return [one for one in made.desired if one["kind"] == "NetworkPolicy"]


def copies(made: plan.Plan) -> dict[str, Pod]:
    """The pods of the copies, by service."""
    found = [one for one in made.desired if one["kind"] == "Deployment"]
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in found]
    return {
        one[labels.SERVICE]: Pod("shop", one, f"10.1.1.{number}", {"http": 8080})
        for number, one in enumerate(pods, 1)
    }


ORIGINALS: dict[str, End] = {
    name: Pod("shop", pod, f"10.1.0.{number}", {"http": 8080})
    for number, (name, pod) in enumerate(PODS.items(), 1)
}


def ways(
    policies: list[Json], some: dict[str, End], others: dict[str, End]
) -> set[tuple[str, str, int, str]]:
    """Every connection that may be made between ends of the one and ends of the other, in both directions."""
    pairs = [(x, y) for x in some.items() for y in others.items() if x[0] != y[0]]
    return {
        (source, target, *asked)
        for one, other in pairs
        for (source, start), (target, end) in ((one, other), (other, one))
        for asked in ASKED
        if allowed(policies, start, end, *asked)
    }


@settings(max_examples=400)
@given(POLICIES, st.sampled_from([("payment",), ("orders",), ("payment", "orders")]))
def test_a_copy_may_reach_and_be_reached_by_what_its_original_may(
    specs: list[Json], copied: tuple[str, ...]
) -> None:
    given = [policy(number, spec) for number, spec in enumerate(specs)]
    made = planned(given, *copied)
    lane: dict[str, End] = dict(copies(made))
    everything = [*given, *twins(made)]
    originals = {name: ORIGINALS[name] for name in lane}
    around = {**ORIGINALS, **BYSTANDERS}
    for others in (around, BYSTANDERS):
        assert ways(everything, lane, others) == ways(given, originals, others)
    assert ways(everything, lane, lane) == ways(given, originals, originals)
    assert ways(everything, around, around) == ways(given, around, around)


@given(POLICIES)
def test_nothing_is_refused_where_policies_name_what_they_mean(specs: list[Json]) -> None:
    given = [policy(number, spec) for number, spec in enumerate(specs)]
    made = planned(given, "payment")
    if made.problems:
        assert "NotIn" in str(specs) or "DoesNotExist" in str(specs)
        assert "could do more than its original" in str(made.problems["payment"])
        assert planned(given, "payment", clone=True).problems == {}


@given(POLICIES)
def test_twins_that_were_written_leave_nothing_to_write(specs: list[Json]) -> None:
    given = [policy(number, spec) for number, spec in enumerate(specs)]
    first = planned(given, "payment", "orders")
    assert len({plan.identity(one) for one in first.desired}) == len(first.desired)
    assert twins(first) == twins(planned(given, "payment", "orders"))
    assert all(one["metadata"]["labels"][labels.LANE] == "pr-42" for one in twins(first))


def test_a_denial_of_everything_needs_no_twin() -> None:
    deny = policy(1, {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
    assert twins(planned([deny], "payment")) == []


def test_a_copy_is_isolated_as_its_original_is() -> None:
    only_orders = policy(
        1,
        {
            "podSelector": {"matchLabels": {"app": "payment"}},
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "orders"}}}]}],
        },
    )
    [twin] = twins(planned([only_orders], "payment"))
    assert twin["metadata"]["name"] == "payment--pr-42"
    assert twin["metadata"]["annotations"][labels.FOLLOWS] == "policy-1"
    assert twin["spec"]["podSelector"]["matchLabels"][labels.SERVICE] == "payment"
    [first, second] = twin["spec"]["ingress"][0]["from"]
    assert first == {"podSelector": {"matchLabels": {"app": "orders"}}}
    assert second["podSelector"]["matchExpressions"][0]["values"] == ["orders"]


def test_a_policy_that_lets_in_all_but_the_original_is_refused_by_name() -> None:
    odd = policy(
        1,
        {
            "podSelector": {"matchLabels": {"app": "redis"}},
            "ingress": [
                {
                    "from": [
                        {
                            "podSelector": {
                                "matchExpressions": [
                                    {"key": "app", "operator": "NotIn", "values": ["payment"]}
                                ]
                            }
                        }
                    ]
                }
            ],
        },
    )
    problem = planned([odd], "payment").problems["payment"]
    assert "NetworkPolicy/policy-1" in str(problem) and "`clone: true`" in str(problem)


@pytest.mark.parametrize("change", [{"ingress": [{}]}, {"policyTypes": ["Egress"]}])
def test_a_twin_that_somebody_widened_is_written_again(change: Json) -> None:
    only = policy(1, {"podSelector": {"matchLabels": {"app": "payment"}}, "policyTypes": ["Ingress"]})
    [twin] = twins(planned([only], "payment"))
    assert live.is_as_wanted(twin, twin)
    assert not live.is_as_wanted({**twin, "spec": {**twin["spec"], **change}}, twin)

"""From plain objects to an intent and to Envoy's resources; a folder in tests/data/routing is a case.

Each folder has `input.yaml` (the chain, the node, and the objects) and `expected.yaml`. After a change that
is meant, LANEWAY_REGENERATE=1 writes the expected files anew; read the difference before committing it.
"""

from __future__ import annotations

import os
import random
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from provisioner.chain.model import Entry
from provisioner.names import shard
from provisioner.release.model import Phase
from provisioner.routing.attached import build
from provisioner.routing.envoy import CLUSTER, ENDPOINTS, LISTENER, ROUTES, Compiler, Node, compile_intent
from provisioner.routing.envoy.clusters import shards_among
from tests.support.routing import chain, endpoint_slice, lane, release, twin

CASES = sorted(path.parent for path in (Path(__file__).parents[2] / "data" / "routing").glob("*/input.yaml"))
NODE = Node("shop", "shop", "192.0.2.1")
SHARDS = chain(max_lanes=3000).shards


def compiled(data):
    wanted = chain(data["services"], max_lanes=data.get("max_lanes", 50), entry=data.get("entry", ""))
    objects = [
        {"twin": twin, "slice": endpoint_slice, "lane": lane}[kind](**fields)
        for one in data["objects"]
        for kind, fields in one.items()
    ]
    kinds = {
        kind: [one for one in objects if one["kind"] == kind] for kind in ("Service", "EndpointSlice", "Lane")
    }
    intent = build([wanted], kinds["Service"], kinds["EndpointSlice"], kinds["Lane"])
    node = replace(NODE, listeners=tuple(data.get("listeners", ())))
    return intent, compile_intent(intent.chains[0], node)


def plain(intent, resources):
    """What the expected files hold: the intent, and of each resource what the case is about."""
    services = asdict(intent.chains[0])["services"]
    return {
        "services": yaml.safe_load(yaml.safe_dump(listed(services))),
        "endpoints": [one.to_json() for one in resources.get(ENDPOINTS, {}).values()],
        "clusters": sorted(resources.get(CLUSTER, {})),
        "listeners": {
            name: bound(one.to_json()) for name, one in sorted(resources.get(LISTENER, {}).items())
        },
    }


def listed(value):
    """Tuples as lists and enums as text, so that YAML needs no tags."""
    if isinstance(value, dict):
        return {key: listed(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [listed(one) for one in value]
    return value if isinstance(value, int) else str(value)


def bound(listener):
    """Where a listener is, and which filters it has."""
    filters = [one["name"] for chain in listener["filter_chains"] for one in chain["filters"]]
    return {"address": listener.get("address", {}).get("socket_address", "internal"), "filters": filters}


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_case(case):
    found = plain(*compiled(yaml.safe_load((case / "input.yaml").read_text())))
    expected = case / "expected.yaml"
    if os.environ.get("LANEWAY_REGENERATE"):
        expected.write_text(yaml.safe_dump(found, sort_keys=True, width=100))
    assert found == yaml.safe_load(expected.read_text())


def test_there_are_cases():
    assert len(CASES) >= 5


def shop(count, max_lanes=50):
    lanes = [f"pr-{number}" for number in range(count)]
    return {
        "services": ["payment"],
        "max_lanes": max_lanes,
        "objects": [
            {"twin": {"service": "payment"}},
            {"slice": {"service": "payment", "addresses": ["192.0.2.10"]}},
            *({"lane": {"name": name}} for name in lanes),
            *({"slice": {"service": "payment", "addresses": ["192.0.2.20"], "lane": name}} for name in lanes),
        ],
    }


def test_the_order_of_the_input_means_nothing():
    ordered, mixed = shop(20), shop(20)
    random.Random(7).shuffle(mixed["objects"])
    assert compiled(mixed) == compiled(ordered)


def test_clusters_and_listeners_do_not_depend_on_lanes():
    _, none = compiled(shop(0))
    _, many = compiled(shop(40))
    assert none[CLUSTER] == many[CLUSTER]
    assert none[LISTENER] == many[LISTENER]
    assert none[ENDPOINTS] != many[ENDPOINTS]


def test_no_lane_is_in_the_baselines_cluster():
    _, found = compiled(shop(40))
    members = found[ENDPOINTS]["payment:8080"].to_json()["endpoints"][0]["lb_endpoints"]
    assert {one["metadata"]["filter_metadata"]["envoy.lb"]["lane"] for one in members} == {"baseline"}


def test_each_lane_is_in_the_shard_that_its_name_says():
    _, found = compiled(shop(40, max_lanes=3000))
    for name, resource in found[ENDPOINTS].items():
        if "/lanes/" not in name:
            continue
        for level in resource.to_json()["endpoints"]:
            lanes = {
                one["metadata"]["filter_metadata"]["envoy.lb"]["lane"]
                for one in level.get("lb_endpoints", [])
            }
            assert {shard(one, SHARDS) for one in lanes - {"baseline"}} <= {int(name.rsplit("/", 1)[1])}


def test_a_change_of_one_lane_compiles_one_shard_again():
    compiler = Compiler()
    before, _ = compiled(shop(40, max_lanes=3000))
    after_input = shop(40, max_lanes=3000)
    after_input["objects"][-1]["slice"]["addresses"] = ["192.0.2.99"]
    after, _ = compiled(after_input)
    first = compiler.shared(before.chains[0], "shop")[ENDPOINTS]
    second = compiler.shared(after.chains[0], "shop")[ENDPOINTS]
    again = [name for name in first if first[name] is not second[name]]
    assert again == [f"payment:8080/lanes/{shard('pr-39', SHARDS)}"]


def test_the_readiness_listener_waits_for_every_listener_the_pod_was_started_for():
    assert "ready" in compiled({**shop(0), "listeners": [10001]})[1][LISTENER]
    assert "ready" not in compiled({**shop(0), "listeners": [10001, 10002]})[1][LISTENER]


@pytest.mark.parametrize(("lanes", "shards"), [(1, 1), (50, 1), (100, 1), (101, 2), (400, 4), (3000, 32)])
def test_no_shard_is_made_for_more_than_about_100_lanes(lanes, shards):
    assert chain(max_lanes=lanes).shards == shards


@pytest.mark.parametrize("most", [50, 300, 3000])
def test_the_number_of_shards_is_told_from_the_clusters(most):
    wanted = chain(max_lanes=most)
    intent = build([wanted], [twin("payment")], [], []).chains[0]
    assert shards_among(compile_intent(intent, NODE)[CLUSTER]) == wanted.shards


def test_who_has_no_clusters_yet_has_no_shards():
    assert shards_among(()) == 0
    assert shards_among(("payment:8080", "laneway-discovery")) == 0


def releasing(weight, phase=Phase.PROGRESSING):
    """A chain that is entered at payment, whose orders and database nobody enters; payment is released."""
    services = [endpoint_slice("payment", ["192.0.2.10"]), endpoint_slice("payment", ["192.0.2.20"], "v2")]
    twins = [twin("payment"), twin("orders", 10002), twin("database", 10003, 5432)]
    wanted = chain(["payment", "orders", "database"])
    return build([wanted], twins, services, [lane("v2")], [release("v2", weight, phase=phase)]).chains[0]


def changed(before, after):
    """Which resources differ, by type and name."""
    return sorted(
        (kind.rsplit(".", 1)[1], name)
        for kind, resources in after.items()
        for name, one in resources.items()
        if before.get(kind, {}).get(name) != one
    )


def test_a_release_changes_the_routes_of_the_entry_and_nothing_else():
    every = [
        compile_intent(releasing(weight, phase), NODE)
        for weight, phase in (
            (0, Phase.PENDING),
            (0, Phase.PROGRESSING),
            (25, Phase.PROGRESSING),
            (100, Phase.FINISHING),
            (0, Phase.SUCCEEDED),
        )
    ]
    for before, after in pairwise(every):
        assert changed(before, after) == [("RouteConfiguration", "payment:8080/x-preview-lane")]
    assert every[0] == every[-1], "nothing is left of it"


def test_a_change_of_weight_compiles_one_resource():
    compiler = Compiler()
    before = compiler.shared(releasing(10), "shop")
    after = compiler.shared(releasing(25), "shop")
    again = [name for kind in after for name in after[kind] if before[kind][name] is not after[kind][name]]
    assert again == ["payment:8080/x-preview-lane"]


def test_only_where_the_chain_is_entered_by_http_are_routes_a_resource():
    assert list(compile_intent(releasing(25), NODE)[ROUTES]) == ["payment:8080/x-preview-lane"]
    assert ROUTES not in compile_intent(replace(releasing(25), entry=Entry()), NODE)
    assert ROUTES not in Compiler().shared(releasing(25), "elsewhere")


def test_a_chain_that_is_entered_nowhere_has_no_share():
    nowhere = replace(chain(), entry=Entry())
    found = build([nowhere], [twin("payment")], [], [], [release("v2", 25, phase=Phase.FINISHING)])
    assert found.chains[0].share is None

"""A host that lanes share: what is put into it and taken out again, and who finds no room."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner import labels
from provisioner.chain.model import Carriers, Driver, Protocol, Warmup
from provisioner.lane.model import Lane, Mode
from provisioner.routing import drivers
from provisioner.routing.intent import ChainIntent, Copy, Port, Service, State
from provisioner.routing.istio import lines, matches
from provisioner.routing.mesh import Compiled, Existing

Json = dict[str, Any]

SERVED = "x-preview-lane-served"
MATCH = {"uri": {"prefix": "/a"}}
TO = {"destination": {"host": "payment"}}


def virtual(*rules: Json, **more: Json) -> Json:
    """The user's VirtualService of payment, as it lies in the cluster."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "payment", "namespace": "shop", "resourceVersion": "7", **more},
        "spec": {"hosts": ["payment"], "http": list(rules or ({"route": [TO]},))},
    }


def rule(host: str, **more: Any) -> Json:
    metadata = {"name": host, "namespace": "shop", "resourceVersion": "4"}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": metadata,
        "spec": {"host": host, **more},
    }


def intent(*lanes: str, state: State = State.READY, mode: Mode = Mode.LOOSE) -> ChainIntent:
    """A chain of two services, of which lanes have a copy of payment."""
    copies = tuple(Copy(lane, state, (), mode, "", f"payment--{lane}") for lane in sorted(lanes))
    services = tuple(
        Service(name, "shop", (Port("http", 8080, 0, Protocol.HTTP, (), given),))
        for name, given in (("orders", ()), ("payment", copies))
    )
    return ChainIntent("shop", Carriers(), 1, services)


def existing(*theirs: Json, lanes: tuple[str, ...] = ()) -> Existing:
    return Existing({one: Lane("shop", one, uid=f"uid-{one}") for one in lanes}, theirs=theirs)


def compiled(made: ChainIntent, there: Existing) -> Compiled:
    known = drivers.mesh(Driver.ISTIO)
    assert known is not None
    return known.compile(made, there)


def opened(live: Json, *lanes: str) -> Json:
    """The user's VirtualService once these lanes are open."""
    (found,) = compiled(intent(*lanes), existing(live, lanes=lanes)).shared
    return found


def names(thing: Json) -> list[str]:
    return [str(one.get("name", "")) for one in thing["spec"]["http"]]


def test_the_last_lane_leaves_the_users_object_as_it_was() -> None:
    before = virtual({"match": [MATCH], "redirect": {"uri": "/"}}, {"route": [TO]}, annotations={"a": "b"})
    both = opened(before, "pr-1", "pr-2")
    one = compiled(intent("pr-2"), existing(both, lanes=("pr-1",))).shared[0]
    assert "laneway/shop/pr-1" not in names(one) and "laneway/shop/pr-2" in names(one)
    (last,) = compiled(intent(), existing(one, lanes=("pr-2",))).shared
    assert lines.canonical(last) == lines.canonical(before)


def test_what_is_as_it_should_be_is_not_written() -> None:
    there = opened(virtual(), "pr-1")
    assert compiled(intent("pr-1"), existing(there, lanes=("pr-1",))).shared == ()
    assert compiled(intent(), existing(virtual(), lanes=("pr-1",))).shared == ()


def test_kubectl_alone_can_restore_it_by_the_note_on_it() -> None:
    before = virtual({"route": [TO]}, annotations={"a": "b"})
    there = opened(before, "pr-1")
    note = json.loads(there["metadata"]["annotations"][labels.ORIGINAL])
    assert lines.canonical(merged(there, note)) == lines.canonical(before)


def merged(thing: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    found = dict(thing) if isinstance(thing, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


def test_a_user_who_edits_it_while_lanes_exist_keeps_what_is_theirs() -> None:
    there = opened(virtual(), "pr-1", "pr-2")
    slower = deepcopy(there)
    slower["spec"]["http"][-1]["timeout"] = "9s"
    found = compiled(intent("pr-1"), existing(slower, lanes=("pr-1",)))
    assert found.shared[0]["spec"]["http"][-1] == {"route": [TO], "timeout": "9s"}
    assert found.own[0]["spec"]["http"][0]["timeout"] == "9s"
    (last,) = compiled(intent(), existing(found.shared[0], lanes=("pr-1", "pr-2"))).shared
    assert last["spec"]["http"] == [{"route": [TO], "timeout": "9s"}]


def test_a_user_who_writes_it_anew_without_our_lines_gets_them_again() -> None:
    anew = virtual({"route": [TO], "retries": {"attempts": 1}})
    found = compiled(intent("pr-1"), existing(anew, lanes=("pr-1",))).shared[0]
    assert names(found)[0] == "laneway/shop/pr-1" and names(found)[-1] == ""


@settings(deadline=None)  # machines may be busy
@given(st.permutations(["pr-1", "pr-2", "pr-3"]), st.data())
def test_lanes_that_come_and_go_in_any_order_meet_in_the_same_object(order: list[str], data: Any) -> None:
    live, open_lanes = virtual({"match": [MATCH], "route": [TO]}, {"route": [TO]}), set[str]()
    before = deepcopy(live)
    for lane in [*order, *data.draw(st.permutations(order))]:
        open_lanes ^= {lane}
        made = intent(*({lane} & open_lanes))
        live = compiled(made, existing(live, lanes=(lane,))).shared[0]
        wanted = opened(before, *sorted(open_lanes)) if open_lanes else before
        assert lines.canonical(live) == lines.canonical(wanted)


def test_every_host_of_ours_ends_with_a_rule_for_all_requests() -> None:
    (host,) = compiled(intent("pr-1"), existing(lanes=("pr-1",))).shared
    assert host["metadata"]["name"] == "laneway-payment"
    assert host["spec"]["http"][-1] == {"route": [TO]}
    host["metadata"] |= {"resourceVersion": "1", "uid": "2"}
    cut = {**host, "spec": {**host["spec"], "http": host["spec"]["http"][:-1]}}
    assert compiled(intent("pr-1"), existing(cut, lanes=("pr-1",))).shared == (host,)
    gone = compiled(intent(), existing(host, lanes=("pr-1",)))
    assert (gone.shared, gone.released) == ((), (host,))


def test_a_virtual_service_without_http_rules_gets_one_for_all_requests() -> None:
    only_tcp = virtual()
    only_tcp["spec"] = {"hosts": ["payment"], "tcp": [{"route": [TO]}]}
    there = opened(only_tcp, "pr-1")
    assert there["spec"]["http"][-1]["route"] == [TO] and "match" not in there["spec"]["http"][-1]
    (last,) = compiled(intent(), existing(there, lanes=("pr-1",))).shared
    assert lines.canonical(last) == lines.canonical(only_tcp)


def test_a_lane_that_finds_no_room_is_refused_and_the_others_stay() -> None:
    many = [f"pr-{number:05}" for number in range(6500)]
    full = compiled(intent(*many), existing(virtual(), lanes=tuple(many)))
    (host,) = full.shared
    assert len(lines.canonical(host)) <= lines.MOST_BYTES
    said = [one for one in full.findings if one.reason == "HostFull"]
    assert said and all(one.blocks and "close some lanes" in one.message for one in said)
    assert len(full.own) == len(many) - len(said)
    again = compiled(intent("a-late-one"), existing(host, lanes=("a-late-one",)))
    assert again.shared == () and again.own == ()
    assert [one.reason for one in again.findings] == ["HostFull"]
    first = compiled(intent(), existing(host, lanes=(many[0],))).shared[0]
    assert names(first)[:2] == [f"laneway/shop/{one}" for one in many[1:3]]


def test_a_value_that_would_stop_the_routes_of_a_port_is_not_written_and_nothing_else_changes() -> None:
    good = intent("pr-1")
    mine = compiled(good, existing(virtual(), lanes=("pr-1",))).own
    for bad in (
        replace(good, carriers=Carriers(header="x lane")),
        replace(good, carriers=Carriers(baggage="a b")),
        replace(good, services=(replace(good.services[0], name="%REQ(x)%"),)),
    ):
        found = compiled(bad, replace(existing(virtual(), lanes=("pr-1",)), owned=mine))
        assert (found.own, found.shared, found.released) == (mine, (), ())
        assert [(one.reason, one.blocks) for one in found.findings] == [("IllegalValue", True)]


def test_a_strict_lane_that_sleeps_is_missing_and_a_loose_one_is_the_baselines() -> None:
    for mode, wanted in ((Mode.MEMBERS, "directResponse"), (Mode.LOOSE, None)):
        made = intent("pr-1", state=State.ASLEEP, mode=mode)
        own = compiled(made, existing(virtual(), lanes=("pr-1",))).own
        assert [next(iter(one["spec"]["http"][0])) for one in own] == ([wanted] if wanted else [])


def test_a_chain_that_warms_up_has_rules_for_copies_and_for_baselines_without_one() -> None:
    made = replace(intent("pr-1"), warmup=Warmup(timedelta(seconds=30), 5, 2.0))
    balancer = {"loadBalancer": {"simple": "ROUND_ROBIN"}}
    found = compiled(made, existing(rule("payment", trafficPolicy=balancer), lanes=("pr-1",)))
    warm = {"duration": "30s", "minimumPercent": 5, "aggression": 2.0}
    (copy,) = [one for one in found.own if one["kind"] == "DestinationRule"]
    assert copy["spec"]["host"] == "payment--pr-1"
    assert copy["spec"]["trafficPolicy"]["loadBalancer"] == {"simple": "ROUND_ROBIN", "warmup": warm}
    (orders,) = [one for one in found.shared if one["kind"] == "DestinationRule"]
    assert orders["spec"]["host"] == "orders"
    assert orders["spec"]["trafficPolicy"]["loadBalancer"]["warmup"] == warm
    assert [one.reason for one in found.findings] == ["WarmupOfBaseline"]
    orders["metadata"] |= {"resourceVersion": "1", "uid": "2"}
    still = compiled(made, existing(orders, virtual(), lanes=("pr-1",)))
    assert orders not in (*still.released, *still.shared)
    assert compiled(intent(), existing(orders, lanes=("pr-1",))).released == (orders,)


@pytest.mark.parametrize(
    ("root", "leaf", "is_joined"),
    [
        ({"uri": {"prefix": "/a"}}, {"uri": {"prefix": "/a/b"}}, True),
        ({"uri": {"prefix": "/a/b"}}, {"uri": {"prefix": "/a"}}, False),
        ({"uri": {"prefix": "/a"}}, {"uri": {"exact": "/a/b"}}, True),
        ({"uri": {"exact": "/a"}}, {"uri": {"prefix": "/a"}}, False),
        ({"uri": {"exact": "/a"}}, {"uri": {"exact": "/a"}}, True),
        ({"uri": {"regex": "/a.*"}}, {"uri": {"exact": "/a"}}, False),
        ({"uri": {"prefix": "/a"}}, {"uri": {"regex": "/a.*"}}, False),
        ({"headers": {"x": {}}}, {"headers": {"x": {"exact": "1"}}}, False),
        ({"headers": {"x": {"exact": "1"}}}, {"headers": {"y": {"regex": ".*"}}}, True),
        ({"headers": {"x": {"exact": "1"}}}, {"ignoreUriCase": True}, False),
        ({"port": 80}, {"port": 81}, False),
        ({"port": 80}, {}, True),
        ({"sourceNamespace": "a"}, {}, False),
        ({}, {"sourceNamespace": "a"}, True),
        ({"sourceLabels": {"a": "1"}}, {"sourceLabels": {"a": "2"}}, False),
        ({"gateways": ["mesh"]}, {"gateways": ["mesh", "x"]}, False),
        ({"gateways": ["mesh", "x"]}, {"gateways": ["x"]}, True),
    ],
)
def test_matches_are_joined_or_refused_as_istio_does(root: Json, leaf: Json, is_joined: bool) -> None:
    assert matches.conflict(root, leaf) != is_joined
    found = matches.join([root], [leaf])
    assert (found is not None) == is_joined
    if found is not None:
        assert {key for one in found for key in one} == root.keys() | leaf.keys()


def test_filters_find_every_rule_that_leads_to_a_loose_lanes_own_copy_and_no_other() -> None:
    made = replace(intent("pr-1"), failover=True)
    split = {"route": [{**TO, "weight": 50}, {"destination": {"host": "other"}, "weight": 50}]}
    live = virtual({"name": "a", "match": [{**MATCH, "name": "m"}], "route": [TO]}, split, {"route": [TO]})
    found = compiled(made, existing(live, lanes=("pr-1",))).own
    (filtering,) = [one for one in found if one["kind"] == "EnvoyFilter"]
    (delegate,) = [one for one in found if one["kind"] == "VirtualService"]
    cluster, *routes = filtering["spec"]["configPatches"]
    value = cluster["patch"]["value"]
    assert value["cluster_type"]["typed_config"]["clusters"] == [
        "outbound|8080||payment--pr-1.shop.svc.cluster.local",
        "outbound|8080||payment.shop.svc.cluster.local",
    ]
    vhosts = [one["match"]["routeConfiguration"]["vhost"] for one in routes]
    assert {one["name"] for one in vhosts} == {"payment.shop.svc.cluster.local:8080"}
    assert [one["route"]["name"] for one in vhosts] == ["laneway/shop/pr-1-0-a.m", "laneway/shop/pr-1-2"]
    assert {one["patch"]["value"]["route"]["cluster"] for one in routes} == {value["name"]}
    assert [one["name"] for one in delegate["spec"]["http"]] == ["0-a", "1", "2"]
    said = [SERVED in str(one) for one in delegate["spec"]["http"]]
    assert said == [False, True, False], "who answers, a route cannot know"


@pytest.mark.parametrize(
    "made",
    [
        intent("pr-1", mode=Mode.MEMBERS),
        intent("pr-1", state=State.UNREADY, mode=Mode.MEMBERS),
        replace(
            intent(),
            services=(
                Service(
                    "payment",
                    "shop",
                    (
                        Port(
                            "http",
                            8080,
                            0,
                            Protocol.HTTP,
                            (),
                            (Copy("pr-1", State.READY, (), Mode.LOOSE, "parent", "payment--parent"),),
                        ),
                    ),
                ),
            ),
        ),
    ],
    ids=["strict", "missing", "a parent's copy"],
)
def test_nothing_stands_in_for_what_is_not_a_loose_lanes_own(made: ChainIntent) -> None:
    found = compiled(replace(made, failover=True), existing(virtual(), lanes=("pr-1",))).own
    assert found and not [one for one in found if one["kind"] == "EnvoyFilter"]

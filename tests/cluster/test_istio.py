"""Lanes through Istio, beside what a team has in its mesh: a real istiod, and Envoys that it tells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster.dev.cluster.context import ClusterError, Context
from provisioner import labels
from provisioner.cluster import Cluster
from provisioner.routing.istio import lines
from tests.support import mesh
from tests.support.istio import content
from tests.support.istiotown import PORT, Door, Town, rejected, town
from tests.support.waiting import until

Json = dict[str, Any]

TO_PAYMENT = {"destination": {"host": "payment"}}
TO_FRONTEND = {"destination": {"host": "frontend"}}


@pytest.fixture
def here(
    real: Context, cluster: Cluster, namespace: str, tmp_path: Path
) -> Iterator[tuple[Town, mesh.Proxy]]:
    try:
        real.kubectl("get", "virtualservices", "--all-namespaces")
    except ClusterError:
        pytest.skip("this cluster has no Istio")
    with town(real, cluster, namespace, tmp_path / "mirrors") as (made, sidecar):
        yield made, sidecar
        assert rejected(sidecar) == 0, "Envoy refused what istiod made of our objects"


def payment(proxy: mesh.Proxy) -> Door:
    return Door(proxy.address, PORT, f"payment:{PORT}")


def test_a_lanes_requests_are_treated_as_the_users_rules_say(here: tuple[Town, mesh.Proxy]) -> None:
    shop, sidecar = here
    shop.rule("payment", host="payment", subsets=[{"name": "v1", "labels": {}}, {"name": "v2", "labels": {}}])
    shop.virtual("more", http=[{"match": [{"uri": {"prefix": "/more/x"}}], "route": [TO_PAYMENT]}])
    before = shop.virtual(
        "payment",
        hosts=["payment"],
        http=[
            {"match": [{"uri": {"prefix": "/old"}}], "redirect": {"uri": "/new"}},
            {
                "match": [{"uri": {"prefix": "/Any"}, "ignoreUriCase": True}],
                "rewrite": {"uri": "/rewritten"},
                "route": [TO_PAYMENT],
            },
            {"match": [{"uri": {"prefix": "/more"}}], "delegate": {"name": "more"}},
            {"match": [{"uri": {"prefix": "/front"}}], "route": [TO_FRONTEND]},
            {
                "match": [{"headers": {"x-tenant": {"regex": "ac.*"}}}],
                "headers": {"request": {"set": {"x-rule": "tenant"}}},
                "route": [
                    {"destination": {"host": "payment", "subset": "v1"}, "weight": 50},
                    {"destination": {"host": "payment", "subset": "v2"}, "weight": 50},
                ],
            },
            {"match": [{"uri": {"prefix": "/"}}], "route": [TO_PAYMENT], "timeout": "9s"},
        ],
    )
    shop.open("pr-1", "payment")
    shop.open("pr-42", "payment")
    door = payment(sidecar)
    for lane in ("pr-1", "pr-42"):
        mine = f"payment={lane}"
        assert door.becomes(mine, x_preview_lane=lane).said == mine
        assert door.ask("/old", x_preview_lane=lane).to.endswith("/new")
        assert door.ask("/ANY/x", x_preview_lane=lane).path == "/rewritten/x"
        assert door.ask("/any", x_preview_lane=lane).who == mine
        assert door.ask("/more/x", x_preview_lane=lane).who == mine
        assert door.ask("/front", x_preview_lane=lane).said == "frontend=baseline"
        tenant = [door.ask(x_tenant="acme", x_preview_lane=lane) for _ in range(8)]
        assert {(one.who, one.headers["x-rule"]) for one in tenant} == {(mine, "tenant")}
    for path, wanted in (
        ("/", "payment"),
        ("/any", "payment"),
        ("/more/x", "payment"),
        ("/front", "frontend"),
    ):
        plain, other = door.ask(path), door.ask(path, x_preview_lane="pr-4")
        assert (plain.who, plain.said) == (f"{wanted}=baseline", "")
        assert (other.who, other.said) == (f"{wanted}=baseline", f"{wanted}=baseline")
    assert door.ask(x_tenant="acme").headers["x-rule"] == "tenant"
    shop.close("pr-1")
    assert door.ask(x_preview_lane="pr-42").who == "payment=pr-42"
    shop.close("pr-42")
    after = shop.live("virtualservice", "payment")
    assert lines.canonical(content(after)) == lines.canonical(content(before))
    door.becomes("payment=baseline", x_preview_lane="pr-42")


def test_what_the_user_applies_again_is_merged_again(here: tuple[Town, mesh.Proxy]) -> None:
    shop, sidecar = here
    thing = shop.virtual("payment", hosts=["payment"], http=[{"route": [TO_PAYMENT]}])
    shop.open("pr-1", "payment")
    payment(sidecar).becomes("payment=pr-1", x_preview_lane="pr-1")
    text = json.dumps(
        {
            **{key: thing[key] for key in ("apiVersion", "kind")},
            "metadata": {"name": "payment", "namespace": shop.namespace},
            "spec": {"hosts": ["payment"], "http": [{"route": [TO_PAYMENT], "timeout": "7s"}]},
        }
    )
    shop.real.kubectl("apply", "-f", "-", given=text)  # on the client's side, as most people do
    shop.settle("pr-1")
    found = shop.live("virtualservice", "payment")
    names = [one.get("name", "") for one in found["spec"]["http"]]
    assert (names[0], names[-1]) == (f"laneway/{shop.name}/pr-1", "")
    assert found["spec"]["http"][-1]["timeout"] == "7s"
    payment(sidecar).becomes("payment=pr-1", x_preview_lane="pr-1")
    note = found["metadata"]["annotations"][labels.ORIGINAL]
    where = ("virtualservice", "payment", "--namespace", shop.namespace)
    shop.real.kubectl("patch", *where, "--type", "merge", "--patch", note)
    assert shop.live(*where[:2])["spec"]["http"] == [{"route": [TO_PAYMENT], "timeout": "7s"}]
    payment(sidecar).becomes("payment=baseline", x_preview_lane="pr-1")


def test_where_a_gateway_leads_in_every_carrier_becomes_the_header(here: tuple[Town, mesh.Proxy]) -> None:
    shop, _ = here
    entry = "entry: {service: frontend, host: '{lane}.preview.example.com', cookie: lane}\n"
    shop.chain = shop.parsed(entry)
    with mesh.gateway(shop.place, {"istio": shop.name}) as proxy:
        door = opened(shop, proxy)
        shop.open("pr-4", "payment")
        shop.open("pr-42", "frontend")
        assert door.becomes("frontend=pr-42", x_preview_lane="pr-42").said == "frontend=pr-42"
        for named in ({"baggage": "a=1,preview-lane = pr-42;x"}, {"cookie": "a=b; lane=pr-42"}):
            found = door.becomes("frontend=pr-42", **named)
            assert found.headers["x-preview-lane"] == "pr-42"
        found = door.becomes("frontend=pr-42", host="PR-42.preview.example.com")
        assert found.headers["x-preview-lane"] == "pr-42"
        passed = door.ask(baggage="preview-lane=pr-4")
        assert (passed.who, passed.said) == ("frontend=baseline", "frontend=baseline")
        assert passed.headers["x-preview-lane"] == "pr-4", "the next service finds it by the header"
        assert door.ask("/pay", cookie="lane=pr-4").who == "payment=pr-4"
        first = door.ask(x_preview_lane="pr-42", baggage="preview-lane=pr-4", cookie="lane=pr-4")
        assert first.who == "frontend=pr-42", "the header wins"
        second = door.ask(baggage="preview-lane=pr-42", cookie="lane=pr-4")
        assert second.who == "frontend=pr-42", "the baggage wins over the cookie"
        assert (
            door.ask(host="pr-4.preview.example.com", cookie="lane=pr-42").headers["x-preview-lane"] == "pr-4"
        )
        plain = door.ask(baggage="a=1", cookie="lanes=pr-42")
        assert (plain.who, plain.said) == ("frontend=baseline", "") and "x-preview-lane" not in plain.headers
        assert rejected(proxy) == 0


@pytest.mark.parametrize("untrusted", ["baseline", "forbidden"])
def test_an_entry_that_trusts_nothing_lets_no_lane_in_from_outside(
    here: tuple[Town, mesh.Proxy], untrusted: str
) -> None:
    shop, sidecar = here
    shop.chain = shop.parsed(f"entry: {{service: frontend, trust: none, untrusted: {untrusted}}}\n")
    with mesh.gateway(shop.place, {"istio": shop.name}) as proxy:
        door = opened(shop, proxy)
        shop.open("pr-42", "frontend")
        inside = Door(sidecar.address, PORT, f"frontend:{PORT}")
        inside.becomes("frontend=pr-42", x_preview_lane="pr-42")
        door.becomes("frontend=baseline")
        for named in (
            {"x_preview_lane": "pr-42"},
            {"x_preview_lane": "PR 42"},
            {"baggage": "preview-lane=pr-42"},
        ):
            found = door.ask(**named)
            if untrusted == "forbidden":
                assert found.status == 403 and "may name a lane" in found.text
            else:
                assert found.who == "frontend=baseline"
                assert not {"x-preview-lane", "baggage"} & found.headers.keys()
        assert rejected(proxy) == 0


def opened(shop: Town, proxy: mesh.Proxy) -> Door:
    """The team's Gateway at that proxy, and its VirtualService."""
    (port,) = mesh.free_ports(proxy.address, 1)
    server = {
        "port": {"number": port, "name": "http", "protocol": "HTTP"},
        "bind": proxy.address,
        "hosts": ["*"],
    }
    gateway = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "outside", "namespace": shop.namespace},
        "spec": {"selector": {"istio": shop.name}, "servers": [server]},
    }
    shop.real.apply(gateway)
    shop.virtual(
        "outside",
        hosts=["shop.example.com"],
        gateways=["outside"],
        http=[{"match": [{"uri": {"prefix": "/pay"}}], "route": [TO_PAYMENT]}, {"route": [TO_FRONTEND]}],
    )
    proxy.wait_for(port)
    return Door(proxy.address, port, "shop.example.com")


def test_a_strict_lane_is_refused_in_words_where_it_lacks_a_copy(here: tuple[Town, mesh.Proxy]) -> None:
    shop, sidecar = here
    shop.open("pr-1", "payment", mode="members")
    door = payment(sidecar)
    door.becomes("payment=pr-1", x_preview_lane="pr-1")
    shop.show("payment", "pr-1", ready=False)
    shop.settle("pr-1")
    until(lambda: door.ask(x_preview_lane="pr-1").said == "payment=none", "the refusal", seconds=30)
    found = door.ask(x_preview_lane="pr-1")
    assert found.status == 503
    assert "lane pr-1" in found.text and "payment" in found.text
    assert door.ask().who == "payment=baseline"


def test_a_copys_new_pods_are_eased_in_by_the_data_plane(here: tuple[Town, mesh.Proxy]) -> None:
    shop, sidecar = here
    warm = "routing: {driver: istio, warmup: {duration: 40s, minimumPercent: 20, aggression: 2}}\n"
    shop.chain = shop.parsed(warm)
    shop.open("pr-1", "payment")
    payment(sidecar).becomes("payment=pr-1", x_preview_lane="pr-1")
    until(lambda: set(eased(sidecar)) == {"frontend", "payment", "payment--pr-1"}, "warm-up", seconds=30)
    for one in eased(sidecar).values():
        assert (one["slow_start_window"], one["min_weight_percent"]["value"]) == ("40s", 20)
        assert one["aggression"]["default_value"] == 2


def test_sidecars_that_may_go_back_to_the_baseline_do_so_before_any_route_is_written(
    here: tuple[Town, mesh.Proxy],
) -> None:
    shop, sidecar = here
    shop.chain = shop.parsed("routing: {driver: istio, failover: true}\n")
    shop.virtual(
        "payment",
        hosts=["payment"],
        http=[
            {"match": [{"uri": {"prefix": "/x"}}], "route": [TO_PAYMENT]},
            {"name": "all", "route": [TO_PAYMENT]},
        ],
    )
    shop.open("pr-1", "payment")
    door = payment(sidecar)
    for path in ("/", "/x"):
        door.becomes("payment=pr-1", path, x_preview_lane="pr-1")
    way = "laneway|8080||payment--pr-1"
    until(lambda: json.dumps(sidecar.routes()).count(way) >= 2, "the filter has both routes", seconds=60)
    assert not any(one.who != "payment=pr-1" for one in (door.ask(x_preview_lane="pr-1") for _ in range(20)))
    shop.end("payment", "pr-1")
    dead = [door.ask(path, x_preview_lane="pr-1") for path in ("/", "/x") for _ in range(20)]
    assert {(one.status, one.who, one.said) for one in dead} == {(200, "payment=baseline", "")}
    shop.show("payment", "pr-1", ready=False)
    until(lambda: "payment--pr-1" not in endpoints(sidecar), "istiod tells of it", seconds=30)
    gone = [door.ask(x_preview_lane="pr-1") for _ in range(20)]
    assert {(one.status, one.who) for one in gone} == {(200, "payment=baseline")}


def endpoints(proxy: mesh.Proxy) -> str:
    """The clusters that have an endpoint, a line each."""
    return "\n".join(line for line in proxy.admin("/clusters").splitlines() if "::health_flags::" in line)


def eased(proxy: mesh.Proxy) -> dict[str, Json]:
    """How the Services' new endpoints are warmed up, where they are."""
    found = json.loads(proxy.admin("/config_dump?resource=dynamic_active_clusters"))
    policies = {
        one["cluster"]["name"]: one["cluster"].get("least_request_lb_config", {}).get("slow_start_config")
        for one in found.get("configs", ())
    }
    return {name.split("|")[3].partition(".")[0]: one for name, one in policies.items() if one}

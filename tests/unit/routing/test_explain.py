"""Explanations of hand-written objects: precedence, delegates, and what people have edited into a corner.

The conformance suite holds the same matchers to what real data planes do with Laneway's objects.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner import labels
from provisioner.chain.grammar import parse
from provisioner.errors import InputError
from provisioner.routing.explain import Live, Request, asked, explain
from tests.support import routing

TEXT = """
chain: shop
namespace: shop
repositories: [{url: "https://example.com/acme/shop.git"}]
services:
  web: {paths: [web/**], workload: Deployment/web, image: "web:{sha}"}
  payment: {paths: [payment/**], workload: Deployment/payment, image: "payment:{sha}"}
entry: {service: web, host: "{lane}.preview.example.com", cookie: lane}
"""
PLAIN = Request("payment", "shop", 8080)
TAGGED = replace(PLAIN, headers=(("X-Preview-Lane", "pr-4"),))


def chain(driver):
    return parse(f"{TEXT}routing: {{driver: {driver}}}\n", "laneway.yaml")


def service(name, *, lane="", ports=(("http", 8080),), **metadata):
    marks = labels.of_lane("shop", lane) | {labels.SERVICE: name.partition("--")[0]} if lane else {}
    return {
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop", "labels": marks, **metadata},
        "spec": {"ports": [{"name": key, "port": number} for key, number in ports]},
    }


def endpoints(name, address, **conditions):
    return {
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-x",
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": name},
        },
        "endpoints": [{"addresses": [address], "conditions": {"ready": True, **conditions}}],
        "ports": [{"name": "http", "port": 80}],
    }


def route(name, *rules, age="1", parents=None, **spec):
    parents = parents or [{"group": "", "kind": "Service", "name": "payment", "port": 8080}]
    return {
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": age},
        "spec": {"parentRefs": parents, "rules": list(rules), **spec},
    }


def rule(to, *matches, **more):
    return {"matches": list(matches), "backendRefs": [{"name": to, "port": 8080}], **more}


def virtual(name, *http, age="1", **spec):
    return {
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": age},
        "spec": {"hosts": ["payment"], "http": list(http), **spec},
    }


def to(host, **more):
    return {"route": [{"destination": {"host": host}}], **more}


def live(*objects):
    found = {}
    for one in (service("payment"), service("payment--pr-4", lane="pr-4"), service("web"), *objects):
        found.setdefault(one["kind"], []).append(one)
    slices = [endpoints("payment", "10.0.0.1"), endpoints("payment--pr-4", "10.0.0.4")]
    found["EndpointSlice"] = [*slices, *found.get("EndpointSlice", ())]
    return Live({kind: tuple(some) for kind, some in found.items()})


LANE = {"headers": [{"name": "x-preview-lane", "value": "pr-4"}]}


def who(driver, request, *objects):
    return explain(chain(driver), live(*objects), request).who


def test_a_service_without_routes_is_the_baselines_in_a_mesh():
    for driver in ("gateway-api", "istio"):
        found = explain(chain(driver), live(), TAGGED)
        assert (found.who, found.endpoints, found.said) == ("baseline", ("10.0.0.1:80",), "")


def test_of_equal_routes_the_one_with_more_headers_counts_whatever_its_age():
    routes = (route("old", rule("payment")), route("lane", rule("payment--pr-4", LANE), age="2"))
    assert who("gateway-api", TAGGED, *routes) == "pr-4"
    assert who("gateway-api", PLAIN, *routes) == "baseline"


def test_a_users_longer_path_goes_before_a_lanes_header():
    path = {"path": {"type": "PathPrefix", "value": "/pay"}}
    routes = (route("user", rule("payment", path)), route("lane", rule("payment--pr-4", LANE)))
    assert who("gateway-api", replace(TAGGED, path="/pay/now?x=1"), *routes) == "baseline"
    assert who("gateway-api", replace(TAGGED, path="/payment"), *routes) == "pr-4"


def test_a_method_goes_before_headers():
    routes = (route("user", rule("payment", {"method": "GET"})), route("lane", rule("payment--pr-4", LANE)))
    assert who("gateway-api", TAGGED, *routes) == "baseline"
    assert who("gateway-api", replace(TAGGED, method="POST"), *routes) == "pr-4"


def test_without_a_catch_all_what_matches_nothing_is_404():
    found = explain(chain("gateway-api"), live(route("lane", rule("payment--pr-4", LANE))), PLAIN)
    assert found.who == "none"
    assert "404" in found.steps[-1].says


def test_of_routes_with_a_port_and_without_those_like_the_oldest_count():
    without = [{"group": "", "kind": "Service", "name": "payment"}]
    routes = (
        route("old", rule("payment"), parents=without),
        route("lane", rule("payment--pr-4", LANE), age="2"),
    )
    assert who("gateway-api", TAGGED, *routes) == "baseline"


def test_a_route_to_a_service_that_is_gone_or_has_nobody_answers_an_error():
    gone = explain(chain("gateway-api"), live(route("one", rule("payment--pr-9"))), PLAIN)
    assert (gone.who, gone.steps[-1].thing) == ("none", "Service shop/payment--pr-9")
    empty = explain(chain("gateway-api"), live(service("idle"), route("one", rule("idle"))), PLAIN)
    assert "503" in empty.steps[-1].says


def test_a_gateway_looks_at_the_most_exact_hostname_alone():
    gateway = [{"name": "public"}]
    routes = (
        route("any", rule("payment", LANE), parents=gateway, hostnames=["*.example.com"]),
        route("host", rule("payment--pr-4"), parents=gateway, hostnames=["pr-4.example.com"]),
    )
    assert who("gateway-api", replace(TAGGED, host="PR-4.example.com:80"), *routes) == "pr-4"
    assert who("gateway-api", replace(TAGGED, host="x.example.com"), *routes) == "baseline"
    assert who("gateway-api", replace(TAGGED, host="example.org"), *routes) == "none"


def test_the_first_rule_of_a_virtual_service_that_matches_counts():
    tagged = {"headers": {"x-preview-lane": {"exact": "pr-4"}}}
    found = explain(
        chain("istio"), live(virtual("v", to("payment--pr-4", match=[tagged]), to("payment"))), TAGGED
    )
    assert (found.who, found.steps[0].rule) == ("pr-4", "http[0]")
    assert (
        who("istio", TAGGED, virtual("v", to("payment"), to("payment--pr-4", match=[tagged]))) == "baseline"
    )


def test_of_two_virtual_services_of_a_host_the_older_counts_and_the_more_exact_before_it():
    old, new = virtual("old", to("payment")), virtual("new", to("payment--pr-4"), age="2")
    assert who("istio", PLAIN, old, new) == "baseline"
    wide = virtual("old", to("payment"), hosts=["*.svc.cluster.local"])
    assert who("istio", PLAIN, wide, new) == "pr-4"


def test_a_delegate_is_followed_and_named_and_a_missing_one_is_skipped():
    tagged = [{"headers": {"x-preview-lane": {"exact": "pr-4"}}}]
    line = {"name": "laneway/shop/pr-4", "match": tagged, "delegate": {"name": "lane"}}
    delegate = virtual("lane", to("payment--pr-4"), hosts=[])
    found = explain(chain("istio"), live(virtual("v", line, to("payment")), delegate), TAGGED)
    assert [one.thing for one in found.steps][:2] == ["VirtualService shop/v", "VirtualService shop/lane"]
    assert (found.steps[0].rule, found.who) == ("laneway/shop/pr-4", "pr-4")
    assert who("istio", TAGGED, virtual("v", line, to("payment"))) == "baseline"


def test_what_must_not_be_there_and_the_path_are_heeded():
    match = {"uri": {"prefix": "/a"}, "withoutHeaders": {"x-preview-lane": {"regex": "pr-.*"}}}
    routes = virtual("v", to("payment--pr-4", match=[match]), to("payment"))
    assert who("istio", replace(PLAIN, path="/abc"), routes) == "pr-4"
    assert who("istio", replace(TAGGED, path="/abc"), routes) == "baseline"
    assert who("istio", replace(PLAIN, path="/b"), routes) == "baseline"


def test_an_answer_by_the_mesh_itself_is_told_in_its_words():
    answer = {"directResponse": {"status": 503, "body": {"string": "not here\n"}}}
    found = explain(chain("istio"), live(virtual("v", answer)), PLAIN)
    assert (found.who, found.steps[-1].says) == ("none", "503: not here")


def test_an_http_route_of_a_service_goes_before_a_virtual_service():
    assert who("istio", PLAIN, virtual("v", to("payment--pr-4")), route("one", rule("payment"))) == "baseline"


def test_a_service_that_is_not_attached_is_the_baselines_with_the_built_in_router():
    found = explain(chain("envoy"), live(), TAGGED)
    assert found.who == "baseline"
    assert "not attached" in found.steps[0].says


def test_a_header_that_is_none_is_refused():
    assert asked.header("a=b=c") == ("a", "b=c")
    for text in ("a", "=b"):
        with pytest.raises(InputError, match="write NAME=VALUE"):
            asked.header(text)


def test_the_first_port_that_speaks_http_is_asked_about():
    ports = (("tcp-mysql", 3306), ("http", 8080))
    found = Live({"Service": (service("payment", ports=ports),)})
    assert asked.port(chain("istio"), found, "payment") == 8080
    with pytest.raises(InputError, match="has no port 81; it has 3306, 8080"):
        asked.port(chain("istio"), found, "payment", 81)
    with pytest.raises(InputError, match="does not exist"):
        asked.port(chain("istio"), found, "web")


def attached_web():
    """The twin of web, and where its pods are."""
    marks = {**labels.of_chain("shop"), labels.SERVICE: "web", labels.ROLE: "baseline"}
    twin = service("web-baseline")
    twin["metadata"] |= {"labels": marks, "annotations": {labels.LISTENERS: '{"8080": 10001}'}}
    slices = endpoints("web-baseline", "10.0.0.9")
    slices["metadata"]["labels"] |= marks
    return twin, slices


def ask_entry(entry, **request):
    text = TEXT.replace("cookie: lane", entry)
    there = parse(f"{text}routing: {{driver: envoy}}\n", "laneway.yaml")
    return explain(there, live(*attached_web()), Request("web", "shop", 8080, **request))


def test_what_an_entry_does_not_trust_is_told_as_the_router_treats_it():
    headers = (("x-preview-lane", "pr-4"),)
    ignored = ask_entry("trust: none", headers=headers)
    assert (ignored.who, ignored.said) == ("baseline", "")
    refused = ask_entry("trust: none, untrusted: forbidden", headers=headers)
    assert (refused.who, refused.said) == ("none", "web=none")
    assert "403" in refused.steps[-1].says


def test_a_signed_link_is_not_taken_for_nothing():
    found = ask_entry("link: preview", path="/?preview=a.b.c")
    assert "only the router can check" in found.steps[1].says


def test_carriers_are_read_as_the_router_reads_them():
    cases = {
        "pr-4": (("cookie", "a=1; lane=pr-4"),),
        "pr-5": (("baggage", "preview-lane=pr-4,preview-lane=pr%2D5"), ("cookie", "lane=pr-4")),
        "": (("x-preview-lane", "pr-4"), ("x-preview-lane", "pr-4")),
    }
    for lane, headers in cases.items():
        assert ask_entry("cookie: lane", headers=headers).said == ("web=baseline" if lane else "")


def test_of_a_strict_lanes_pods_only_those_that_an_ancestor_lends_have_a_way_to_the_baseline() -> None:
    mine = routing.endpoint_slice("payment", ["10.0.0.4"], "pr-4")
    lent = routing.endpoint_slice("payment", ["10.0.0.5"], "pr-5")
    own = {"phase": "Ready", "services": []}
    lanes = (routing.lane("pr-4", own, mode="members", parent="pr-5"), routing.lane("pr-5"))
    for slices, there in (((mine, lent), False), ((lent,), True)):
        objects = {"Service": (routing.twin("payment"),), "EndpointSlice": slices, "Lane": lanes}
        found = explain(routing.chain(), Live(objects), replace(TAGGED, namespace=routing.NAMESPACE))
        assert ("if it takes no connection: the baseline" in found.steps[-1].says) is there


def test_what_a_release_deals_out_is_told_with_the_parts_and_its_lane():
    tagged = {"set": [{"name": "x-preview-lane", "value": "pr-4"}]}
    header = [{"type": "RequestHeaderModifier", "requestHeaderModifier": tagged}]
    refs = [{"name": "payment--pr-4", "port": 8080, "weight": 1, "filters": header}]
    refs.append({"name": "payment", "port": 8080, "weight": 3})
    scheme = {"headers": [{"name": "x-forwarded-proto", "value": "http"}]}
    share = route("share", {"matches": [scheme], "backendRefs": refs})
    found = explain(chain("gateway-api"), live(route("user", rule("payment")), share), PLAIN)
    assert found.who == "baseline"
    assert [one.says for one in found.steps if one.rule == "by lot"] == [
        "25 % to lane pr-4, 75 % to baseline"
    ]


def test_a_rule_that_tells_a_request_of_a_lane_says_so_unless_the_request_did():
    sets = {"headers": {"request": {"set": {"x-preview-lane": "pr-4"}}}}
    there = live(virtual("v", to("payment--pr-4", **sets)))
    told = [
        [one.says for one in explain(chain("istio"), there, asked_for).steps] for asked_for in (PLAIN, TAGGED)
    ]
    assert "sets x-preview-lane: pr-4" in told[0]
    assert "sets x-preview-lane: pr-4" not in told[1]

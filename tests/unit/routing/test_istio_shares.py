"""A release's share in Istio's objects: who is in it, who is dealt which bucket, and whom it leaves alone.

What the objects mean is told by the explanation of them, which the conformance suite holds to a real mesh.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from provisioner import labels
from provisioner.chain.model import Driver
from provisioner.routing import drivers, share
from provisioner.routing.explain import Explanation, Live, Request, explain
from provisioner.routing.istio import lines
from provisioner.routing.mesh import Compiled, Existing
from tests.support import drivers as cases

Json = dict[str, Any]

PORTS = [{"name": "http", "port": 8080}]
HEADER, BUCKET = "x-preview-lane", "laneway-bucket"
USERS = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7"},
    "spec": {
        "hosts": ["web"],
        "http": [
            {"match": [{"uri": {"prefix": "/old"}}], "redirect": {"uri": "/new"}},
            {"match": [{"uri": {"prefix": "/a"}}], "route": [{"destination": {"host": "web"}}]},
            {"route": [{"destination": {"host": "web"}}]},
        ],
    },
}


def case(weight: int | None, **strategy: Any) -> Json:
    found: Json = {
        "chain": {"services": ["web", "payment"], "entry": {"service": "web", "cookie": "lane"}},
        "services": {"web": PORTS, "payment": PORTS},
        "lanes": {
            "spring": {"mode": "members", "copies": {"web": "ready", "payment": "ready"}},
            "pr-4": {"copies": {"web": "ready"}},
        },
        "theirs": [USERS],
    }
    if weight is not None:
        found["release"] = {"name": "spring", "weight": weight, "services": ["web", "payment"]}
        found["release"]["strategy"] = strategy
    return found


def compiled(given: Json, there: Existing | None = None) -> Compiled:
    driver = drivers.mesh(Driver.ISTIO)
    assert driver is not None
    return driver.compile(cases.intent(given, "istio"), there or cases.existing(given))


@cache
def written(weight: int) -> Live:
    return live(compiled(case(weight, audience={"header": {"name": "x-tester", "value": "yes"}})))


def live(found: Compiled) -> Live:
    """The cluster as it is once that is written, with a pod behind each Service."""
    names = [("web", ""), ("payment", ""), *(("web", lane) for lane in ("spring", "pr-4"))]
    services = tuple(_service(name, lane) for name, lane in [*names, ("payment", "spring")])
    slices = tuple(_slice(one["metadata"]["name"]) for one in services)
    virtual = tuple(one for one in (*found.own, *found.shared) if one["kind"] == "VirtualService")
    return Live({"Service": services, "EndpointSlice": slices, "VirtualService": virtual})


def _service(name: str, lane: str) -> Json:
    marks = labels.of_copy("shop", lane, name) if lane else {}
    metadata = {"name": f"{name}--{lane}" if lane else name, "namespace": "shop", "labels": marks}
    return {"kind": "Service", "metadata": metadata, "spec": {"ports": PORTS}}


def _slice(name: str) -> Json:
    metadata = {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": name}}
    return {"metadata": metadata, "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": PORTS}


def asked(there: Live, *headers: tuple[str, str], path: str = "/") -> Explanation:
    chain = cases.chain(case(None), "istio")
    return explain(chain, there, Request("web", "shop", 8080, headers, path=path))


def with_bucket(number: object) -> tuple[str, str]:
    return "cookie", f"a=1; {BUCKET}={number}"


def hands(found: Compiled) -> list[Json]:
    """The destinations of what is dealt, of the rule for all requests."""
    (mine,) = [one for one in found.own if one["metadata"]["name"] == "web-share--spring"]
    (rule,) = [one for one in mine["spec"]["http"] if len(one.get("route", ())) > 1][-1:]
    return list(rule["route"])


def is_inside(hand: Json) -> bool:
    return bool(hand["destination"]["host"] == "web--spring")


def bucket(hand: Json) -> int:
    cookie = hand["headers"]["response"]["add"]["set-cookie"]
    assert cookie.endswith("; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax")
    return int(cookie.partition("=")[2].partition(";")[0])


@pytest.mark.parametrize("weight", [1, 25, 50, 99, 100])
def test_a_cookies_bucket_decides_as_the_reference_does(weight: int) -> None:
    there, given = written(weight), cases.intent(case(weight), "istio").share
    assert given is not None
    first, count = share.start("spring"), weight * 100
    edges = [(first + offset) % 10_000 for offset in (-1, 0, 1, count - 1, count, count + 1)]
    for number in (*range(0, 10_000, 997), *edges, 0, 9_999):
        for path in ("/", "/a/b"):
            wanted = "spring" if share.contains(given, number) else "baseline"
            assert asked(there, with_bucket(number), path=path).who == wanted, number


@pytest.mark.parametrize("weight", [1, 10, 25, 75, 100])
def test_who_has_no_bucket_is_dealt_one_that_leads_where_it_leads_from_then_on(weight: int) -> None:
    dealt = hands(compiled(case(weight)))
    assert len({bucket(one) for one in dealt}) == len(dealt) == 100
    assert sum(is_inside(one) for one in dealt) == weight
    for one in dealt:
        later = asked(written(weight), with_bucket(bucket(one)))
        assert (later.who == "spring") == is_inside(one)


def test_raising_the_weight_moves_nobody_back() -> None:
    inside: set[int] = set()
    for weight in (10, 25, 50, 75, 100):
        now = {bucket(one) for one in hands(compiled(case(weight))) if is_inside(one)}
        assert inside <= now
        inside = now


@pytest.mark.parametrize("value", ["x", "", "010", "10000", "-1", "1.5"])
def test_a_cookie_that_names_no_bucket_is_as_none(value: str) -> None:
    found = asked(written(25), with_bucket(value))
    assert (
        found.steps[-2].says == f"25 % to lane spring, 75 % to baseline; the cookie {BUCKET} keeps it there"
    )


@pytest.mark.parametrize("weight", [0, 50, 100])
def test_the_audience_is_in_whatever_the_weight(weight: int) -> None:
    assert asked(written(weight), ("x-tester", "yes")).who == "spring"
    assert weight or asked(written(weight), ("x-tester", "no")).who == "baseline"


@pytest.mark.parametrize("weight", [0, 50, 100])
def test_who_names_a_lane_is_untouched(weight: int) -> None:
    there, inside = written(weight), [("x-tester", "yes"), with_bucket(share.start("spring"))]
    assert asked(there, (HEADER, "pr-4"), *inside).who == "pr-4"
    assert asked(there, ("baggage", "preview-lane=pr-4"), *inside).who == "pr-4"
    assert asked(there, ("cookie", f"lane=pr-4; {BUCKET}={share.start('spring')}")).who == "pr-4"
    for unknown in ((HEADER, "pr-9"), ("baggage", "preview-lane=pr-9")):
        assert asked(there, unknown, *inside).who == "baseline"
    assert asked(there, ("cookie", f"lane=pr-9; {BUCKET}={share.start('spring')}")).who == "baseline"
    assert asked(there, ("cookie", "lane=pr-9"), ("x-tester", "yes")).who == "baseline"


def test_answers_say_nothing_of_a_lane_where_the_release_took_the_request() -> None:
    assert asked(written(50), with_bucket(share.start("spring"))).said == ""
    assert asked(written(50), (HEADER, "spring")).said == "web=spring"


def test_rules_that_lead_to_no_service_of_the_chain_are_as_they_were() -> None:
    assert asked(written(50), path="/old/1").steps[-1].says == "redirects, or leads nowhere"


def test_without_a_share_nothing_of_it_is_written() -> None:
    for given in (case(0), case(None)):
        assert "share" not in str([one["metadata"]["name"] for one in compiled(given).own])
        assert lines.of_shares(compiled(given).shared[-1], "shop") == {}


def test_another_lanes_change_leaves_the_share_as_it_is_and_the_releases_end_takes_it_out() -> None:
    given = case(50)
    whole = compiled(given)
    (host,) = [one for one in whole.shared if one["metadata"]["name"] == "web"]
    assert set(lines.of_shares(host, "shop")) == {"spring"}
    there = cases.existing(given)
    others = replace(there, theirs=(deepcopy(host),), lanes={"pr-4": there.lanes["pr-4"]})
    kept = _written_host(compiled(case(None), others).shared, host)
    assert lines.of_shares(kept, "shop") == lines.of_shares(host, "shop")
    ended = replace(there, theirs=(deepcopy(host),), lanes={"spring": there.lanes["spring"]})
    assert lines.of_shares(_written_host(compiled(case(None), ended).shared, host), "shop") == {}


def _written_host(shared: Iterable[Json], before: Json) -> Json:
    return next((one for one in shared if one["metadata"]["name"] == "web"), before)


def test_a_share_that_is_too_large_is_refused_by_name() -> None:
    given = case(50)
    rules = [
        {"match": [{"uri": {"prefix": f"/{number}"}}], "route": [{"destination": {"host": "web"}}]}
        for number in range(80)
    ]
    given["theirs"] = [{**USERS, "spec": {**USERS["spec"], "http": rules}}]  # type: ignore[dict-item]
    found = compiled(given)
    (said,) = [one.message for one in found.findings if one.reason == "ShareNotRouted"]
    assert said.startswith("VirtualService shop/web can lead no share of a release: its rules are too many")
    assert not [one for one in found.own if "share" in one["metadata"]["name"]]

"""A release's share beside any HTTPRoutes of a user and lanes of any age: who names no lane meets the very
rule that it would meet without, by lot with the release's copies where the Service was; who names one is
untouched.

Judged by the same model of what Gateway API says as lanes' own routes are.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.chain.model import Driver
from provisioner.routing import drivers
from tests.support import drivers as cases
from tests.unit.routing import test_precedence as model
from tests.unit.routing.test_precedence import Json, Request

OLD, NEW, ELSEWHERE = (
    "old",
    "new",
    "elsewhere",
)  # lanes from before the release, from since; without a copy here
COPIES = {"spring": ["payment"], OLD: ["payment"], NEW: ["payment"], ELSEWHERE: ["ledger"]}
TESTER = ("x-three", "1")


def written(theirs: list[Json], lane: str, age: str, weight: int | None) -> list[Json]:
    """What one lane owns at the entry, made at that time; `weight` is the release's, None for none."""
    driver = drivers.mesh(Driver.GATEWAY_API)
    assert driver is not None
    case = {
        "chain": {
            "services": ["payment", "ledger"],
            "entry": {"service": "payment"},
            "release": {"sticky": "none"},
        },
        "services": {name: [{"name": "http", "port": 8080}] for name in ("payment", "ledger", "other")},
        "lanes": {name: {"copies": dict.fromkeys(names, "ready")} for name, names in COPIES.items()},
        "theirs": theirs,
    }
    if weight is not None:
        audience = {"header": dict(zip(("name", "value"), TESTER, strict=True))}
        strategy = {"sticky": "none", "audience": audience}
        case["release"] = {
            "name": "spring",
            "weight": weight,
            "services": ["payment"],
            "strategy": strategy,
        }
    there = cases.existing(case)
    mine = replace(there, lanes={lane: there.lanes[lane]}, named=there.named - {NEW})
    own = driver.compile(cases.intent(case, "gateway-api"), mine).own
    here = [one for one in own if one["spec"]["parentRefs"][0]["name"] == "payment"]
    return [{**one, "metadata": {**one["metadata"], "creationTimestamp": age}} for one in here]


def whole(theirs: list[Json], weight: int) -> list[Json]:
    return [
        *theirs,
        *written(theirs, OLD, "2026-02", None),
        *written(theirs, "spring", "2026-03", weight),
        *written(theirs, NEW, "2026-04", weight),
    ]


def sent(request: Request, *more: tuple[str, str]) -> Request:
    """As the mesh sees it."""
    return replace(request, headers=(*request.headers, ("x-forwarded-proto", "http"), *more))


def told(rule: Json | None) -> set[str]:
    """The lanes that a request is told to be in, by the rule or by one of its backends."""
    parts = [rule or {}, *((rule or {}).get("backendRefs") or ())]
    filters = [one for part in parts for one in part.get("filters") or ()]
    modified = [one["requestHeaderModifier"] for one in filters if one["type"] == "RequestHeaderModifier"]
    return {header["value"] for one in modified for header in one["set"]}


def is_as_before(before: Json | None, after: Json | None) -> bool:
    return (after or {}).get("timeouts") == (before or {}).get("timeouts")


@settings(deadline=None, max_examples=30)
@given(model.routes, st.lists(model.requests, min_size=1, max_size=6))
def test_who_names_no_lane_meets_the_same_rule_by_lot(found: list[list[Json]], asked: list[Request]) -> None:
    theirs = model.users(found)
    for weight, expected in ((50, {"payment--spring": 1, "payment": 1}), (100, {"payment--spring": 1})):
        there = whole(theirs, weight)
        for request in asked:
            before = model.winner(theirs, request, "")
            after = model.winner(there, sent(request), "")
            assert is_as_before(before, after)
            led = {one["name"]: one.get("weight", 1) for one in (after or {}).get("backendRefs", ())}
            if model._led(before) == "payment" or not found:
                assert (led, told(after)) == (expected, {"spring"})
            else:
                assert (model._led(after), told(after)) == (model._led(before), set())


@settings(deadline=None, max_examples=30)
@given(model.routes, st.lists(model.requests, min_size=1, max_size=6), st.sampled_from((0, 50, 100)))
def test_the_audience_is_in_whatever_the_weight(
    found: list[list[Json]], asked: list[Request], weight: int
) -> None:
    theirs = model.users(found)
    there = whole(theirs, weight)
    for request in asked:
        before, after = model.winner(theirs, request, ""), model.winner(there, sent(request, TESTER), "")
        assert is_as_before(before, after)
        assert model._led(after) == model._led_for(before, "spring", routed=bool(found))


@settings(deadline=None, max_examples=30)
@given(model.routes, st.lists(model.requests, min_size=1, max_size=6), st.sampled_from((0, 50, 100)))
def test_who_names_a_lane_is_untouched(found: list[list[Json]], asked: list[Request], weight: int) -> None:
    theirs = model.users(found)
    there = whole(theirs, weight)
    for request in asked:
        before = model.winner(theirs, request, "")
        for lane in COPIES:
            for more in ((), (TESTER,)):
                after = model.winner(there, sent(request, *more), lane)
                assert is_as_before(before, after), lane
                assert told(after) == set() or lane == "spring"
                copied = lane if "payment" in COPIES[lane] else ""
                if copied:
                    assert model._led(after) == model._led_for(before, lane, routed=bool(found)), lane
                elif found:
                    assert model._led(after) == model._led(before)
                else:
                    assert model._led(after) == "payment"


@pytest.mark.parametrize("weight", [0, 50])
def test_requests_of_which_no_scheme_is_known_are_the_baselines(weight: int) -> None:
    there = whole([], weight)
    rule = model.winner(there, Request("/", "GET", (), ""), "")
    assert model._led(rule) == "payment"

"""Explanations of requests that name no lane while a release runs, at a chain with the built-in router."""

from __future__ import annotations

import pytest

from provisioner.chain.strategy import Audience, Sticky, Strategy
from provisioner.release.model import Phase
from provisioner.routing import share
from provisioner.routing.explain import Explanation, Live, Request, explain
from tests.support.routing import chain, endpoint_slice, lane, release, twin

OWN = {"phase": "Ready", "services": [{"name": "payment", "inLane": True}]}
STRATEGY = Strategy(sticky=Sticky(header="x-user"), audience=Audience("x-group", "staff", "beta", "yes"))
FIRST = share.start("v2")
PODS = ("192.0.2.20",)


def asked(
    *headers: tuple[str, str],
    weight: int = 25,
    phase: Phase = Phase.PROGRESSING,
    pods: tuple[str, ...] = PODS,
    service: str = "payment",
    strategy: Strategy = STRATEGY,
) -> Explanation:
    found = Live(
        {
            "Service": (twin("payment"), twin("orders")),
            "EndpointSlice": (
                endpoint_slice("payment", ["192.0.2.10"]),
                endpoint_slice("orders", ["192.0.2.11"]),
                endpoint_slice("payment", pods, "v2"),
            ),
            "Lane": (lane("v2", OWN, mode="members"),),
            "Release": (release("v2", weight, phase=phase, strategy=strategy),),
        }
    )
    return explain(chain(["payment", "orders"]), found, Request(service, "shop", 8080, headers))


def says(found: Explanation) -> str:
    return next((step.says for step in found.steps if step.thing == "Release shop.v2"), "")


@pytest.mark.parametrize(("offset", "who"), [(0, "v2"), (2499, "v2"), (2500, "baseline"), (-1, "baseline")])
def test_a_bucket_says_on_which_side_a_user_is(offset: int, who: str) -> None:
    bucket = (FIRST + offset) % share.BUCKETS
    found = asked(("cookie", f"a=b; laneway-bucket={bucket}"))
    where = "in" if who == "v2" else "not in"
    assert says(found) == f"bucket {bucket} by cookie laneway-bucket, which is {where} its 25 percent"
    assert (found.who, found.said) == (who, "")


def test_the_header_counts_before_the_cookie() -> None:
    bucket = share.bucket_of("alice")
    found = asked(("X-User", "alice"), ("cookie", "laneway-bucket=1"), weight=100)
    assert says(found) == f"bucket {bucket} by header x-user, which is in its 100 percent"
    assert (found.who, found.endpoints) == ("v2", ("192.0.2.20:8080",))


@pytest.mark.parametrize(("weight", "who"), [(0, "baseline"), (25, "baseline"), (75, "v2"), (100, "v2")])
def test_without_a_bucket_it_says_how_likely_which_is(weight: int, who: str) -> None:
    found = asked(("cookie", "laneway-bucket=007"), weight=weight)
    assert says(found).startswith(f"by lot: {weight} of 100 requests that have no bucket are in it; --header")
    assert found.who == who
    by_lot = asked(weight=weight, strategy=Strategy(sticky=Sticky("")))
    assert says(by_lot) == f"by lot: {weight} of 100 requests that have no bucket are in it"


@pytest.mark.parametrize(
    ("header", "by"),
    [(("x-group", "staff"), "header x-group"), (("cookie", "beta=no; beta=yes"), "cookie beta")],
)
def test_who_is_invited_is_told_by_what(header: tuple[str, str], by: str) -> None:
    found = asked(header, weight=0)
    assert (found.who, says(found)) == ("v2", f"invited by {by}")


def test_who_names_a_lane_and_who_is_past_the_entry_hear_nothing_of_it() -> None:
    tagged = asked(("x-preview-lane", "v2"), weight=0)
    assert (tagged.who, tagged.said, says(tagged)) == ("v2", "payment=v2", "")
    inner = asked(weight=100, service="orders")
    assert (inner.who, says(inner)) == ("baseline", "")


def test_a_copy_that_is_missing_puts_everybody_back_unless_nobody_may_go_back() -> None:
    missing = asked(weight=100, pods=())
    assert (missing.who, missing.steps[-2].rule) == ("baseline", "0 percent")
    firm = asked(weight=100, pods=(), phase=Phase.FINISHING)
    assert (firm.who, firm.said) == ("none", "")


def test_a_release_that_is_over_is_not_spoken_of() -> None:
    assert says(asked(weight=0, phase=Phase.SUCCEEDED)) == ""

"""Which lane a request is in, by a real Envoy that runs the filter, and what its application gets of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import baggage as otel
from opentelemetry.baggage.propagation import W3CBaggagePropagator

from provisioner.names import RESERVED

L = "x-preview-lane"
MANY = ",".join(f"key{number}=value{number}" for number in range(170))
LONGEST = "a" * 63


def bag(text):
    return [("baggage", text)]


def host(text):
    return [("host", text)]


# what is sent, the lane (None: no lane), the baggage that the application gets
CASES = {
    "nothing": ([], None, None),
    "header": ([(L, "pr-4")], "pr-4", "preview-lane=pr-4"),
    "header in capitals": ([("X-Preview-Lane", "pr-4")], "pr-4", "preview-lane=pr-4"),
    "header with spaces around": ([(L, "  pr-4  ")], "pr-4", "preview-lane=pr-4"),
    "one letter": ([(L, "a")], "a", "preview-lane=a"),
    "digits only": ([(L, "42")], "42", "preview-lane=42"),
    "two hyphens": ([(L, "a--b")], "a--b", "preview-lane=a--b"),
    "63 characters": ([(L, LONGEST)], LONGEST, f"preview-lane={LONGEST}"),
    "64 characters": ([(L, LONGEST + "a")], None, None),
    "10,000 characters": ([(L, "a" * 10_000)], None, None),
    "empty header": ([(L, "")], None, None),
    "capital letters": ([(L, "PR-4")], None, None),
    "underscore": ([(L, "pr_4")], None, None),
    "dot": ([(L, "pr.4")], None, None),
    "leading hyphen": ([(L, "-pr")], None, None),
    "trailing hyphen": ([(L, "pr-")], None, None),
    "a lane called baseline": ([(L, "baseline")], None, None),
    "a lane called none": ([(L, "none")], None, None),
    "two headers": ([(L, "pr-4"), (L, "pr-5")], None, None),
    "a Lua pattern": ([(L, "%a+")], None, None),
    "UTF-8": ([(L, "prä".encode().decode("latin-1"))], None, None),
    "the header beside other baggage": ([(L, "pr-4"), *bag("a=1,b=2")], "pr-4", "a=1,b=2,preview-lane=pr-4"),
    "both carriers agree": ([(L, "pr-4"), *bag("preview-lane=pr-4,a=1")], "pr-4", "preview-lane=pr-4,a=1"),
    "the header wins": ([(L, "pr-4"), *bag("a=1,preview-lane=pr-5")], "pr-4", "a=1,preview-lane=pr-4"),
    "an invalid header leaves it to the baggage": (
        [(L, "PR"), *bag("preview-lane=pr-5")],
        "pr-5",
        "preview-lane=pr-5",
    ),
    "baggage": (bag("preview-lane=pr-4"), "pr-4", "preview-lane=pr-4"),
    "baggage, first": (bag("preview-lane=pr-4,a=1"), "pr-4", "preview-lane=pr-4,a=1"),
    "baggage, last": (bag("a=1,preview-lane=pr-4"), "pr-4", "a=1,preview-lane=pr-4"),
    "baggage, spaces": (bag("a=1 ,  preview-lane = pr-4 , b=2"), "pr-4", "a=1 ,  preview-lane = pr-4 , b=2"),
    "baggage, properties": (bag("preview-lane=pr-4;ttl=1;x"), "pr-4", "preview-lane=pr-4;ttl=1;x"),
    "baggage, spaces before properties": (bag("preview-lane=pr-4 ; x"), "pr-4", "preview-lane=pr-4 ; x"),
    "baggage, percent-encoded": (bag("preview-lane=pr%2D4"), "pr-4", "preview-lane=pr%2D4"),
    "baggage, lower-case percent": (bag("preview-lane=pr%2d4"), "pr-4", "preview-lane=pr%2d4"),
    "baggage, decoded once only": (bag("preview-lane=pr%252D4"), None, "preview-lane=pr%252D4"),
    "baggage, broken percent": (bag("preview-lane=pr%2"), None, "preview-lane=pr%2"),
    "baggage, decoded comma": (bag("preview-lane=pr%2Cx"), None, "preview-lane=pr%2Cx"),
    "baggage, decoded zero byte": (bag("preview-lane=pr%00x"), None, "preview-lane=pr%00x"),
    "baggage, another key that ends alike": (bag("my-preview-lane=pr-4"), None, "my-preview-lane=pr-4"),
    "baggage, another key that begins alike": (bag("preview-lanes=pr-4"), None, "preview-lanes=pr-4"),
    "baggage, key in capitals": (bag("Preview-Lane=pr-4"), None, "Preview-Lane=pr-4"),
    "baggage, the key in a value": (bag("a=preview-lane=pr-4"), None, "a=preview-lane=pr-4"),
    "baggage, the key in a property": (bag("a=1;preview-lane=pr-4"), None, "a=1;preview-lane=pr-4"),
    "baggage, no value": (bag("preview-lane="), None, "preview-lane="),
    "baggage, no equals sign": (bag("preview-lane"), None, "preview-lane"),
    "baggage, empty": (bag(""), None, ""),
    "baggage, only commas": (bag(",,,"), None, ",,,"),
    "baggage, empty members": (bag(",a=1,,preview-lane=pr-4,"), "pr-4", ",a=1,,preview-lane=pr-4,"),
    "baggage, 170 other members": (bag(f"{MANY},preview-lane=pr-4"), "pr-4", f"{MANY},preview-lane=pr-4"),
    "baggage, the last one counts": (bag("preview-lane=pr-4,preview-lane=pr-5"), "pr-5", "preview-lane=pr-5"),
    "baggage, an invalid one does not count": (
        bag("preview-lane=pr-4,preview-lane=!"),
        "pr-4",
        "preview-lane=pr-4",
    ),
    "baggage, two headers": ([*bag("a=1"), *bag("preview-lane=pr-4")], "pr-4", "a=1,preview-lane=pr-4"),
    "baggage, two headers, ours first": (
        [*bag("preview-lane=pr-4"), *bag("a=1")],
        "pr-4",
        "preview-lane=pr-4,a=1",
    ),
    "baggage, two headers, one member each": (
        [*bag("preview-lane=x"), *bag("preview-lane=y")],
        "y",
        "preview-lane=y",
    ),
    "host": (host("pr-4.preview.example.com"), "pr-4", "preview-lane=pr-4"),
    "host with a port": (host("pr-4.preview.example.com:8443"), "pr-4", "preview-lane=pr-4"),
    "host in capitals": (host("PR-4.Preview.Example.COM"), "pr-4", "preview-lane=pr-4"),
    "host with a final dot": (host("pr-4.preview.example.com."), "pr-4", "preview-lane=pr-4"),
    "host, domain alone": (host("preview.example.com"), None, None),
    "host, two labels": (host("a.pr-4.preview.example.com"), None, None),
    "host, another domain": (host("pr-4.preview.example.org"), None, None),
    "host, a domain that ends alike": (host("pr-4.mypreview.example.com"), None, None),
    "host, a domain that goes on": (host("pr-4.preview.example.com.evil.org"), None, None),
    "host, dots are no wildcards": (host("pr-4.previewxexample.com"), None, None),
    "host, baseline": (host("baseline.preview.example.com"), None, None),
    "header before host": ([(L, "pr-5"), *host("pr-4.preview.example.com")], "pr-5", "preview-lane=pr-5"),
    "baggage before host": (
        [*bag("preview-lane=pr-5"), *host("pr-4.preview.example.com")],
        "pr-5",
        "preview-lane=pr-5",
    ),
    "the internal header from outside": ([("x-laneway-cluster", "payment:8080/lanes/0")], None, None),
    "the internal header beside a lane": (
        [("x-laneway-cluster", "payment:8080"), (L, "pr-4")],
        "pr-4",
        "preview-lane=pr-4",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_lane_of_a_request(running, case):
    sent, lane, baggage = CASES[case]
    header, got, served = running.carriers(sent)
    assert got == baggage
    if lane is None:
        assert served is None
    else:
        assert header == lane
        assert served == ("payment=pr-4" if lane == "pr-4" else "payment=baseline")


def test_the_table_covers_what_it_should():
    assert len(CASES) >= 40


def test_a_request_without_a_lane_reaches_the_application_as_it_was(running):
    sent = [("host", "payment"), (L, "PR_4"), ("baggage", "a=1"), ("baggage", "b=2")]
    got = [tuple(one) for one in running.seen(sent)["headers"]]
    assert [one for one in got if one[0].lower() in ("host", L, "baggage")] == sent


def test_the_application_never_sees_the_routers_own_header(running):
    for sent in ([(L, "pr-4")], [("x-laneway-cluster", "payment:8080/lanes/0")]):
        names = {key.lower() for key, _ in running.seen(sent)["headers"]}
        assert "x-laneway-cluster" not in names


names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True).filter(
    lambda one: one not in RESERVED
)
keys = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz-_.!#$&'*^`|~0123456789"), min_size=1, max_size=12)
values = st.text(max_size=30)


@settings(max_examples=150)
@given(others=st.dictionaries(keys, values, max_size=6), lane=st.none() | names)
def test_what_opentelemetry_writes_is_read_and_what_is_written_it_reads(running, others, lane):
    others.pop("preview-lane", None)
    context = None
    for key, value in [*others.items(), *([("preview-lane", lane)] if lane else [])]:
        context = otel.set_baggage(key, value, context)
    carrier: dict[str, str] = {}
    W3CBaggagePropagator().inject(carrier, context)
    header, got, _ = running.carriers(list(carrier.items()))
    assert header == lane
    understood = otel.get_all(W3CBaggagePropagator().extract({"baggage": got or ""}))
    assert understood == otel.get_all(W3CBaggagePropagator().extract({"baggage": carrier.get("baggage", "")}))
    assert understood.get("preview-lane") == lane

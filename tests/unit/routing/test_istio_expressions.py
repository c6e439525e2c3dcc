"""What the expressions of the istio driver match, held to a parser of baggage and one of cookies."""

from __future__ import annotations

import re
from http.cookies import SimpleCookie

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator

from provisioner.routing.istio import expressions

KEY = "preview-lane"
LANES = ("pr-4", "pr-42", "r-4", "4", "a", "x" * 63)


def matches(expression: str, value: str) -> bool:
    """As Envoy: the whole value. What is used of RE2 here, Python's expressions mean alike."""
    return re.fullmatch(expression, value) is not None


def read(header: str) -> str:
    """The lane that OpenTelemetry reads from a header."""
    context = W3CBaggagePropagator().extract({"baggage": header})
    return str(baggage.get_baggage(KEY, context) or "").partition(";")[0].rstrip()


blank = st.sampled_from(["", " ", "\t", "  "])
plain = st.text("ab4-_.!", min_size=1, max_size=6)
name = st.sampled_from([KEY, f"{KEY}s", f"my-{KEY}", KEY.upper(), "preview_lane", "a"]) | plain


def encoded(lane: str) -> st.SearchStrategy[str]:
    """A name with some of its letters percent-encoded."""
    letters = [st.sampled_from([one, f"%{ord(one):02X}", f"%{ord(one):02x}"]) for one in lane]
    return st.tuples(*letters).map("".join)


value = st.sampled_from(LANES).flatmap(encoded) | plain | st.sampled_from(["pr-4x", "pr%2", "pr%252D4"])
properties = st.sampled_from(["", ";ttl=1", " ; x", f";{KEY}=pr-4", ";a=1;b"])
member = st.builds(
    lambda a, key, b, c, text, more, d: f"{a}{key}{b}={c}{text}{more}{d}",
    *(blank, name, blank, blank, value, properties, blank),
)
header = st.lists(member | st.sampled_from(["", " ", "junk", "=", "a="]), max_size=6).map(",".join)


def count(text: str) -> int:
    """How many members have our key."""
    return sum(one.partition("=")[0].strip() == KEY for one in text.split(","))


@settings(deadline=None)
@given(header, st.sampled_from(LANES))
def test_a_lane_is_matched_in_baggage_just_where_a_parser_reads_it(text: str, lane: str) -> None:
    if count(text) <= 1:
        assert matches(expressions.baggage(KEY, lane), text) == (read(text) == lane)


@settings(deadline=None)
@given(st.lists(member, min_size=1, max_size=4), st.sampled_from(LANES))
def test_of_a_key_that_is_there_twice_each_lane_is_matched(members: list[str], lane: str) -> None:
    text = ",".join(members)
    assert matches(expressions.baggage(KEY, lane), text) == any(read(one) == lane for one in members)


@settings(deadline=None)
@given(header)
def test_whatever_says_anything_by_our_key_is_seen_at_an_entry_that_does_not_trust(text: str) -> None:
    assert matches(expressions.baggage_key(KEY), text) == any(
        one.partition("=")[0].strip() == KEY and "=" in one for one in text.split(",")
    )


@pytest.mark.parametrize("key", ["a.b", "x|y", "k*", "^k$", "a+b", "~`'"])
def test_a_key_of_reserved_characters_means_itself(key: str) -> None:
    expression = expressions.baggage(key, "pr-4")
    assert matches(expression, f"a=1,{key}=pr-4")
    assert not matches(expression, "a=1,axb=pr-4,xy=pr-4,k=pr-4,aab=pr-4")


token = st.sampled_from(["lane", "lanes", "my-lane", "session"])
cookies = st.lists(st.tuples(token, st.sampled_from([*LANES, "other"])), min_size=1, max_size=4)


@settings(deadline=None)
@given(cookies, st.sampled_from(LANES))
def test_a_lane_is_matched_in_cookies_just_where_a_parser_reads_it(
    pairs: list[tuple[str, str]], lane: str
) -> None:
    if sum(key == "lane" for key, _ in pairs) > 1:
        return
    text = "; ".join(f"{key}={text}" for key, text in pairs)
    found = SimpleCookie(text).get("lane")
    assert matches(expressions.cookie("lane", lane), text) == (found is not None and found.value == lane)


@pytest.mark.parametrize(
    ("host", "is_lanes"),
    [
        ("pr-4.preview.example.com", True),
        ("PR-4.Preview.Example.COM:8443", True),
        ("pr-4.preview.example.com.", True),
        ("pr-42.preview.example.com", False),
        ("a.pr-4.preview.example.com", False),
        ("pr-4.previewxexample.com", False),
        ("pr-4.preview.example.com.evil.example", False),
    ],
)
def test_a_preview_host_is_a_lanes_in_any_case_and_with_any_port(host: str, is_lanes: bool) -> None:
    assert matches(expressions.host("pr-4", "preview.example.com"), host) == is_lanes


@pytest.mark.parametrize(
    "lane", ["Pr-4", "pr_4", "-pr", "pr-", "", "x" * 64, "baseline", "none", "pr.4", "pr%4"]
)
def test_a_name_that_no_lane_can_have_is_never_written(lane: str) -> None:
    assert expressions.illegal_lane(lane)
    if lane not in ("baseline", "none"):
        assert not matches(expressions.LANE, lane)


def test_what_envoy_would_take_for_a_command_is_never_written() -> None:
    for value in ("%REQ(x)%", "100%", "tab\there", "ä", "x" * 2000):
        assert expressions.illegal_value(value)
    assert not expressions.illegal_value("payment=pr-42")
    assert all(map(expressions.illegal_name, ("", "a b", "a:b", "ä", "a\n")))
    assert not expressions.illegal_name("x-preview-lane")


@given(st.integers(0, 9999), st.integers(0, 9999), st.integers(0, 12000))
def test_numbers_of_a_range_and_no_others_match(one: int, other: int, number: int) -> None:
    first, last = sorted((one, other))
    expression = expressions.cookie_within("bucket", [(first, last)])
    assert matches(expression, f"a=1; bucket={number}; b=2") == (first <= number <= last)
    assert not matches(expression, f"bucket=0{number}")
    assert len(expression) < 200

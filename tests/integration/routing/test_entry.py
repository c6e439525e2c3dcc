"""Who may name a lane where a chain is entered, by a real Envoy: held to `provisioner.routing.entry`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry import baggage as otel
from opentelemetry.baggage.propagation import W3CBaggagePropagator

from provisioner.chain.model import Entry, Trust, Untrusted
from provisioner.routing.entry import Carrier, judge
from tests.support.doors import INSIDE, OUTSIDE, Doors, token
from tests.support.routing import DOMAIN

COOKIE, TICKET = "preview-lane", "laneway-preview"
OPEN = Entry("payment", f"{{lane}}.{DOMAIN}", cookie=COOKIE, link="preview")

SIGNED = replace(OPEN, trust=Trust.SIGNED, networks=(f"{INSIDE}/32", "2001:db8::/32"))
REFUSING = replace(SIGNED, untrusted=Untrusted.FORBIDDEN)
NONE = replace(SIGNED, trust=Trust.NONE)
PROXIED = replace(REFUSING, hops=2, networks=("203.0.113.0/24", "2001:db8::/32", INSIDE))


def carried(said: Mapping[Carrier, str]) -> list[tuple[str, str]]:
    """A request's headers that name these lanes."""
    written = {
        Carrier.HEADER: lambda name: ("x-preview-lane", name),
        Carrier.BAGGAGE: lambda name: ("baggage", f"a=1,preview-lane={name}"),
        Carrier.HOST: lambda name: ("host", f"{name}.{DOMAIN}"),
    }
    found = [write(said[carrier]) for carrier, write in written.items() if carrier in said]
    cookies = ["theme=dark"]
    cookies += [f"{COOKIE}={said[Carrier.COOKIE]}"] if Carrier.COOKIE in said else []
    cookies += [f"{TICKET}={token(said[Carrier.LINK])}"] if Carrier.LINK in said else []
    return [*found, ("cookie", "; ".join(cookies))]


def understood(baggage: str) -> Mapping[str, object]:
    """What an application with OpenTelemetry reads in it."""
    return otel.get_all(W3CBaggagePropagator().extract({"baggage": baggage}))


@settings(max_examples=60)
@given(
    entry=st.sampled_from([OPEN, SIGNED, REFUSING, NONE]),
    said=st.dictionaries(st.sampled_from(Carrier), st.sampled_from(["pr-4", "pr-5", "x"]), max_size=4),
    inside=st.booleans(),
)
def test_envoy_decides_as_the_rules_say(
    doors: Doors, entry: Entry, said: dict[Carrier, str], inside: bool
) -> None:
    verdict = judge(entry, said, inside=inside)
    answer = doors(entry).ask(carried(said), source=INSIDE if inside else OUTSIDE)
    if verdict.forbidden:
        assert (answer.status, answer.served) == (403, "payment=none")
        return
    assert (answer.status, answer.lane) == (200, verdict.lane)
    assert understood(answer.baggage).get("preview-lane", "") == verdict.lane
    copy = "pr-4" if verdict.lane == "pr-4" else "baseline"
    assert answer.served == (f"payment={copy}" if verdict.lane else None)
    assert TICKET not in dict(answer.seen)["cookie"]


@pytest.mark.parametrize("entry", [SIGNED, NONE], ids=["signed", "none"])
@pytest.mark.parametrize(
    "smuggled",
    [
        ("x-preview-lane", "pr-4"),
        ("X_Preview_Lane", "pr-4"),
        ("x-preview_lane", "pr-4"),
        ("baggage", "preview-lane=pr-4"),
        ("baggage", "preview-lane = pr-4;ttl=1"),
        ("baggage", "preview%2Dlane=pr-4"),
        ("baggage", "preview%2dlane=pr-4"),
        ("baggage", "+preview-lane=pr-4"),
        ("baggage", "%20preview-lane%20=pr-4"),
        ("baggage", "%C2%A0preview-lane=pr-4"),
        ("baggage", "%70review-lane=pr-4"),
    ],
    ids=lambda one: f"{one[0]}: {one[1]}" if isinstance(one, tuple) else None,
)
def test_a_lane_that_does_not_count_does_not_reach_the_application(
    doors: Doors, entry: Entry, smuggled: tuple[str, str]
) -> None:
    answer = doors(entry).ask([("baggage", "a=1;p=2"), smuggled])
    assert answer.served is None
    assert {key.replace("_", "-") for key, _ in answer.seen}.isdisjoint({"x-preview-lane"})
    assert answer.baggage == "a=1;p=2"


keys = st.text(st.sampled_from("previwlan-PL%2Dd70_+ \t"), min_size=1, max_size=16)
members = st.builds("{}={}".format, keys | st.just("preview-lane"), st.sampled_from(["pr-4", "1", ""]))


@settings(max_examples=200)
@given(sent=st.lists(members, max_size=5).map(",".join))
def test_no_baggage_from_outside_reads_as_a_lane_to_opentelemetry(doors: Doors, sent: str) -> None:
    answer = doors(SIGNED).ask([("baggage", sent)])
    others = {key: value for key, value in understood(sent).items() if key != "preview-lane"}
    assert understood(answer.baggage) == others


def test_a_request_without_a_lane_reaches_the_application_as_it_was(doors: Doors) -> None:
    sent = [("host", "payment"), ("cookie", "a=1; b=2"), ("baggage", "a=1"), ("baggage", "b=2")]
    for entry in (OPEN, SIGNED, REFUSING, NONE):
        got = doors(entry).ask(sent, path="/a?b=c&preview=true").seen
        assert [one for one in got if one[0] != "x-forwarded-proto"] == sent


def test_who_no_link_could_let_in_is_not_told_to_ask_for_one(doors: Doors) -> None:
    answer = doors(replace(NONE, untrusted=Untrusted.FORBIDDEN)).ask([("x-preview-lane", "pr-4")])
    assert (answer.status, answer.body) == (403, b"The previews of shop are not open to everyone.\n")


def test_who_is_forbidden_is_told_what_to_do(doors: Doors) -> None:
    answer = doors(REFUSING).ask([("host", f"pr-4.{DOMAIN}")])
    assert answer.status == 403
    assert answer.body == (
        b"The previews of shop are not open to everyone. Ask for a link: laneway link shop pr-4\n"
    )
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("way", "source", "status"),
    [
        ("203.0.113.7, 198.51.100.1", OUTSIDE, 200),
        ("198.51.100.9, 203.0.113.7, 198.51.100.1", OUTSIDE, 200),
        ("203.0.113.7, 198.51.100.9, 198.51.100.1", OUTSIDE, 403),  # what a client says of itself
        ("2001:db8::7, 198.51.100.1", OUTSIDE, 200),
        ("198.51.100.9, 198.51.100.1", INSIDE, 403),
        ("not an address, 198.51.100.1", OUTSIDE, 403),
        # it did not pass both proxies, so whoever connected sent it
        ("203.0.113.7", OUTSIDE, 403),
        ("198.51.100.9", INSIDE, 200),
        ("", OUTSIDE, 403),
        ("", INSIDE, 200),
    ],
)
def test_behind_proxies_the_client_is_whom_the_outermost_one_saw(
    doors: Doors, way: str, source: str, status: int
) -> None:
    sent = [("x-preview-lane", "pr-4"), *([("x-forwarded-for", way)] if way else [])]
    assert doors(PROXIED).ask(sent, source=source).status == status


def test_without_proxies_nobody_can_say_where_they_come_from(doors: Doors) -> None:
    answer = doors(REFUSING).ask([("x-preview-lane", "pr-4"), ("x-forwarded-for", INSIDE)])
    assert answer.status == 403


def test_what_a_request_says_of_its_way_reaches_the_application(doors: Doors) -> None:
    sent = ("x-forwarded-for", "203.0.113.7, 198.51.100.1")
    assert sent in doors(PROXIED).ask([sent]).seen


BLANKS = " " * 1_000_000


@pytest.mark.parametrize(
    "long",
    [
        ("cookie", f"{TICKET}=a.b.c; a=b{BLANKS}c"),
        ("cookie", f"a{BLANKS}; {TICKET}=a{BLANKS}b"),
        ("baggage", f"preview-lane=a{BLANKS}b"),
        ("baggage", f"a{BLANKS}b=1,%20preview-lane{BLANKS}=a"),
        ("x-forwarded-for", f"1{BLANKS}1, 198.51.100.1"),
    ],
    ids=lambda one: f"{one[0]}: {len(one[1])}" if isinstance(one, tuple) else None,
)
def test_no_header_keeps_a_worker_busy_by_its_length(doors: Doors, long: tuple[str, str]) -> None:
    answer = doors(PROXIED).ask([("x-preview_lane", "pr-4"), long])
    assert (answer.status, answer.served) == (200, None), "and within the time that `ask` has"


def test_no_number_of_cookies_keeps_a_worker_busy(doors: Doors) -> None:
    lines = [("cookie", "a=b")] * 9_000
    assert doors(SIGNED).ask(lines).status == 200
    answer = doors(SIGNED).ask([*lines, ("cookie", f"{TICKET}={token()}")])
    assert answer.served == "payment=pr-4"


# what parsers stumble over, between what they look for
shreds = st.sampled_from(
    [*"?&=;,%/\\.: ", "preview", "preview=", "preview-lane", "laneway-preview", "pr-4", "off", "a.b.c", "%2D"]
)
strange = st.lists(shreds, max_size=8).map("".join)


@settings(max_examples=250)
@given(path=strange, cookie=strange, baggage=strange, way=strange)
@example(path="&preview=off", cookie="", baggage="", way="")
def test_nothing_that_is_sent_makes_the_filter_stumble(
    doors: Doors, path: str, cookie: str, baggage: str, way: str
) -> None:
    door = doors(PROXIED)
    sent = [("x-preview_lane", "pr-4"), ("x-forwarded-for", way), ("baggage", baggage)]
    sent.append(("cookie", f"{TICKET}=a.b.c;{cookie}"))
    answer = door.ask(sent, "/" + path.replace(" ", ""))
    assert answer.status in (200, 302, 403)
    if answer.status == 200:
        assert answer.served is None
        assert "preview-lane" not in understood(answer.baggage)
        assert "x-preview_lane" not in dict(answer.seen)
    assert "script log" not in door.world.envoy.log()


NETWORKS = ("10.1.128.0/17", "192.0.2.7/32", "198.51.100.0/23", "2001:db8:8000::/33", "fe80::/10")
addresses = (
    st.ip_addresses()
    | st.sampled_from(NETWORKS).flatmap(lambda one: st.ip_addresses(network=one))
    | st.ip_addresses(v=4).map(lambda one: ip_address(f"::ffff:{one}"))
)
spelled = st.sampled_from(
    [str, lambda one: one.exploded, lambda one: f"[{one}]:443" if one.version == 6 else f"{one}:443"]
)


@settings(max_examples=200)
@given(address=addresses, spell=spelled)
def test_an_address_is_in_the_networks_that_python_finds_it_in(
    doors: Doors, address: IPv4Address | IPv6Address, spell: Callable[[object], str]
) -> None:
    entry = replace(PROXIED, networks=NETWORKS, hops=1)
    sent = [("x-preview-lane", "pr-4"), ("x-forwarded-for", spell(address))]
    plain = getattr(address, "ipv4_mapped", None) or address
    known = any(plain in ip_network(one) for one in NETWORKS)
    assert doors(entry).ask(sent).status == (200 if known else 403)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "10.1.128",
            "10.1.128.1.1",
            "10.1.128.256",
            "010.1.128.1",
            "10.1.0x80.1",
            "10.1.128.1/17",
            "1e1.1.128.1",
        ),
        *("fe80", ":fe80::1", "fe80:::1", "fe80::1::", "fe80::g", "fe80:1:2:3:4:5:6", "fe80:1:2:3:4:5:6:7:8"),
        *(
            "fe80:1:2:3:4:5:6::7:8",
            "fe80::1%eth0",
            "fe80::10.1.128.256",
            "[fe80::1",
            "10.1.128.1:port",
            "unknown",
        ),
    ],
)
def test_what_is_no_address_is_in_no_network(doors: Doors, text: str) -> None:
    entry = replace(PROXIED, networks=NETWORKS, hops=1)
    sent = [("x-preview-lane", "pr-4"), ("x-forwarded-for", text)]
    assert doors(entry).ask(sent).status == 403

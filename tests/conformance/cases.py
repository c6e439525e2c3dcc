"""The list of cases: what is sent, and the exact way that it has to take. Data.

A way names who answers at web, orders, payment and ledger, in this order; where it ends with `503`, that
service has nobody who may answer, and none behind it is asked. Each hop of a request with a lane must also
say who answered; a request without one must hear nothing of lanes at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from provisioner.routing import links, share
from tests.conformance.hops.calling import PROTOCOLS
from tests.conformance.hops.story import FORWARDS, Headers
from tests.conformance.scene import (
    BUCKET,
    CHAIN,
    COOKIE,
    DOMAIN,
    KEY,
    LINK,
    LONGER,
    LONGEST,
    OUTSIDE,
    RELEASE,
    SERVICES,
    TESTER,
)

HEADER = "x-preview-lane"
NOWHERE = ("baseline",) * len(SERVICES)
REFUSED = "503"


@dataclass(frozen=True)
class Case:
    """`lane` is what the request is in, None for no lane. `state` is that of the release, empty while there
    is none; `taken`: it took the request, which named no lane, and where the chain is entered nothing is said
    of that; `bucket`: the answer keeps the user in one."""

    topic: str
    name: str
    headers: tuple[tuple[str, str], ...]
    way: tuple[str, ...]
    lane: str | None
    protocol: str = "http"
    port: str = "http"
    begins: str = SERVICES[0]  # or OUTSIDE
    state: str = ""
    taken: bool = False
    bucket: bool = False

    @property
    def id(self) -> str:
        return f"{self.topic}: {self.name}"

    @property
    def explains(self) -> bool:
        """Whether the answer is a refusal, which has to name lane and service."""
        return self.way[-1] == REFUSED


WAYS = {
    "pr-4": "baseline pr-4 pr-4 baseline",
    "pr-42": "baseline baseline pr-42 baseline",
    "a": "baseline baseline a baseline",
    "42": "baseline baseline 42 baseline",
    "two--hyphens": "baseline baseline two--hyphens baseline",
    LONGEST: f"baseline baseline {LONGEST} baseline",
    LONGER: f"baseline {LONGER} baseline baseline",
    "entry": "entry baseline baseline baseline",
    "end": "baseline baseline baseline end",
    "all-four": "all-four all-four all-four all-four",
    "gap": "gap baseline gap baseline",
    "empty": "baseline baseline baseline baseline",
    "pr-9": "baseline baseline baseline baseline",
    "unready": "baseline unready baseline baseline",
    "crashed": "baseline crashed baseline baseline",
    "own": "baseline own own baseline",
    "own-unready": "baseline own-unready 503",
    "own-crashed": "baseline own-crashed 503",
    "whole": "whole whole whole whole",
    "whole-unready": "whole-unready 503",
    "whole-but-one": "whole-but-one whole-but-one whole-but-one 503",
    "whole-of-none": "503",
    "child": "baseline pr-4 child baseline",
    "child-unready": "baseline pr-4 pr-4 baseline",
    "child-empty": "baseline pr-4 pr-4 baseline",
    "grandchild": "baseline pr-4 child grandchild",
    "own-child": "baseline pr-4 pr-4 own-child",
    "own-child-unready": "baseline pr-4 503",
    "whole-child": "whole-child 503",
    "orphan": "baseline baseline orphan baseline",
    "ring-a": "baseline ring-b ring-a baseline",
    "ring-b": "baseline ring-b ring-a baseline",
    "floor-4": "baseline floor-0 baseline baseline",
    "floor-5": "baseline baseline baseline baseline",
    RELEASE: f"{RELEASE} baseline {RELEASE} baseline",
}


def _case(topic: str, name: str, headers: Headers, lane: str | None, protocol: str = "http") -> Case:
    way = tuple(WAYS[lane].split()) if lane else NOWHERE
    port = "grpc" if protocol.startswith("grpc") else "http"
    return Case(topic, name, tuple(headers), way, lane, protocol, port)


def _tag(value: str) -> Headers:
    return [(HEADER, value)]


def _bag(*values: str) -> Headers:
    return [("baggage", value) for value in values]


def _cookie(value: str) -> Headers:
    return [("cookie", value)]


def _ticket(lane: str, chain: str = CHAIN, key: str = KEY, days: int = 1) -> Headers:
    (derived,) = links.of_chain([key.encode()], chain)
    ends = datetime.now(UTC) + timedelta(days=days)
    return _cookie(f"laneway-{LINK}={links.sign(derived, chain, lane, ends)}")


def _host(value: str) -> Headers:
    return [("host", value)]


LANES_OF_CASES = {
    "a copy in the middle": "pr-4",
    "a copy at the entry alone": "entry",
    "a copy at the end alone": "end",
    "copies of all": "all-four",
    "in, out and in again": "gap",
    "a lane without copies": "empty",
    "a lane that does not exist": "pr-9",
    "a lane whose name begins like another's": "pr-42",
    "one letter": "a",
    "digits alone": "42",
    "two hyphens": "two--hyphens",
    "63 characters": LONGEST,
    "63 characters, of which the last differs": LONGER,
}

HEADERS: dict[str, tuple[Headers, str | None]] = {
    "in capitals": ([("X-Preview-Lane", "pr-4")], "pr-4"),
    "spaces around": (_tag("  pr-4  "), "pr-4"),
    "64 characters": (_tag(LONGEST + "a"), None),
    "empty": (_tag(""), None),
    "a name in capitals": (_tag("PR-4"), None),
    "a name with an underscore": (_tag("pr_4"), None),
    "a name with a dot": (_tag("pr.4"), None),
    "percent-encoded": (_tag("pr%2D4"), None),
    "an expression": (_tag("pr-.*"), None),
    "a hyphen first": (_tag("-pr-4"), None),
    "baseline as a lane": (_tag("baseline"), None),
    "none as a lane": (_tag("none"), None),
    "twice": ([*_tag("pr-4"), *_tag("pr-42")], None),
}

BAGGAGE: dict[str, tuple[Headers, str | None]] = {
    "alone": (_bag("preview-lane=pr-4"), "pr-4"),
    "first of several": (_bag("preview-lane=pr-4,a=1"), "pr-4"),
    "last of several": (_bag("a=1,preview-lane=pr-4"), "pr-4"),
    "between others": (_bag("a=1,preview-lane=pr-4,b=2"), "pr-4"),
    "spaces": (_bag("a=1 ,  preview-lane = pr-4 , b=2"), "pr-4"),
    "properties": (_bag("preview-lane=pr-4;ttl=1;x"), "pr-4"),
    "percent-encoded": (_bag("preview-lane=pr%2D4"), "pr-4"),
    "percent-encoded twice": (_bag("preview-lane=pr%252D4"), None),
    "broken percent-encoding": (_bag("preview-lane=pr%2"), None),
    "a name that begins like the lane's": (_bag("preview-lane=pr-42"), "pr-42"),
    "a key that ends alike": (_bag("my-preview-lane=pr-4"), None),
    "a key that begins alike": (_bag("preview-lanes=pr-4"), None),
    "a key in capitals": (_bag("Preview-Lane=pr-4"), None),
    "the key within a value": (_bag("a=preview-lane=pr-4"), None),
    "the key within a property": (_bag("a=1;preview-lane=pr-4"), None),
    "without a value": (_bag("preview-lane="), None),
    "without an equals sign": (_bag("preview-lane"), None),
    "empty members": (_bag(",a=1,,preview-lane=pr-4,"), "pr-4"),
    "commas alone": (_bag(",,,"), None),
    "two headers": (_bag("a=1", "preview-lane=pr-4"), "pr-4"),
    "two headers, the lane first": (_bag("preview-lane=pr-4", "a=1"), "pr-4"),
    "the key twice": (_bag("preview-lane=pr-4,preview-lane=pr-42"), "pr-42"),
    "the key in two headers": (_bag("preview-lane=pr-42", "preview-lane=pr-4"), "pr-4"),
    "170 other members": (_bag(",".join(f"k{n}=v{n}" for n in range(170)) + ",preview-lane=pr-4"), "pr-4"),
}

COOKIES: dict[str, tuple[Headers, str | None]] = {
    "alone": (_cookie("preview-lane=pr-4"), "pr-4"),
    "between others": (_cookie("a=1; preview-lane=pr-4; b=2"), "pr-4"),
    "a name that begins like the lane's": (_cookie("preview-lane=pr-42"), "pr-42"),
    "a cookie whose name ends alike": (_cookie("my-preview-lane=pr-4"), None),
    "the name within a value": (_cookie("a=preview-lane=pr-4"), None),
    "in quotes": (_cookie('preview-lane="pr-4"'), None),
    "a name in capitals": (_cookie("preview-lane=PR-4"), None),
    "twice": (_cookie("preview-lane=pr-4; preview-lane=pr-42"), "pr-4"),
}

# by the cookie that a link sets: the link itself is answered by being sent on
LINKS: dict[str, tuple[Headers, str | None]] = {
    "alone": (_ticket("pr-4"), "pr-4"),
    "between other cookies": (_cookie(f"a=1; {_ticket('pr-4')[0][1]}; b=2"), "pr-4"),
    "a lane whose name begins like another's": (_ticket("pr-42"), "pr-42"),
    "a lane that does not exist": (_ticket("pr-9"), "pr-9"),
    "expired": (_ticket("pr-4", days=-1), None),
    "another chain's": (_ticket("pr-4", chain="town"), None),
    "signed with another key": (_ticket("pr-4", key=KEY[::-1]), None),
}

HOSTS: dict[str, tuple[Headers, str | None]] = {
    "a copy further on": (_host(f"pr-4.{DOMAIN}"), "pr-4"),
    "a copy at the entry": (_host(f"gap.{DOMAIN}"), "gap"),
    "with a port": (_host(f"pr-4.{DOMAIN}:8080"), "pr-4"),
    "in capitals": (_host(f"PR-4.{DOMAIN.upper()}"), "pr-4"),
    "a name that begins like the lane's": (_host(f"pr-42.{DOMAIN}"), "pr-42"),
    "63 characters": (_host(f"{LONGEST}.{DOMAIN}"), LONGEST),
    "two labels": (_host(f"a.pr-4.{DOMAIN}"), None),
    "another domain": (_host("pr-4.preview.example.org"), None),
}

TOGETHER: dict[str, tuple[Headers, str | None]] = {
    "header and baggage agree": ([*_tag("pr-4"), *_bag("preview-lane=pr-4")], "pr-4"),
    "the header before the baggage": ([*_tag("pr-4"), *_bag("preview-lane=pr-42")], "pr-4"),
    "an invalid header leaves it to the baggage": ([*_tag("PR"), *_bag("preview-lane=pr-4")], "pr-4"),
    "the header before the host": ([*_tag("pr-4"), *_host(f"pr-42.{DOMAIN}")], "pr-4"),
    "the baggage before the host": ([*_bag("preview-lane=pr-4"), *_host(f"pr-42.{DOMAIN}")], "pr-4"),
    "the header before the link": ([*_tag("pr-4"), *_ticket("pr-42")], "pr-4"),
    "the header before the cookie": ([*_tag("pr-4"), *_cookie("preview-lane=pr-42")], "pr-4"),
    "the baggage before the cookie": ([*_bag("preview-lane=pr-4"), *_cookie("preview-lane=pr-42")], "pr-4"),
    "the cookie before the host": ([*_cookie("preview-lane=pr-4"), *_host(f"pr-42.{DOMAIN}")], "pr-4"),
}

FORWARDED: dict[str, tuple[Headers, str | None]] = {
    "applications pass the header on alone": ([*_tag("pr-4"), (FORWARDS, "header")], "pr-4"),
    "applications pass the baggage on alone": ([*_tag("pr-4"), (FORWARDS, "baggage")], "pr-4"),
    "in by baggage, on by header": ([*_bag("preview-lane=pr-4"), (FORWARDS, "header")], "pr-4"),
}

FROM_OUTSIDE: dict[str, tuple[Headers, str | None]] = {
    "a copy at the entry": (_tag("entry"), "entry"),
    "a copy further on": (_tag("pr-4"), "pr-4"),
    "a copy at the entry, by baggage": (_bag("a=1,preview-lane=gap"), "gap"),
    "a lane without copies": (_tag("empty"), "empty"),
    "a lane that does not exist": (_tag("pr-9"), "pr-9"),
    "strict, a copy that is not ready": (_tag("own-unready"), "own-unready"),
    "strict, a lane without copies": (_tag("whole-of-none"), "whole-of-none"),
    "stacked": (_tag("grandchild"), "grandchild"),
}

STRICT = {
    "members, all ready": "own",
    "members, one not ready": "own-unready",
    "members, one has just died": "own-crashed",
    "all, all ready": "whole",
    "all, one not ready": "whole-unready",
    "all, one that the lane has not": "whole-but-one",
    "all, a lane without copies": "whole-of-none",
}

STACKED = {
    "a copy of the parent's": "child",
    "the parent's where its own is not ready": "child-unready",
    "no copy of its own": "child-empty",
    "the parent's parent's": "grandchild",
    "members, over a parent": "own-child",
    "members, its own is not ready": "own-child-unready",
    "all, over a parent": "whole-child",
    "a parent that is gone": "orphan",
    "parents in a ring": "ring-a",
    "parents in a ring, from the other end": "ring-b",
    "four parents deep": "floor-4",
    "five parents deep": "floor-5",
}

_FIRST = share.start(RELEASE)  # the bucket with which the release begins


def _bucket(offset: int) -> Headers:
    return _cookie(f"a=1; {BUCKET}={(_FIRST + offset) % share.BUCKETS}")


# what the release takes of requests that name no lane, by its state
TAKEN: dict[str, dict[str, Headers]] = {
    "nobody": {
        "weight 0, the audience": [(TESTER, "yes")],
    },
    "half": {
        "weight 50, the first bucket": _bucket(0),
        "weight 50, the last bucket within": _bucket(4_999),
        "weight 50, the audience by header, a bucket without": [(TESTER, "yes"), *_bucket(5_000)],
        "weight 50, the audience by cookie, a bucket without": [
            ("cookie", f"{TESTER}=yes; {_bucket(5_000)[0][1]}")
        ],
    },
    "all": {
        "weight 100, a bucket": _bucket(-1),
    },
}
LEFT: dict[str, dict[str, Headers]] = {
    "nobody": {
        "weight 0, the first bucket": _bucket(0),
        "weight 0, the audience's header with another value": [(TESTER, "no"), *_bucket(0)],
    },
    "half": {
        "weight 50, the first bucket without": _bucket(5_000),
        "weight 50, the last bucket": _bucket(-1),
        "weight 50, two buckets, the first of them without": [
            ("cookie", f"{_bucket(5_000)[0][1]}; {_bucket(0)[0][1]}")
        ],
    },
    "lacking": {
        "weight 100, a copy is not ready": _bucket(0),
        "weight 100, a copy is not ready, the audience": [(TESTER, "yes"), *_bucket(0)],
    },
}
# by whom the requests are that name a lane themselves, at a weight of 50
NAMED: dict[str, tuple[Headers, str]] = {
    "weight 50, a lane by header": ([*_tag("pr-4"), *_bucket(0)], "pr-4"),
    "weight 50, a lane by header, the audience": ([*_tag("pr-4"), (TESTER, "yes"), *_bucket(0)], "pr-4"),
    "weight 50, a lane by baggage": ([*_bag("preview-lane=pr-4"), *_bucket(0)], "pr-4"),
    "weight 50, a lane with a copy at the entry": ([*_tag("entry"), *_bucket(0)], "entry"),
    "weight 50, a lane without copies": ([*_tag("empty"), *_bucket(0)], "empty"),
    "weight 50, a lane that does not exist": ([*_tag("pr-9"), *_bucket(0)], "pr-9"),
    "weight 50, a lane that does not exist, by cookie": (
        [("cookie", f"{COOKIE}=pr-9; {_bucket(0)[0][1]}")],
        "pr-9",
    ),
    "weight 50, a lane that does not exist, by host": ([*_host(f"pr-9.{DOMAIN}"), *_bucket(0)], "pr-9"),
    "weight 50, the release's own lane, a bucket without": ([*_tag(RELEASE), *_bucket(5_000)], RELEASE),
}

COPIES = {"a copy that is not ready": "unready", "a copy that has just died": "crashed"}


def _all() -> Iterator[Case]:
    for name, lane in LANES_OF_CASES.items():
        yield _case("lanes", name, _tag(lane), lane)
    tables: dict[str, dict[str, tuple[Headers, str | None]]] = {
        "header": HEADERS,
        "baggage": BAGGAGE,
        "cookie": COOKIES,
        "link": LINKS,
        "host": HOSTS,
        "carriers together": TOGETHER,
        "carriers passed on": FORWARDED,
    }
    for topic, table in tables.items():
        for name, (headers, named) in table.items():
            found = _case(topic, name, headers, named)
            from_browsers = any(key in ("host", "cookie") for key, _ in headers)
            yield replace(found, begins=OUTSIDE) if from_browsers else found
    for name, (headers, named) in FROM_OUTSIDE.items():
        yield replace(_case("from outside", name, headers, named), begins=OUTSIDE)
    for topic, lanes in {"copies": COPIES, "strict": STRICT, "stacked": STACKED}.items():
        for name, lane in lanes.items():
            yield _case(topic, name, _tag(lane), lane)
    for protocol in PROTOCOLS[1:]:
        for name in ("pr-4", "all-four", "pr-9", "unready", "crashed", "own-unready", "child"):
            yield _case(protocol, f"lane {name}", _tag(name), name, protocol)
        yield _case(protocol, "by baggage", _bag("a=1,preview-lane=pr-4"), "pr-4", protocol)
    for name in ("pr-4", "all-four"):
        yield replace(_case("a second port", f"lane {name}", _tag(name), name), port="admin")


def _taken(state: str, name: str, headers: Headers, protocol: str = "http") -> Case:
    return replace(_case("release", name, headers, RELEASE, protocol), state=state, taken=True)


def _of_releases() -> Iterator[Case]:
    """In the order of the release's states."""
    named = {"half": NAMED}
    for state in STATES:
        for name, headers in TAKEN.get(state, {}).items():
            yield _taken(state, name, headers)
            yield replace(_taken(state, f"{name}, from outside", headers), begins=OUTSIDE)
        for name, headers in LEFT.get(state, {}).items():
            yield replace(_case("release", name, headers, None), state=state)
        for name, (headers, lane) in named.get(state, {}).items():
            begins = OUTSIDE if headers[0][0] in ("host", "cookie") else SERVICES[0]
            yield replace(_case("release", name, headers, lane), state=state, begins=begins)
        if state == "nobody":
            yield replace(_case("release", "weight 0, no bucket", (), None), state=state, bucket=True)
        if state == "all":
            yield replace(_taken(state, "weight 100, no bucket", ()), bucket=True)
            for protocol in PROTOCOLS[1:]:
                yield _taken(state, f"weight 100, {protocol}", _bucket(0), protocol)
        if state == "firm":
            made = _taken(state, "the baseline takes the images, and a copy is not ready", _bucket(0))
            yield replace(made, way=(RELEASE, "baseline", REFUSED))


STATES = ("nobody", "half", "all", "lacking", "firm")
LANE_CASES = tuple(_all())
RELEASE_CASES = tuple(_of_releases())
CASES = (*LANE_CASES, *RELEASE_CASES)

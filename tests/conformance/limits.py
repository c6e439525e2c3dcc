"""What a driver cannot do: a limit for each, with its reason. A row of docs/routing.md each. Data.

A limit says exactly what happens instead, and the suite holds the driver to that: where it can do more than
it says here, the case fails, and the limit has to go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.conformance.cases import HEADER, NOWHERE, REFUSED, RELEASE_CASES, WAYS, Case
from tests.conformance.results import SILENT, Seen, expected
from tests.conformance.scene import BASELINE, SERVICES, TESTER


@dataclass(frozen=True)
class Limit:
    """`what` cannot be done, `instead` in words, and as what is then seen; `why` in words. `of` tells which
    cases it is about."""

    driver: str
    what: str
    instead: str
    why: str
    of: Callable[[Case], bool]
    seen: Callable[[Seen], Seen]


def _silent(word: str) -> Callable[[Seen], Seen]:
    """It goes the way that was asked for, and nothing is said where this should be."""
    return lambda asked: replace(asked, said=tuple(SILENT if one == word else one for one in asked.said))


def _untagged(_: Seen) -> Seen:
    """As for a request without a lane."""
    return Seen(NOWHERE, (SILENT,) * len(NOWHERE))


def _takes(way: str) -> Callable[[Seen], Seen]:
    """It goes this way, and says so."""
    answered = tuple(way.split())
    return lambda asked: Seen(answered, answered)


def _says(said: str) -> Callable[[Seen], Seen]:
    """It goes the way that was asked for, and this is said."""
    return lambda asked: replace(asked, said=tuple(said.split()))


def _fails(asked: Seen) -> Seen:
    """The copy that has died is asked in vain, and the answer is the proxy's own."""
    service = SERVICES.index("payment")
    lane = asked.way[service - 1]
    return Seen((*asked.way[:service], REFUSED), (*asked.said[:service], lane))


def _named(*names: str) -> Callable[[Case], bool]:
    return lambda case: case.id in names


def _by_link(case: Case) -> bool:
    return case.topic == "link" and case.lane is not None


def _crashed(case: Case) -> bool:
    return case.lane in ("crashed", "own-crashed")


def _unkept(asked: Seen) -> Seen:
    """The answer gives the user no bucket."""
    return replace(asked, bucket=False)


def _within(_: Seen) -> Seen:
    """The release takes it."""
    return expected(next(case for case in RELEASE_CASES if case.taken))


ISTIO = (
    Limit(
        "istio",
        "a lane named by a signed link",
        "the baseline answers",
        "no route checks a signature; the built-in router does",
        _by_link,
        _untagged,
    ),
    Limit(
        "istio",
        "a lane's copy that has just died and still counts as ready",
        "503, also from a loose lane, until its pod is no longer ready",
        "a route names one Service, and Istio's retries stay within it (`routing: {failover: true}` helps)",
        _crashed,
        _fails,
    ),
    Limit(
        "istio",
        "the header twice, with two lanes",
        "the first of the lanes by name is taken",
        "an exact match looks at the values joined or one by one, as Envoy does, and the first rule wins",
        _named("header: twice"),
        _takes("baseline pr-4 pr-4 baseline"),
    ),
    Limit(
        "istio",
        "several lanes in the baggage",
        "the first of them by name is taken, not the last that was said",
        "rules are tried one after the other, and an expression cannot know of the others",
        _named("baggage: the key twice"),
        _takes("baseline pr-4 pr-4 baseline"),
    ),
    Limit(
        "istio",
        "a lane called `baseline` or `none` in the header",
        "the baseline answers, and says so, as for any lane that does not exist",
        "the rule for lanes that are not there looks at the form of the name alone",
        _named("header: baseline as a lane", "header: none as a lane"),
        _says("baseline baseline baseline baseline"),
    ),
    Limit(
        "istio",
        "applications that pass the baggage on and not the header",
        "the lane is left behind the first of them",
        "carriers become the header where the chain is entered, and behind it only the header counts",
        _named("carriers passed on: applications pass the baggage on alone"),
        lambda asked: Seen(NOWHERE, ("baseline", *(SILENT,) * (len(NOWHERE) - 1))),
    ),
    Limit(
        "istio",
        "say that the baseline answered a lane that does not exist, named by cookie or host",
        "`x-preview-lane-served` is absent; no release takes the request",
        "only what names any lane by header or baggage has a rule of its own",
        _named(
            "release: weight 50, a lane that does not exist, by cookie",
            "release: weight 50, a lane that does not exist, by host",
        ),
        _untagged,
    ),
    Limit(
        "istio",
        "a release's bucket cookie twice, with two buckets",
        "the release takes the request if one of the two is in it",
        "an expression cannot know which cookie is the first",
        _named("release: weight 50, two buckets, the first of them without"),
        _within,
    ),
    Limit(
        "istio",
        "give users a bucket while a release has a weight of 0",
        "they get theirs with the first request after that",
        "at a weight of 0 there are no rules of a release, but for its audience",
        _named("release: weight 0, no bucket"),
        _unkept,
    ),
)


def _by_other_means(case: Case) -> bool:
    """Whether a request names its lane by baggage or cookie, and no header or host says more."""
    names = {key for key, _ in case.headers}
    by_header = ("x-preview-lane", case.lane) in case.headers
    named = bool(case.lane) and bool(names & {"baggage", "cookie"}) and case.topic != "link"
    return named and not by_header and "host" not in names and not case.taken


BY_LOT = Seen(("by lot",), ())


def _told_apart(case: Case) -> bool:
    """Whether it is decided by more than the audience's header or a known lane's."""
    known = {(TESTER, "yes"), *((HEADER, lane) for lane in WAYS if lane != "pr-9")}
    return case.state == "half" and not known & set(case.headers)


GATEWAY_API = (
    Limit(
        "gateway-api",
        "say that the baseline answered",
        "`x-preview-lane-served` is absent where no copy of the lane answers",
        "a service where the lane has no copy has no route of the lane that could say anything",
        lambda case: bool(case.lane) and BASELINE in expected(case).said,
        _silent(BASELINE),
    ),
    Limit(
        "gateway-api",
        "a lane named by baggage or by a cookie",
        "the baseline answers",
        "expressions in header matches are not portable in Gateway API, so routes have exact ones alone",
        _by_other_means,
        _untagged,
    ),
    Limit(
        "gateway-api",
        "a lane named by a signed link",
        "the baseline answers",
        "no route checks a signature; the built-in router does",
        _by_link,
        _untagged,
    ),
    Limit(
        "gateway-api",
        "applications that pass the baggage on and not the header",
        "the lane is left behind the first of them",
        "only the header counts",
        _named("carriers passed on: applications pass the baggage on alone"),
        _untagged,
    ),
    Limit(
        "gateway-api",
        "a preview host beside another carrier",
        "the host wins over header, baggage and cookie",
        "a Gateway looks at the routes of the most specific hostname alone",
        lambda case: case.topic == "carriers together" and any(key == "host" for key, _ in case.headers),
        lambda _: Seen(("baseline", "baseline", "pr-42", "baseline"), (SILENT, SILENT, "pr-42", SILENT)),
    ),
    Limit(
        "gateway-api",
        "the header twice, with two lanes",
        "the lane is taken whose route is the oldest",
        "Envoy looks at the values one by one, and the first rule that matches wins",
        _named("header: twice"),
        lambda _: Seen(("baseline", "pr-4", "pr-4", "baseline"), (SILENT, "pr-4", "pr-4", SILENT)),
    ),
    Limit(
        "gateway-api",
        "a lane's copy that has just died and still counts as ready",
        "503, also from a loose lane, until its pod is no longer ready",
        "a route leads to one Service, and a mesh's retries stay within it",
        _crashed,
        _fails,
    ),
    Limit(
        "gateway-api",
        "give users a bucket, so that they stay on one version of a release",
        "none is given; a chain file and a release that ask for it are refused",
        "no cookie can be looked at by an exact match, nor set by lot",
        lambda case: case.bucket,
        _unkept,
    ),
    Limit(
        "gateway-api",
        "a release's share of users",
        "each request is decided by itself, the whole chain with it (`sticky: none`); also one that names a "
        "lane that does not exist, or one by baggage or cookie; Laneway's own entry (`driver: envoy`) keeps "
        "users",
        "weights of backends know nothing of who asks",
        _told_apart,
        lambda _: BY_LOT,
    ),
)
LIMITS: tuple[Limit, ...] = (*GATEWAY_API, *ISTIO)


def limits_of(driver: str, case: Case) -> tuple[Limit, ...]:
    """The limits that a case meets with a driver, in the order of the list."""
    return tuple(one for one in LIMITS if one.driver == driver and one.of(case))


def as_limited(driver: str, case: Case) -> Seen:
    """What is to be seen of a case with a driver: what the case asks for, but for the driver's limits."""
    found = expected(case)
    for one in limits_of(driver, case):
        found = one.seen(found)
    return found

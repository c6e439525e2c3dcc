"""The part of the untagged requests that a release takes where its chain is entered. Pure.

The release's lane has one more VirtualService there, to which a line behind those of all lanes delegates what
names no lane by its header. It has the user's rules in their order, each for the requests that the release
takes, with the lane's copies and its header, and each for the requests that are in no bucket yet. What
neither takes goes on to the user's own rules. A change of the weight is one write of it.

A cookie says which bucket a user is in, and an expression which buckets are in the release. Who has no cookie
is dealt one by lot: `HANDS` destinations of equal weight, each of which sets another bucket, evenly spaced,
and leads where that bucket leads. So the first request counts already, a share is exact, to one percent, of
those who come and of those who come back, and none of them changes sides when it grows.

What a release takes is like any request of its lane from there on; where it came in, its answers say nothing
of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.chain.model import Entry
from provisioner.routing import share as reference
from provisioner.routing.intent import Share
from provisioner.routing.istio import expressions, matches, variants
from provisioner.routing.istio.matches import Ways
from provisioner.routing.istio.variants import Asked
from provisioner.routing.share import BUCKETS

Json = dict[str, Any]

HANDS = 100


@dataclass(frozen=True)
class Hand:
    """One part of the requests that are dealt; `cookie` is what keeps a user in it, empty for nothing."""

    weight: int
    inside: bool
    cookie: str = ""


def takes(share: Share) -> bool:
    """Whether it takes any request."""
    return bool(share.weight or share.audience.header or share.audience.cookie)


def rules(users: Iterable[Json], share: Share, entry: Entry, ways: Ways, asked: Asked) -> list[Json]:
    """The rules of the release's VirtualService. `asked` is for its lane."""
    others = ways.by_others()
    found: list[Json] = []
    for rule in users:
        if not variants.leads(rule, asked):
            found.append(rule)
            continue
        if taken := _taken(share, others):
            found.append(variants.variant(_narrowed(rule, taken), asked))
        if share.weight:
            drawn = _narrowed(rule, [_without_bucket(share, others)])
            found.append(_dealt(drawn, hands(share, entry), asked))
    return found


def clashes(users: Iterable[Json], share: Share, ways: Ways) -> Iterator[str]:
    """The headers of which both a rule of the user's and the share would have to say something."""
    others = ways.by_others()
    roots = [ways.of_none(), *_taken(share, others), _without_bucket(share, others)]
    for rule in users:
        for leaf in rule.get("match") or ():
            for root in roots:
                if matches.conflict(_in_the_case_of(root, leaf), leaf):
                    yield from (name for part in root.values() for name in part)


def hands(share: Share, entry: Entry) -> list[Hand]:
    """How requests without a bucket are dealt."""
    if not share.sticky.cookie:
        both = (Hand(share.weight, True), Hand(100 - share.weight, False))
        return [one for one in both if one.weight]
    middle = BUCKETS // HANDS // 2
    buckets = range(middle, BUCKETS, BUCKETS // HANDS)
    return [
        Hand(1, reference.contains(share, one), reference.set_cookie(share, one, entry)) for one in buckets
    ]


def _taken(share: Share, others: Mapping[str, str]) -> list[Json]:
    """What the requests that are in the release, whatever is dealt, match."""
    found: list[Json] = []
    audience = share.audience
    if audience.header:
        found.append({audience.header: {"exact": audience.header_value}})
    if audience.cookie:
        found.append(_cookie(expressions.cookie(audience.cookie, audience.cookie_value)))
    if share.weight and share.sticky.cookie:
        found.append(_cookie(expressions.cookie_within(share.sticky.cookie, reference.ranges(share))))
    more = {"withoutHeaders": _regexes(others)} if others else {}
    return [{"headers": one, **more} for one in found]


def _without_bucket(share: Share, others: Mapping[str, str]) -> Json:
    """What the requests match that are dealt."""
    name = share.sticky.cookie
    if not name:
        return {"withoutHeaders": _regexes(others)} if others else {}
    every = expressions.cookie_within(name, [(0, BUCKETS - 1)])
    before = others.get("cookie")
    cookie = expressions.either(before, every) if before else every
    return {"withoutHeaders": _regexes({**others, "cookie": cookie})}


def _cookie(expression: str) -> Json:
    return {"cookie": {"regex": expression}}


def _regexes(expressions: Mapping[str, str]) -> Json:
    return {name: {"regex": one} for name, one in expressions.items()}


def _narrowed(rule: Json, roots: Sequence[Json]) -> Json:
    """The rule for those of its requests that match one of `roots`, too."""
    leaves = rule.get("match") or [{}]
    found = [one for leaf in leaves for root in roots if (one := matches.joined(root, leaf))]
    return {**rule, "match": found} if found else rule


def _in_the_case_of(root: Json, leaf: Json) -> Json:
    return {**root, "ignoreUriCase": True} if leaf.get("ignoreUriCase") else root


def _dealt(rule: Json, dealt: Iterable[Hand], asked: Asked) -> Json:
    """The rule with its destinations once for each hand."""
    inside = variants.variant(rule, asked)
    if not inside.get("route"):
        return inside  # the lane lacks a copy, which it insists on: nobody else may answer
    route: list[Json] = []
    for hand in dealt:
        lane = {asked.header: asked.lane} if hand.inside else {}
        for one in (inside if hand.inside else rule)["route"]:
            weight = int(one.get("weight", 0 if len(rule["route"]) > 1 else 1))
            if weight:
                route.append(_handed(one, hand, weight, lane))
    return {**rule, "route": route}


def _handed(one: Json, hand: Hand, weight: int, lane: Json) -> Json:
    """A destination of one hand: the request is told of the lane, the answer keeps the user in it."""
    given = one.get("headers") or {}
    headers = dict(given)
    if lane:
        headers["request"] = _more(given.get("request") or {}, "set", lane)
    if hand.cookie:
        headers["response"] = _more(given.get("response") or {}, "add", {"set-cookie": hand.cookie})
    found = {**one, "weight": weight * hand.weight}
    return {**found, "headers": headers} if headers else found


def _more(operations: Json, which: str, wanted: Json) -> Json:
    return {**operations, which: {**(operations.get(which) or {}), **wanted}}

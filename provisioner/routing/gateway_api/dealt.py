"""The part of the untagged requests that a release takes where its chain is entered. Pure.

The release's lane has one more HTTPRoute there, with each rule that holds without lanes as it is for those
requests: by weights, the lane's copies with its header set, and the others. A route cannot know who asks, so
each request is decided by itself, and a chain that wants users kept on one version is refused.

Such a rule has to win over the one that it is made of, also where that is a user's, whose routes are older,
and has to lose against those of lanes. So it asks for one header more than the first, which Envoy gives every
request. Lanes that are written while a release runs have a variant of each rule where the chain is entered,
with two headers more, whether they have a copy there or not; for those that were written before, the
release's route has one in front. What has no Envoy behind it is refused (`reports`): no request would meet
such a rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import gcd
from typing import Any

from provisioner.chain.model import Carriers
from provisioner.routing.gateway_api import variants
from provisioner.routing.gateway_api.scopes import Scope
from provisioner.routing.gateway_api.variants import EVERY_PATH, Asked, Rule
from provisioner.routing.intent import Share
from provisioner.routing.mesh import NOT_SHARED, Finding

Json = dict[str, Any]

SUFFIX = "-share"  # of the names of these routes
MOST_WEIGHT = 1_000_000
_MODIFIER = "RequestHeaderModifier"


def rules(scope: Scope, share: Share, asked: Asked, others: Iterable[str]) -> list[Json]:
    """The rules of the release's route in a scope; none where it takes nothing. `asked` is for its lane;
    `others` are the lanes whose header counts here."""
    if not (share.weight or share.audience.header):
        return []
    as_they_are = [
        {**_unnamed(one.body), "matches": fixed}
        for one in scope.rules
        if (fixed := [match for match in _matches(one) if not _is_open(match, asked.carriers)])
    ]
    lanes = [_passed(one, sorted(others), asked) for one in scope.rules]
    audience = [_for_audience(one, share, asked) for one in scope.rules] if share.audience.header else []
    dealt = [_dealt(one, share, asked) for one in scope.rules] if share.weight else []
    alone = [one.body for one in scope.rules] if scope.alone else []
    return [*as_they_are, *(one for one in (*lanes, *audience, *dealt) if one["matches"]), *alone]


def clashes(scope: Scope, share: Share, carriers: Carriers) -> Iterator[Finding]:
    """Why the share can have no effect on some rule."""
    if share.sticky.cookie or share.sticky.header or share.audience.cookie:
        what = "HTTPRoutes cannot keep a user on one version, nor look at one cookie"
        yield Finding(scope.service, NOT_SHARED, what)
    for rule in scope.rules:
        if any(rule.backends) and (why := _clash(rule, share.audience.header, carriers)):
            what = f"a rule at {scope.namespace}/{scope.stem} leaves no room for a release's share: it {why}"
            yield Finding(scope.service, NOT_SHARED, what)


def _clash(rule: Rule, audience: str, carriers: Carriers) -> str:
    if sum(int(one.get("weight", 1)) for one in rule.body.get("backendRefs") or ()) * 100 > MOST_WEIGHT:
        return f"has weights beyond {MOST_WEIGHT // 100}"
    for match in _matches(rule):
        if variants.names_header(match, carriers):
            continue
        if not variants.has_room(match):
            return f"matches {variants.SCHEME} by itself, or too many headers"
        if audience and any(one["name"].lower() == audience for one in match.get("headers") or ()):
            return f"matches {audience} by itself"
    return ""


def _is_open(match: Json, carriers: Carriers) -> bool:
    """Whether a share is possible of what it matches. A user's rule about the lane's header is not."""
    return variants.has_room(match) and not variants.names_header(match, carriers)


def _open(rule: Rule, carriers: Carriers) -> list[Json]:
    return [one for one in _matches(rule) if _is_open(one, carriers)]


def _matches(rule: Rule) -> list[Json]:
    return list(rule.body.get("matches") or [EVERY_PATH])


def _unnamed(body: Json) -> Json:
    return {key: value for key, value in body.items() if key != "name"}


def _passed(rule: Rule, lanes: Iterable[str], asked: Asked) -> Json:
    """The rule as it is, for requests that name one of these lanes."""
    header = asked.carriers.header
    matches = [
        variants.with_headers(match, {header: lane})
        for lane in lanes
        for match in _open(rule, asked.carriers)
    ]
    return {**_unnamed(rule.body), "matches": matches}


def _for_audience(rule: Rule, share: Share, asked: Asked) -> Json:
    """The rule for those that are in the release whatever its weight."""
    wanted = {share.audience.header: share.audience.header_value}
    matches = [variants.with_headers(one, wanted) for one in _open(rule, asked.carriers)]
    return {**_inside(rule, asked), "matches": matches}


def _dealt(rule: Rule, share: Share, asked: Asked) -> Json:
    matches = variants.narrowed(_open(rule, asked.carriers))
    inside = _inside(rule, asked)
    if share.weight == 100 or not any(rule.backends):
        return {**inside, "matches": matches}
    tagged = {asked.carriers.header: asked.lane}
    lane = [_tagged(one, tagged) for one in variants.led(rule, asked).get("backendRefs") or ()]
    refs = [
        *_weighted(lane, share.weight),
        *_weighted(rule.body["backendRefs"], 100 - share.weight),
    ]
    return {**_unnamed(rule.body), "matches": matches, "backendRefs": _reduced(refs)}


def _inside(rule: Rule, asked: Asked) -> Json:
    """The rule's body for the lane, with its header; as it is where it leads to no service of the chain."""
    if not any(rule.backends):
        return _unnamed(rule.body)
    made = variants.led(rule, asked)
    tagged = {asked.carriers.header: asked.lane}
    return {**made, "filters": variants.modified(made.get("filters") or (), _MODIFIER, tagged)}


def _tagged(ref: Json, headers: dict[str, str]) -> Json:
    return {**ref, "filters": variants.modified(ref.get("filters") or (), _MODIFIER, headers)}


def _weighted(refs: Iterable[Json], percent: int) -> Iterator[Json]:
    """Those that get anything, with their part of these percent."""
    for one in refs:
        weight = int(one.get("weight", 1)) * percent
        if weight:
            yield {**one, "weight": weight}


def _reduced(refs: list[Json]) -> list[Json]:
    """The same weights in the smallest numbers."""
    common = gcd(*(one["weight"] for one in refs)) or 1
    return [{**one, "weight": one["weight"] // common} for one in refs]

"""Which requests are a lane's, and how Istio joins matches. Pure.

The header is matched exactly, everywhere. The other carriers count only where the chain is entered, and there
only in requests that no carrier before them names a lane in, so that the order of lines says nothing about
which carrier wins.

`conflict` and `joined` do what Istio does to a rule that delegates and the rules that it delegates to
(`mergeHTTPMatchRequests`): what conflicts there is dropped without a word, so it must be known before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from provisioner.chain.model import Carriers, Entry
from provisioner.routing.entry import Carrier, counted
from provisioner.routing.istio import expressions
from provisioner.routing.istio.addresses import MESH

Json = dict[str, Any]

_TEXTS = ("uri", "scheme", "method", "authority")
_MAPS = ("headers", "withoutHeaders", "queryParams")
_KINDS = ("exact", "prefix", "regex")


@dataclass(frozen=True)
class Ways:
    """How lanes are named at one host. `entered`: the chain is entered here, and the other carriers count;
    `outer` are the gateways by which requests come from outside, `inner`: sidecars take it, too."""

    carriers: Carriers
    entry: Entry
    entered: bool = False
    outer: tuple[str, ...] = ()
    inner: bool = True
    domain: str = ""  # of preview hosts that lead here

    @property
    def guarded(self) -> bool:
        """Whether some requests that name a lane here are not to reach it."""
        return self.entered and bool(self.outer) and not self._counts(Carrier.HEADER, inside=False)

    @property
    def converts(self) -> bool:
        """Whether every lane is to be told here, since the services behind match the header alone. A chain
        that names no entry is entered everywhere, and each of its services reads all that it is told."""
        return self.entered and bool(self.entry.service)

    def of_lane(self, lane: str) -> list[Json]:
        """What a request of this lane matches, one of these."""
        return [self._match(carrier, lane) for carrier in self._carriers]

    def of_any(self) -> list[Json]:
        """What a request of any lane matches, where the carrier counts."""
        some = (Carrier.HEADER, Carrier.BAGGAGE)
        return [self._match(carrier, "") for carrier in self._carriers if carrier in some]

    def of_none(self) -> Json:
        """What a request matches whose header names no lane."""
        return {"withoutHeaders": {self.carriers.header: self._value(Carrier.HEADER, "")}}

    def by_others(self) -> dict[str, str]:
        """By header, the expressions by which cookie and host name any lane, where they count. The baggage is
        not among them: `of_any` has those requests."""
        found: dict[str, str] = {}
        if Carrier.COOKIE in self._carriers:
            found[Carrier.COOKIE.value] = expressions.any_cookie(self.entry.cookie)
        if Carrier.HOST in self._carriers:
            found[":authority"] = expressions.any_host(self.domain)
        return found

    def refused(self) -> list[Json]:
        """What a request from outside that says anything by what does not count matches: no matter what it
        says, since others might read that otherwise."""
        said = {
            self.carriers.header: expressions.ANYTHING,
            Carrier.BAGGAGE.value: expressions.baggage_key(self.carriers.baggage),
        }
        outside = list(self.outer)
        return [{"headers": {name: {"regex": text}}, "gateways": outside} for name, text in said.items()]

    @cached_property
    def _carriers(self) -> tuple[Carrier, ...]:
        """Those that count here for anybody, first the one that wins."""
        return tuple(one for one in _CARRIERS if one is Carrier.HEADER or self._is_configured(one))

    def _is_configured(self, carrier: Carrier) -> bool:
        leads_here = carrier is not Carrier.HOST or bool(self.domain)
        return self.entered and leads_here and self._counts(carrier, inside=True)

    def _counts(self, carrier: Carrier, *, inside: bool) -> bool:
        return carrier in counted(self.entry, inside=inside)

    def _match(self, carrier: Carrier, lane: str) -> Json:
        more = self._restrictions[carrier]
        if carrier is Carrier.HEADER and lane:
            return _exact(self.carriers.header, lane) | more if more else _exact(self.carriers.header, lane)
        value = self._value(carrier, lane)
        where = {"authority": value} if carrier is Carrier.HOST else {"headers": {self._name(carrier): value}}
        return where | more if more else where

    @cached_property
    def _restrictions(self) -> Mapping[Carrier, Json]:
        """What a match by a carrier asks for beside: that no carrier before it names any lane, and where the
        request comes from, if that makes a difference."""
        found: dict[Carrier, Json] = {}
        before: Json = {}
        for carrier in self._carriers:
            found[carrier] = {"withoutHeaders": dict(before)} if before else {}
            if self.guarded:
                counts = self._counts(carrier, inside=False)
                # where sidecars do not take it, their name alone matches nothing
                found[carrier]["gateways"] = [MESH, *self.outer] if counts else [MESH]
            if carrier is not Carrier.HOST:
                before[self._name(carrier)] = self._value(carrier, "")
        return found

    def _name(self, carrier: Carrier) -> str:
        return self.carriers.header if carrier is Carrier.HEADER else carrier.value

    def _value(self, carrier: Carrier, lane: str) -> Json:
        """What names the lane; any lane, where it is empty."""
        if carrier is Carrier.HEADER:
            return {"regex": expressions.LANE}
        if carrier is Carrier.BAGGAGE:
            key = self.carriers.baggage
            return {"regex": expressions.baggage(key, lane) if lane else expressions.any_baggage(key)}
        if carrier is Carrier.COOKIE:
            name = self.entry.cookie
            return {"regex": expressions.cookie(name, lane) if lane else expressions.any_cookie(name)}
        return {"regex": expressions.host(lane, self.domain)}


@lru_cache(maxsize=1 << 12)
def _exact(header: str, lane: str) -> Json:
    """What a request with a lane's header matches; the same object at all hosts."""
    return {"headers": {header: {"exact": lane}}}


# a signed link cannot be verified by a match
_CARRIERS = (Carrier.HEADER, Carrier.BAGGAGE, Carrier.COOKIE, Carrier.HOST)


def ignores_case(rules: Iterable[Json]) -> bool:
    """Whether one of the rules ignores the case of paths: Istio delegates nothing to it by a rule that does
    not."""
    return any(match.get("ignoreUriCase") for rule in rules for match in rule.get("match") or ())


def regardless_of_case(matches: Sequence[Json]) -> list[Json]:
    """Matches that can be joined with those that ignore the case of paths, and with the others."""
    return [*matches, *({**match, "ignoreUriCase": True} for match in matches)]


def among(roots: Sequence[Json], leaves: Sequence[Json]) -> list[Json]:
    """Those of a rule's matches that Istio can delegate to by at least one of `roots`."""
    return [leaf for leaf in leaves if not roots or any(not conflict(root, leaf) for root in roots)]


def join(roots: Sequence[Json], leaves: Sequence[Json]) -> list[Json] | None:
    """The matches of a rule that is delegated to, empty for all requests; None where Istio drops the rule."""
    if not roots or not leaves:
        return list(roots or leaves)
    found: list[Json] = []
    for leaf in leaves:
        mine = [joined(root, leaf) for root in roots if not conflict(root, leaf)]
        if not mine:
            return None
        found += mine
    return found


def joined(root: Json, leaf: Json) -> Json:
    """What a request has to match that matches both."""
    maps = {key: {**root.get(key, {}), **leaf.get(key, {})} for key in (*_MAPS, "sourceLabels")}
    names = [one["name"] for one in (root, leaf) if one.get("name")]
    both = {**root, **leaf, **maps}
    if names:
        both["name"] = "-".join(names)
    return {key: value for key, value in both.items() if value not in ({}, [], None)}


def conflict(root: Json, leaf: Json) -> bool:
    """Whether Istio refuses to join the two."""
    return (
        any(_texts_conflict(root.get(key), leaf.get(key)) for key in _TEXTS)
        or any(_maps_conflict(root.get(key) or {}, leaf.get(key) or {}) for key in _MAPS)
        or bool(root.get("ignoreUriCase")) != bool(leaf.get("ignoreUriCase"))
        or _differ(root.get("port"), leaf.get("port"))
        or bool(root.get("sourceNamespace") and root["sourceNamespace"] != leaf.get("sourceNamespace"))
        or _labels_conflict(root.get("sourceLabels") or {}, leaf.get("sourceLabels") or {})
        or _gateways_conflict(root.get("gateways") or (), leaf.get("gateways") or ())
    )


def _differ(one: Any, other: Any) -> bool:
    return bool(one and other and one != other)


def _maps_conflict(root: Mapping[str, Json], leaf: Mapping[str, Json]) -> bool:
    return any(_texts_conflict(root.get(key), value) for key, value in leaf.items())


def _labels_conflict(root: Mapping[str, str], leaf: Mapping[str, str]) -> bool:
    return any(key in root and root[key] != value for key, value in leaf.items())


def _gateways_conflict(root: Sequence[str], leaf: Sequence[str]) -> bool:
    return bool(root and leaf) and not set(leaf) <= set(root)


def _texts_conflict(root: Json | None, leaf: Json | None) -> bool:
    if root is None or leaf is None:
        return False
    if (root.get("regex") and _says(leaf)) or (leaf.get("regex") and _says(root)):
        return True
    if exact := root.get("exact"):
        return bool(leaf.get("prefix")) or leaf.get("exact") != exact
    prefix, wanted = root.get("prefix"), leaf.get("prefix") or leaf.get("exact")
    return not (prefix and wanted and str(wanted).startswith(str(prefix)))


def _says(text: Json) -> bool:
    return any(text.get(kind) for kind in _KINDS)

"""What lanes need at one host: their lines in it, and their own VirtualServices beside it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from provisioner import labels, names
from provisioner.chain.model import Untrusted
from provisioner.lane.model import Lane
from provisioner.routing import lineage
from provisioner.routing.entry import Carrier, counted
from provisioner.routing.intent import ChainIntent, Share
from provisioner.routing.istio import dealt, failover, lines, variants
from provisioner.routing.istio.addresses import Key
from provisioner.routing.istio.hosts import Host
from provisioner.routing.istio.matches import ignores_case, regardless_of_case
from provisioner.routing.istio.standing import Standing
from provisioner.routing.istio.variants import Asked
from provisioner.routing.mesh import NOT_SHARED, Finding

Json = dict[str, Any]

API_VERSION = "networking.istio.io/v1"
KIND = "VirtualService"
_derived = lru_cache(maxsize=1 << 16)(names.derived)  # always the same are asked for
_SHARE = "-share"
_HERE = ["."]  # seen in its own namespace, where the line that delegates to it is


@dataclass(frozen=True)
class Entered:
    """A host as it is to be. `lanes` are those to write for; the lines of others stay as they are. `closed`:
    no lane may get a line that it does not have yet; `barred`: nor keep it."""

    host: Host
    intent: ChainIntent
    standing: Standing
    lanes: Mapping[str, Lane]
    heads: Mapping[str, Json]  # by lane, the metadata that all of its objects share
    closed: bool = False
    barred: bool = False

    @cached_property
    def lines(self) -> Mapping[str, Json]:
        """All lanes' lines, in order of the lanes' names."""
        found, _ = self._fitted
        return {lane: found[lane] for lane in sorted(found)}

    @property
    def findings(self) -> list[Finding]:
        """Who finds no room, and why a release takes nothing here."""
        full = [_full(self.host, lane) for lane in self._fitted[1]]
        return [*full, _not_shared(self.host, self._obstacle)] if self._obstacle else full

    @cached_property
    def about(self) -> str:
        """The service by which the host is spoken of."""
        return self.host.about

    def own(self) -> Iterator[Json]:
        """The lanes' own VirtualServices: what their lines delegate to, and their preview hosts."""
        for lane in sorted(self.lanes.keys() & self.lines.keys()):
            delegate = self._delegate(lane, self.lines[lane])
            yield delegate
            if self._fails_over:
                yield from self._filters(lane, delegate)
            if self._previews:
                yield self._preview(lane)
            if lane in self._fresh_shares:
                yield self._share_of(lane)

    def shared(self) -> Iterator[Json]:
        """The host itself, where it has to be written."""
        live = self.host.live
        if self.lines:
            wanted = self._assembled(self.lines.values())
        elif live and not self.host.ours:
            wanted = lines.restored(live)
        else:
            return
        if wanted != live:
            yield wanted

    def led(self, lane: str) -> frozenset[str]:
        """The services of which the lane's copies are reached at this host."""
        copies = self.standing.led.get(lane, {}) if lane in self.lines else {}
        return frozenset(key[1] for key in copies.keys() & self.host.led)

    @cached_property
    def _there(self) -> Mapping[str, Json]:
        return lines.of_lanes(self.host.live, self.intent.name)

    @cached_property
    def _fitted(self) -> tuple[dict[str, Json], tuple[str, ...]]:
        """The lines that are to be, and the lanes for whose line there is no room. Who has one keeps it."""
        kept = {lane: rule for lane, rule in self._there.items() if lane not in self.lanes}
        fresh = {lane: self._line(lane) for lane in sorted(self.lanes) if self._enters(lane)}
        first = {lane: rule for lane, rule in fresh.items() if lane in self._there}
        new = {lane: rule for lane, rule in fresh.items() if lane not in self._there}
        if not new:
            return {**kept, **first}, ()
        size = len(lines.canonical(self._assembled([*kept.values(), *first.values()])))
        taken, refused = lines.fit(size, new)
        return {**kept, **first, **taken}, refused

    def _enters(self, lane: str) -> bool:
        """Whether a lane has a line here: where it has something to say, and where the chain is entered."""
        if self.barred or (self.closed and lane not in self._there):
            return False
        led = self.standing.led.get(lane, {})
        return bool(self.host.services & led.keys()) or (
            self.host.ways.converts and self.standing.is_open(lane)
        )

    def _line(self, lane: str) -> Json:
        matches = self.host.ways.of_lane(lane)
        if self._ignores_case:
            matches = regardless_of_case(matches)
        return lines.line(self.intent.name, lane, matches, self._name(lane), self.host.namespace)

    @cached_property
    def _ignores_case(self) -> bool:
        return ignores_case(self.host.rules)

    def _name(self, lane: str, part: str = "") -> str:
        return _derived(self.host.name + part, lane)

    def _assembled(self, of_lanes: Iterable[Json]) -> Json:
        host, ours = self.host, [*of_lanes, *self._in_front, *self._shares]
        if host.ours:
            return lines.with_rules(host.live or self._made(), ours, host.rules, noted=False)
        assert host.live is not None  # one of the user's is there
        kept = lines.of_users(host.live) or lines.named(host.rules, self.intent.name, "rest")
        return lines.with_rules(host.live, ours, kept, noted=True)

    def _made(self) -> Json:
        marks = {**labels.of_chain(self.intent.name), labels.SERVICE: self.about}
        metadata = {"name": self.host.name, "namespace": self.host.namespace, "labels": marks}
        spec = {"hosts": [self.about]}
        return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}

    @cached_property
    def _in_front(self) -> list[Json]:
        """Rules that are nobody's line: for what does not count, and for lanes that have no line here."""
        nobody = self._asked("")
        others = variants.in_front(self.host.rules, self.host.ways.of_any(), nobody)
        return [
            *lines.named(self._guards(nobody), self.intent.name, "refused"),
            *lines.named(others, self.intent.name, variants.BASELINE),
        ]

    def _guards(self, nobody: Asked) -> list[Json]:
        if not self.host.ways.guarded:
            return []
        found = variants.in_front(self.host.rules, self.host.ways.refused(), nobody)
        if self.intent.entry.untrusted is Untrusted.FORBIDDEN:
            return [variants.forbidden(rule, nobody.header) for rule in found]
        return [variants.unmarked(rule, (nobody.header, "baggage")) for rule in found]

    @cached_property
    def _shares(self) -> list[Json]:
        """The lines of releases; those of other lanes' stay as they are."""
        there = lines.of_shares(self.host.live, self.intent.name)
        found = {lane: rule for lane, rule in there.items() if lane not in self.lanes} | self._fresh_shares
        return [found[lane] for lane in sorted(found)]

    @cached_property
    def _fresh_shares(self) -> dict[str, Json]:
        """The line of the release, where it is one of the lanes to write for and takes anything here."""
        share = self._share
        if share is None or self._obstacle:
            return {}
        untagged = [self.host.ways.of_none()]
        if self._ignores_case:
            untagged = regardless_of_case(untagged)
        name = self._name(share.lane, _SHARE)
        made = lines.line(self.intent.name, share.lane, untagged, name, self.host.namespace, share=True)
        return {share.lane: made}

    @cached_property
    def _share(self) -> Share | None:
        """What a release takes here, of which the lane is one to write for."""
        share = self.intent.share
        if share is None or not self.host.ways.converts or share.lane not in self.lanes:
            return None
        return share if dealt.takes(share) and self._enters(share.lane) else None

    @cached_property
    def _obstacle(self) -> str:
        """Why a release can take nothing here; empty where it can."""
        if self._share is None:
            return ""
        names = dealt.clashes(self.host.rules, self._share, self.host.ways)
        if clash := next(names, ""):
            return f"its rules match {clash!r} by themselves, which a match can ask about once only"
        size = len(lines.canonical(self._share_of(self._share.lane)))
        return f"its rules are too many: {size} bytes with a share" if size > lines.MOST_BYTES else ""

    def _share_of(self, lane: str) -> Json:
        """The VirtualService of what a release takes."""
        assert self._share is not None
        asked = replace(self._asked(lane), sets=True, silent=True)
        rules = dealt.rules(self.host.rules, self._share, self.intent.entry, self.host.ways, asked)
        return self._virtual(lane, self._name(lane, _SHARE), {"exportTo": _HERE, "http": rules})

    def _asked(self, lane: str) -> Asked:
        return Asked(
            self.intent.name,
            lane,
            self.intent.carriers.header,
            self.host.namespace,
            self._known,
            self.standing.led.get(lane, {}),
            sets=self.host.ways.entered and bool(lane),
        )

    @cached_property
    def _known(self) -> frozenset[Key]:
        return frozenset((one.namespace, one.name) for one in self.intent.services)

    def _delegate(self, lane: str, line: Json) -> Json:
        rules = variants.of_lane(self.host.rules, line["match"], self._asked(lane))
        if self._fails_over:
            rules = self._failing_over(lane, rules)
        return self._virtual(lane, line["delegate"]["name"], {"exportTo": _HERE, "http": rules})

    @cached_property
    def _fails_over(self) -> bool:
        return self.intent.failover and self.host.ways.inner and bool(self.host.covered)

    def _failing_over(self, lane: str, rules: Sequence[Json]) -> list[Json]:
        """The rules as filters find them: no header says who answered where a filter will act."""
        served = lineage.served(self.intent.carriers.header)
        return [
            failover.unsaid(rule, served) if self._backed(lane, rule) else rule
            for rule in failover.numbered(rules)
        ]

    def _backed(self, lane: str, rule: Json) -> Key | None:
        """The Service of which the baseline may stand in, where a rule leads to the lane's copy alone."""
        return failover.leads(rule, self.host.namespace, failover.own(self.standing.led.get(lane, {})))

    def _filters(self, lane: str, delegate: Json) -> Iterator[Json]:
        """The lane's EnvoyFilters beside its VirtualService here."""
        known = {(one.namespace, one.name): one for one in self.intent.services}
        covered = {key: known[key] for key in sorted(self.host.covered)}
        place = failover.Place(covered, self.host.namespace, self.lines[lane]["name"])
        ways = [
            (rule, key, self.standing.led[lane][key])
            for rule in delegate["spec"]["http"]
            if (key := self._backed(lane, rule)) is not None
        ]
        where = {namespace for namespace, _ in known}
        yield from failover.filters(self.lanes[lane], self.host, place, ways, where)

    @cached_property
    def _previews(self) -> bool:
        """Whether lanes need VirtualServices for their preview hosts: where a gateway leads to the entry,
        unless the user's takes all preview hosts by itself."""
        ways, entry = self.host.ways, self.intent.entry
        is_wanted = entry.domain and entry.service and Carrier.HOST in counted(entry)
        return bool(is_wanted and ways.entered and ways.outer and not ways.domain)

    def _preview(self, lane: str) -> Json:
        live = self.host.live or {}
        spec: Json = {
            "hosts": [f"{lane}.{self.intent.entry.domain}"],
            "gateways": list(self.host.ways.outer),
            "http": variants.of_lane(self.host.rules, (), self._asked(lane)),
        }
        if exported := live.get("spec", {}).get("exportTo"):
            spec["exportTo"] = exported
        return self._virtual(lane, self._name(lane, "-host"), spec)

    def _virtual(self, lane: str, name: str, spec: Json) -> Json:
        head = self.heads[lane]
        marks = {**head["labels"], labels.SERVICE: self.about}
        metadata = {**head, "name": name, "namespace": self.host.namespace, "labels": marks}
        return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}


def replaced(one: Entered, users: Sequence[Entered]) -> bool:
    """Whether a host of Laneway's is needed no longer: it has no lane, or all of its lanes are entered at the
    user's hosts for the same Service, by now."""
    if not one.lines:
        return True
    mine = [other for other in users if one.host.covered <= other.host.covered]
    return one.closed and all(one.lines.keys() <= other.lines.keys() for other in mine)


def _not_shared(host: Host, why: str) -> Finding:
    what = f"VirtualService {host.namespace}/{host.name} can lead no share of a release: {why}"
    return Finding(host.about, NOT_SHARED, what)


def _full(host: Host, lane: str) -> Finding:
    return Finding(
        host.about,
        "HostFull",
        f"VirtualService {host.namespace}/{host.name} has no room for the line of lane {lane}: it is at the "
        f"limit of {lines.MOST_BYTES} bytes; close some lanes",
        blocks=True,
    )

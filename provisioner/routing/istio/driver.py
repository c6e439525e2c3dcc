"""From an intent to Istio's objects. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from provisioner import labels
from provisioner.routing import mesh
from provisioner.routing.intent import ChainIntent
from provisioner.routing.istio import (
    addresses,
    destinations,
    entered,
    failover,
    hosts,
    lines,
    obstacles,
    standing,
)
from provisioner.routing.istio.entered import KIND, Entered
from provisioner.routing.istio.hosts import Host
from provisioner.routing.mesh import Compiled, Existing, Finding, Requirement

Json = dict[str, Any]

GROUP = "networking.istio.io"


@dataclass(frozen=True)
class Istio:
    """The driver; see the package."""

    requires: tuple[Requirement, ...] = (
        Requirement(KIND, GROUP, "v1", "virtualservices"),
        Requirement(destinations.KIND, GROUP, "v1", "destinationrules"),
        Requirement(failover.KIND, GROUP, "v1alpha3", "envoyfilters", optional=True),
        Requirement("HTTPRoute", "gateway.networking.k8s.io", "v1", "httproutes", optional=True),
    )
    reads: tuple[str, ...] = (KIND, destinations.KIND, "HTTPRoute")
    owns: tuple[str, ...] = (KIND, destinations.KIND, failover.KIND)
    finalizer: bool = True
    shares: tuple[str, ...] = (KIND,)
    heeds_releases: bool = False

    def compile(self, intent: ChainIntent, existing: Existing) -> Compiled:
        """See `mesh.Driver`."""
        if wrong := obstacles.illegal(intent, existing.lanes):
            return Compiled(own=existing.owned, findings=tuple(wrong))
        return _Compiler(intent, existing).compile()

    def lanes_in(self, live: Json, chain: str) -> frozenset[str]:
        """Those that have a line in it."""
        return frozenset(lines.of_lanes(live, chain))

    def accepted(self, live: Json) -> Finding | None:
        """What istiod's analysis says of it, where that is switched on."""
        for one in (live.get("status") or {}).get("validationMessages") or ():
            if one.get("level") == "ERROR":
                service = str((live["metadata"].get("labels") or {}).get(labels.SERVICE, ""))
                code = (one.get("type") or {}).get("code", "an error")
                message = f"{addresses.called(live)}: istiod reports {code}; see its status"
                return Finding(service, "NotAccepted", message, blocks=True)
        return None


class _Compiler:
    """One compilation."""

    def __init__(self, intent: ChainIntent, existing: Existing) -> None:
        self._intent, self._existing = intent, existing
        self._standing = standing.of_lanes(intent)
        self._heads = {name: mesh.metadata(lane, "", "", "") for name, lane in existing.lanes.items()}
        self._rules = existing.of(destinations.KIND)
        every = hosts.find(intent, existing.of(KIND))
        self._obstacles = obstacles.of_user(intent, every, existing)
        self._forsaken = hosts.forsaken(every, intent.name, existing.of(KIND))
        mine = [one for one in every if not lines.chains(one.live) - {intent.name}]
        self._users = [self._entered(one) for one in mine if not one.ours]
        self._ours = [self._entered(one, hosts.is_governed(one, every)) for one in mine if one.ours]

    def compile(self) -> Compiled:
        every = [*self._users, *self._ours]
        forsaken = [lines.restored(one) for one in self._forsaken if not hosts.made_here(one)]
        released = [*self._released_hosts(), *self._cold(every)]
        gone = {addresses.key_of(one) for one in released if one["kind"] == KIND}
        shared = [thing for one in every if one.host.key not in gone for thing in one.shared()] + list(
            self._warmed()
        )
        full = [finding for one in every for finding in one.findings]
        own = [thing for one in every for thing in one.own()] + list(self._destination_rules())
        return Compiled(
            own=tuple(sorted(own, key=_identity)),
            shared=(*shared, *forsaken),
            released=tuple(released),
            findings=tuple(sorted({*self._obstacles.findings, *full, *self._unwarmed()})),
        )

    def _entered(self, host: Host, closed: bool = False) -> Entered:
        is_hidden = host.covered and not host.ways.outer and host.covered <= self._obstacles.services
        barred = bool(is_hidden) or host.key in self._obstacles.hosts
        lanes = self._existing.lanes
        return Entered(host, self._intent, self._standing, lanes, self._heads, closed, barred)

    def _released_hosts(self) -> Iterator[Json]:
        for one in self._ours:
            if one.host.live and entered.replaced(one, self._users):
                yield one.host.live
        yield from filter(hosts.made_here, self._forsaken)

    def _destination_rules(self) -> Iterator[Json]:
        keys = [(one.namespace, one.name) for one in self._intent.services]
        rules = {key: destinations.of_service(key, self._rules) for key in keys}
        for lane, owner in self._existing.lanes.items():
            for key, copy in self._standing.own.get(lane, {}).items():
                yield from destinations.of_copy(key, copy.name, owner, rules[key], self._intent.warmup)

    def _unwarmed(self) -> Iterable[Finding]:
        return destinations.unwarmed(self._intent, self._rules)

    def _warmed(self) -> Iterator[Json]:
        """The DestinationRules by which the baselines warm up where their users have none."""
        if self._intent.warmup and any(map(self._standing.is_open, self._existing.lanes)):
            yield from destinations.of_baselines(self._intent, self._rules)

    def _cold(self, every: Iterable[Entered]) -> Iterator[Json]:
        """Those of them that nobody needs: no lane is left, or the user has one by now."""
        some = any(one.lines for one in every)
        yield from destinations.superfluous(self._intent, self._rules, needed=some)


def _identity(thing: Json) -> tuple[str, str, str]:
    return thing["kind"], *addresses.key_of(thing)

"""The VirtualServices at which lanes are entered: the user's that lead to services of the chain, and one of
Laneway's for each Service that none of the user's governs for everybody. Pure.

Which of several VirtualServices of one mesh host counts (the oldest that a client may see) depends on the
client, so lanes get their lines in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner import labels
from provisioner.routing.intent import ChainIntent
from provisioner.routing.istio import addresses, matches
from provisioner.routing.istio.addresses import MESH, Key
from provisioner.routing.istio.lines import chains, is_ours
from provisioner.routing.istio.matches import Ways

Json = dict[str, Any]

# what a rule that is delegated to takes over from the one that delegates, where it says nothing itself
_INHERITED = (
    *("rewrite", "directResponse", "timeout", "retries", "fault", "mirror", "mirrorPercent"),
    *("mirrorPercentage", "corsPolicy", "mirrors", "headers"),
)


@dataclass(frozen=True)
class Host:
    """A VirtualService at which lanes are entered. `rules` are the user's, with what they delegate to written
    out; `covered` are the chain's Services whose names it is for, `services` also those that it leads to.
    `live` is None for one of Laneway's that is not there yet; `unseen` are delegates that cannot be read."""

    namespace: str
    name: str
    rules: tuple[Json, ...]
    covered: frozenset[Key]
    services: frozenset[Key]
    ways: Ways
    live: Json | None = None
    ours: bool = False
    unseen: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return self.namespace, self.name

    @property
    def about(self) -> str:
        """The service by which it is spoken of."""
        return min(self.covered or self.services)[1]

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(self.live["spec"].get("hosts") or ()) if self.live else ()

    @property
    def led(self) -> frozenset[Key]:
        """The Services that some rule of it leads to."""
        return frozenset(_destinations(self.rules, self.namespace))


def find(intent: ChainIntent, virtual_services: Sequence[Json]) -> list[Host]:
    """All of them, the user's first, sorted. One of Laneway's is among them where it is needed, or there."""
    known = {(one.namespace, one.name) for one in intent.services}
    there = {addresses.key_of(one): one for one in virtual_services}
    seen = frozenset(namespace for namespace, _ in known)
    users = [
        host
        for one in sorted(virtual_services, key=addresses.key_of)
        if not made_here(one) and (host := _of_user(one, intent, known, there, seen)) is not None
    ]
    users = _without_wider(users)
    governed = {key for host in users if is_public(host) for key in host.covered}
    ours = [host for key in sorted(known) if (host := _own(key, intent, there)) is not None]
    return [*users, *(host for host in ours if host.live or not host.covered <= governed)]


def forsaken(every: Iterable[Host], chain: str, virtual_services: Iterable[Json]) -> list[Json]:
    """The VirtualServices with rules of a chain, or made for it, that are no host of it: not any more, since
    its services, or what they are called by, changed."""
    known = {one.key for one in every}
    return [
        one
        for one in virtual_services
        if addresses.key_of(one) not in known and (_made_for(one) == chain or chains(one) == {chain})
    ]


def _made_for(virtual: Json) -> str:
    return str(virtual["metadata"]["labels"][labels.CHAIN]) if made_here(virtual) else ""


def made_here(virtual: Json) -> bool:
    """Whether it is one of Laneway's."""
    marks = virtual["metadata"].get("labels") or {}
    return bool(marks.get(labels.CHAIN)) and marks.get(labels.MANAGED_BY) == labels.MANAGED_BY_LANEWAY


def is_governed(host: Host, hosts: Iterable[Host]) -> bool:
    """Whether the user has, by now, a VirtualService where Laneway made one."""
    return any(host.covered <= one.covered for one in hosts if not one.ours and is_public(one))


def _of_user(
    virtual: Json, intent: ChainIntent, known: set[Key], there: Mapping[Key, Json], seen: frozenset[str]
) -> Host | None:
    spec, namespace = virtual["spec"], virtual["metadata"]["namespace"]
    names = spec.get("hosts") or ()
    gateways = spec.get("gateways") or [MESH]
    covered = {
        key
        for key in known
        if MESH in gateways and any(addresses.covers(one, namespace, key) for one in names)
    }
    rules, unseen = written_out(virtual, there, seen)
    services = frozenset(covered | (known & set(_destinations(rules, namespace))))
    if not names or not services or not (rules or len(covered) == 1):
        return None
    outer = tuple(one for one in gateways if one != MESH)
    ways = _ways(intent, services, outer, inner=MESH in gateways, names=names)
    return Host(
        namespace,
        virtual["metadata"]["name"],
        tuple(rules or _to_each(covered, namespace)),
        frozenset(covered),
        services,
        ways,
        virtual,
        unseen=tuple(unseen),
    )


def _to_each(covered: Iterable[Key], namespace: str) -> list[Json]:
    """What Istio does where a VirtualService has no rule for HTTP at all."""
    return [{"route": [{"destination": {"host": addresses.spoken(key, namespace)}}]} for key in covered]


def own_key(namespace: str, service: str) -> Key:
    """Where Laneway's own object for a Service lies."""
    return namespace, f"laneway-{service}"


def _own(key: Key, intent: ChainIntent, there: Mapping[Key, Json]) -> Host | None:
    """Laneway's host for a Service; None where somebody else has the name."""
    namespace, service = key
    live = there.get(own_key(namespace, service))
    if live is not None and not made_here(live):
        return None
    rules = ({"route": [{"destination": {"host": service}}]},)
    services = frozenset({key})
    ways = _ways(intent, services, (), inner=True, names=(service,))
    name = own_key(namespace, service)[1]
    return Host(namespace, name, rules, services, services, ways, live, ours=True)


def _ways(
    intent: ChainIntent,
    services: frozenset[Key],
    outer: tuple[str, ...],
    *,
    inner: bool,
    names: Sequence[str],
) -> Ways:
    """A chain that names no entry is entered everywhere."""
    entry = intent.entry
    entered = not entry.service or any(name == entry.service for _, name in services)
    leads_here = entry.domain and any(addresses.covers_name(one, f"lane.{entry.domain}") for one in names)
    return Ways(intent.carriers, entry, entered, outer, inner, entry.domain if leads_here else "")


def _without_wider(hosts: list[Host]) -> list[Host]:
    """A VirtualService that covers a Service by a wildcard has no effect where another one names it."""
    exact = {key for host in hosts for key in host.covered if not _is_wide(host)}
    return [host for host in hosts if not (_is_wide(host) and host.covered and host.covered <= exact)]


def _is_wide(host: Host) -> bool:
    return all(one.startswith("*") for one in host.hosts)


def is_public(host: Host) -> bool:
    """Whether clients of every namespace see it."""
    exported = (host.live or {}).get("spec", {}).get("exportTo") or ["*"]
    return "*" in exported


def written_out(
    virtual: Json, there: Mapping[Key, Json], seen: frozenset[str]
) -> tuple[list[Json], list[str]]:
    """The user's rules in order, what they delegate to in place of those that delegate, and the delegates in
    namespaces that are not the chain's. One that is missing is left out, as Istio does."""
    rules: list[Json] = []
    unseen: list[str] = []
    namespace = virtual["metadata"]["namespace"]
    for rule in virtual["spec"].get("http") or ():
        if is_ours(rule):
            continue
        if not rule.get("delegate"):
            rules.append(rule)
            continue
        key = (rule["delegate"].get("namespace") or namespace, rule["delegate"]["name"])
        if key in there:
            rules += _delegated(rule, there[key], namespace)
        elif key[0] not in seen:
            unseen.append("/".join(key))
    return rules, unseen


def _delegated(rule: Json, delegate: Json, namespace: str) -> Iterator[Json]:
    """The rules of a delegate as Istio joins them with the one that delegates."""
    inherited = {key: rule[key] for key in _INHERITED if key in rule}
    for one in delegate["spec"].get("http") or ():
        found = matches.join(rule.get("match") or (), one.get("match") or ())
        if found is None:
            continue
        names = [part["name"] for part in (rule, one) if part.get("name")]
        whole = {**inherited, **_moved(one, delegate["metadata"]["namespace"], namespace)}
        whole |= {"name": "-".join(names)} if names else {}
        yield {**whole, "match": found} if found else whole


def _moved(rule: Json, source: str, target: str) -> Json:
    """A rule with its hosts as an object of another namespace has to name them."""
    if source == target:
        return rule
    moved = dict(rule)
    for key in ("route", "mirrors"):
        if rule.get(key):
            moved[key] = [{**one, "destination": _named(one["destination"], source)} for one in rule[key]]
    if rule.get("mirror"):
        moved["mirror"] = _named(rule["mirror"], source)
    return moved


def _named(destination: Json, namespace: str) -> Json:
    host = destination["host"]
    return destination if "." in host else {**destination, "host": addresses.in_full((namespace, host))}


def _destinations(rules: Iterable[Json], namespace: str) -> Iterator[Key]:
    for rule in rules:
        for one in rule.get("route") or ():
            if key := addresses.service(one["destination"]["host"], namespace):
                yield key

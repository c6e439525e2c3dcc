"""The opt-in EnvoyFilters by which sidecars go back to the baseline by themselves. Pure.

Without them, a lane whose last pod dies is answered with 503 until a route has been written. With them, the
route of a copy leads to an aggregate cluster: the copy's own, and after it the baseline's, whenever the first
has no endpoint, and on a second try when it takes no connection. The filter finds a route by its name, so the
rules of the lane's own VirtualService are numbered.

Only rules that lead to one copy of the lane's own are changed, and only for loose lanes. Filters act on the
sidecars of their namespace: there is one in each of the chain's, and none where gateways run elsewhere. No
header says who answered such a request, since a route cannot know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner import names
from provisioner.chain.model import Protocol
from provisioner.lane.model import Lane, Mode
from provisioner.routing import mesh
from provisioner.routing.intent import Copy, Service, State
from provisioner.routing.istio import addresses
from provisioner.routing.istio.addresses import Key
from provisioner.routing.istio.hosts import Host

Json = dict[str, Any]

API_VERSION = "networking.istio.io/v1alpha3"
KIND = "EnvoyFilter"
_TYPES = "type.googleapis.com/envoy.extensions"
_CONTEXT = "SIDECAR_OUTBOUND"
# a request that no pod of the copy took is tried once more, where the priorities go on: at the baseline
_AGAIN: Json = {
    "retry_on": "connect-failure,refused-stream,reset-before-request",
    "num_retries": 1,
    "retry_priority": {
        "name": "envoy.retry_priorities.previous_priorities",
        "typed_config": {
            "@type": f"{_TYPES}.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
            "update_frequency": 1,
        },
    },
}


@dataclass(frozen=True)
class Place:
    """Where a lane's rules act: the Services whose names the host is for, by key, and the line they are
    behind."""

    covered: Mapping[Key, Service]
    namespace: str  # of the VirtualService
    line: str  # its name


@dataclass(frozen=True)
class _Way:
    """One rule, at one port of one Service: the clusters that stand in for each other."""

    host: str  # Envoy's virtual host
    route: str
    cluster: str
    copy: str
    baseline: str


def numbered(rules: Sequence[Json]) -> list[Json]:
    """The rules with names of their own."""
    return [
        {**rule, "name": f"{place}-{rule['name']}" if rule.get("name") else str(place)}
        for place, rule in enumerate(rules)
    ]


def unsaid(rule: Json, header: str) -> Json:
    """A rule that does not say who answered."""
    found = []
    for route in rule.get("route") or ():
        said = route.get("headers", {}).get("response", {}).get("set", {})
        others = {name: value for name, value in said.items() if name != header}
        response = {**route.get("headers", {}).get("response", {}), "set": others}
        found.append({**route, "headers": {**route.get("headers", {}), "response": response}})
    return {**rule, "route": found}


def own(copies: Mapping[Key, Copy]) -> dict[Key, Key]:
    """The copies that the baseline may stand in for, a loose lane's own: by the Service that each is behind,
    the one that it is a copy of."""
    return {
        (key[0], copy.name): key
        for key, copy in copies.items()
        if copy.state is State.READY and copy.mode is Mode.LOOSE and not copy.origin
    }


def leads(rule: Json, namespace: str, copies: Mapping[Key, Key]) -> Key | None:
    """The Service to whose copy, and to nothing else, a lane's rule leads."""
    routes: Sequence[Json] = rule.get("route") or ()
    if len(routes) != 1:
        return None
    to = addresses.service(routes[0]["destination"]["host"], namespace)
    return copies.get(to) if to else None


def filters(
    lane: Lane, host: Host, place: Place, ways: Iterable[tuple[Json, Key, Copy]], where: Iterable[str]
) -> Iterator[Json]:
    """A lane's EnvoyFilters for one host, in each namespace of `where`. `ways` are the numbered rules that
    lead to a copy."""
    every = [way for rule, key, copy in ways for way in _ways(rule, key, copy, place)]
    if not every:
        return
    clusters = {way.cluster: way for way in every}
    patches = [*(_cluster(clusters[one]) for one in sorted(clusters)), *map(_route, every)]
    name = names.derived(f"{host.namespace}-{host.name}", lane.name)
    for namespace in sorted(where):
        yield {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": mesh.metadata(lane, host.about, namespace, name),
            "spec": {"configPatches": patches},
        }


def _ways(rule: Json, key: Key, copy: Copy, place: Place) -> Iterator[_Way]:
    (route,) = rule["route"]
    destination = route["destination"]
    subset, fixed = destination.get("subset", ""), destination.get("port", {}).get("number")
    for covered, service in place.covered.items():
        for port in service.ports:
            if port.protocol is not Protocol.HTTP or not (fixed or key == covered):
                continue  # without a port, and to another Service, Istio alone knows which it takes
            number = fixed or port.number
            copied = f"outbound|{number}|{subset}|{addresses.in_full((key[0], copy.name))}"
            baseline = f"outbound|{number}|{subset}|{addresses.in_full(key)}"
            cluster = f"laneway|{number}|{subset}|{addresses.in_full((key[0], copy.name))}"
            host = f"{addresses.in_full(covered)}:{port.number}"
            for named in _names(rule):
                yield _Way(host, f"{place.line}-{named}", cluster, copied, baseline)


def _names(rule: Json) -> list[str]:
    """What Istio calls the routes of a rule: one for each match, told apart where matches have names."""
    found = {
        f"{rule['name']}.{one['name']}" if one.get("name") else rule["name"]
        for one in rule.get("match") or ()
    }
    return sorted(found) or [rule["name"]]


def _cluster(way: _Way) -> Json:
    value = {
        "name": way.cluster,
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {
            "name": "envoy.clusters.aggregate",
            "typed_config": {
                "@type": f"{_TYPES}.clusters.aggregate.v3.ClusterConfig",
                "clusters": [way.copy, way.baseline],
            },
        },
    }
    return {
        "applyTo": "CLUSTER",
        "match": {"context": _CONTEXT},
        "patch": {"operation": "ADD", "value": value},
    }


def _route(way: _Way) -> Json:
    where = {"vhost": {"name": way.host, "route": {"name": way.route}}}
    value = {"route": {"cluster": way.cluster, "retry_policy": _AGAIN}}
    return {
        "applyTo": "HTTP_ROUTE",
        "match": {"context": _CONTEXT, "routeConfiguration": where},
        "patch": {"operation": "MERGE", "value": value},
    }

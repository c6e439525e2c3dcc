"""DestinationRules: the user's for a Service, as they are for a lane's copy of it, and warm-up. Pure.

One for `payment` does not cover `payment--pr-42`. A clone keeps the policies; its subsets keep their names,
so that rules can refer to them, and lose their labels, since all of a copy's pods are one version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from provisioner import labels, names
from provisioner.chain.model import Warmup
from provisioner.lane.model import Lane
from provisioner.routing import mesh
from provisioner.routing.intent import ChainIntent
from provisioner.routing.istio import addresses, hosts, lines
from provisioner.routing.istio.addresses import Key
from provisioner.routing.istio.hosts import made_here
from provisioner.routing.mesh import Finding

Json = dict[str, Any]

API_VERSION = "networking.istio.io/v1"
KIND = "DestinationRule"
_USUAL = "LEAST_REQUEST"  # Istio's default, which warm-up can be added to


def of_copy(key: Key, copy: str, lane: Lane, rules: Sequence[Json], warmup: Warmup | None) -> Iterator[Json]:
    """A lane's DestinationRules for its copy of a Service; `rules` are the user's for that Service."""
    for rule in rules:
        namespace, name = addresses.key_of(rule)
        spec = {**rule["spec"], "host": addresses.spoken((key[0], copy), namespace)}
        if rule["spec"].get("subsets"):
            spec["subsets"] = [
                {field: value for field, value in one.items() if field != "labels"}
                for one in rule["spec"]["subsets"]
            ]
        yield _rule(lane, key, namespace, names.derived(name, lane.name), _warm(spec, warmup))
    if warmup and not rules:
        own = names.derived(f"laneway-{key[1]}", lane.name)
        yield _rule(lane, key, key[0], own, _warm({"host": copy}, warmup))


def of_service(key: Key, rules: Iterable[Json]) -> list[Json]:
    """The user's DestinationRules that name a Service. One with a wildcard covers its copies as well."""
    return [
        rule
        for rule in sorted(rules, key=addresses.key_of)
        if not made_here(rule)
        and addresses.service(rule["spec"].get("host", ""), rule["metadata"]["namespace"]) == key
    ]


def of_baselines(intent: ChainIntent, rules: Iterable[Json]) -> Iterator[Json]:
    """The DestinationRules that warm the baselines' new pods up where their users have none for the Service,
    as far as they have to be written."""
    known = list(rules)
    there = {addresses.key_of(one): one for one in known}
    for service in intent.services:
        if of_service((service.namespace, service.name), known):
            continue
        live = there.get(hosts.own_key(service.namespace, service.name))
        spec = _warm({"host": service.name}, intent.warmup)
        if live is None:
            yield _shared(service.namespace, service.name, intent.name, spec)
        elif made_here(live) and live["spec"] != spec:
            yield {**live, "metadata": {**live["metadata"], "annotations": _noted(spec)}, "spec": spec}


def superfluous(intent: ChainIntent, rules: Iterable[Json], *, needed: bool) -> Iterator[Json]:
    """Laneway's DestinationRules of baselines that are not needed, or not any more."""
    known = list(rules)
    for rule in known:
        marks = rule["metadata"].get("labels") or {}
        if not made_here(rule) or marks.get(labels.CHAIN) != intent.name:
            continue
        key = (rule["metadata"]["namespace"], marks.get(labels.SERVICE, ""))
        if not (needed and intent.warmup) or of_service(key, known):
            yield rule


def _shared(namespace: str, service: str, chain: str, spec: Json) -> Json:
    marks = {**labels.of_chain(chain), labels.SERVICE: service}
    _, name = hosts.own_key(namespace, service)
    metadata = {"name": name, "namespace": namespace, "labels": marks, "annotations": _noted(spec)}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}


def _noted(spec: Json) -> Json:
    return {labels.SPEC_HASH: lines.digest(spec)}


def unwarmed(intent: ChainIntent, rules: Iterable[Json]) -> Iterator[Finding]:
    """What has to be said of the user's DestinationRules where the chain warms up."""
    known = list(rules)
    for service in intent.services if intent.warmup else ():
        for rule in of_service((service.namespace, service.name), known):
            balancer = (rule["spec"].get("trafficPolicy") or {}).get("loadBalancer") or {}
            if not balancer.get("warmup"):
                yield Finding(
                    service.name,
                    "WarmupOfBaseline",
                    f"{addresses.called(rule)} is yours: copies warm up, the baseline's new pods do not; "
                    "add trafficPolicy.loadBalancer.warmup to it",
                )


def _warm(spec: Json, warmup: Warmup | None) -> Json:
    """The spec with warm-up, unless the user chose how long, or a balancer that knows none."""
    policy = spec.get("trafficPolicy") or {}
    balancer = policy.get("loadBalancer") or {}
    if (
        warmup is None
        or balancer.get("consistentHash")
        or balancer.get("warmup")
        or balancer.get("warmupDurationSecs")
    ):
        return spec
    warmed = {"simple": _USUAL, **balancer, "warmup": _said(warmup)}
    return {**spec, "trafficPolicy": {**policy, "loadBalancer": warmed}}


def _said(warmup: Warmup) -> Json:
    return {
        "duration": f"{warmup.duration.total_seconds():g}s",
        "minimumPercent": warmup.minimum_percent,
        "aggression": warmup.aggression,
    }


def _rule(lane: Lane, key: Key, namespace: str, name: str, spec: Json) -> Json:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": mesh.metadata(lane, key[1], namespace, name),
        "spec": spec,
    }

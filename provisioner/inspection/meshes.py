"""What of a chain does not fit the mesh that routes it. Pure.

The users' own routing is judged by the driver itself, for a lane that has a copy of every service.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain, Protocol, Service, WhenFull
from provisioner.chain.strategy import Strategy
from provisioner.copies import selection
from provisioner.inspection.findings import Finding, Severity
from provisioner.inspection.gather import Seen
from provisioner.lane.model import Lane
from provisioner.release.model import Phase, Release
from provisioner.routing import drivers, mesh_intent
from provisioner.routing import mesh as contract
from provisioner.routing.protocols import HTTP_NAMES, TCP_PREFIXES, protocol

Json = dict[str, Any]

PROXIES = frozenset({"istio-proxy", "linkerd-proxy", "kuma-sidecar", "envoy-sidecar"})
LANE = "laneway-check"
TLS = frozenset({"https", "tls", "wss", "kubernetes.io/wss"})


def kinds(chains: Iterable[Chain]) -> tuple[str, ...]:
    """What has to be read beside the rest for chains that meshes route."""
    known = (drivers.mesh(chain.driver) for chain in chains)
    return tuple(sorted({kind for one in known if one for kind in (*one.reads, *one.owns)}))


def findings(chain: Chain, seen: Seen) -> Iterator[Finding]:
    """All that is wrong with a chain that a mesh routes; nothing for one of the built-in router."""
    driver = drivers.mesh(chain.driver)
    if driver is None:
        return
    if lacking := list(_not_installed(chain, driver, seen)):
        yield from lacking
        return
    for service in chain.services:
        yield from _ports(chain, service, seen)
        yield from _sidecars(chain, service, seen)
    yield from _routing(chain, driver, seen)
    if chain.lifecycle.when_full is WhenFull.SLEEP:
        what = "`when_full: sleep` has no effect: a mesh cannot wake a lane, so its lanes never sleep"
        yield _finding(chain, "lifecycle", Severity.WARNING, "NeverSleeps", what)


def shared_hosts(chains: Sequence[Chain]) -> Iterator[Finding]:
    """Services that two chains list, at least one of them routed by a mesh: a host has one owner."""
    places = sorted(
        ((one.namespace, one.name, chain.name) for chain in chains for one in chain.services),
    )
    known = {chain.name: chain for chain in chains}
    for before, now in pairwise(places):
        pair = (known[before[2]], known[now[2]])
        if before[:2] == now[:2] and any(drivers.mesh(chain.driver) for chain in pair):
            what = (
                f"chain {before[2]} lists it, too, in namespace {now[0]}: a host's routes can be one chain's "
                "alone; take it out of one of the two files"
            )
            yield _finding(pair[1], f"service {now[1]}", Severity.ERROR, "TwoChains", what)


def _not_installed(chain: Chain, driver: contract.Driver, seen: Seen) -> Iterator[Finding]:
    for one in driver.requires:
        if one.kind in seen.unserved and not one.optional:
            what = (
                f"the cluster does not serve {one.path}, which `routing: {{driver: {chain.driver}}}` needs: "
                f"install the definition {one.definition} with version {one.version}"
            )
            yield _finding(chain, "cluster", Severity.ERROR, "MeshNotInstalled", what)


def _ports(chain: Chain, service: Service, seen: Seen) -> Iterator[Finding]:
    live = _live(service, seen)
    for port in (live["spec"].get("ports") or ()) if live else ():
        where, number = f"service {service.name}", port["port"]
        word = str(port.get("appProtocol") or "").lower() or str(port.get("name") or "").split("-")[0].lower()
        read_as = protocol(port, chain.protocols(service.name))
        if word in TLS:
            what = f"port {number} is {word}: in TLS no header can be seen, and its requests find no lane"
            yield _finding(chain, where, Severity.WARNING, "HiddenInTls", what)
        elif word not in HTTP_NAMES | TCP_PREFIXES and read_as is Protocol.HTTP:
            what = (
                f"port {number} says neither by appProtocol nor by its name that it is HTTP: a mesh may take "
                "it for TCP, and no request finds a lane; give it `appProtocol: http` (or http2, grpc)"
            )
            yield _finding(chain, where, Severity.WARNING, "NoProtocol", what)


def _sidecars(chain: Chain, service: Service, seen: Seen) -> Iterator[Finding]:
    """Pods of the baseline beside which no proxy runs: what they send is not routed."""
    live = _live(service, seen)
    selector = selection.original_spec(live).get("selector") if live else None
    pods = [
        pod
        for pod in seen.of("Pod", service.namespace)
        if selector and selector.items() <= (pod["metadata"].get("labels") or {}).items()
    ]
    bare = sorted(pod["metadata"]["name"] for pod in pods if not _is_meshed(pod))
    if bare:
        what = (
            f"no proxy runs in {', '.join(bare[:3])}{' and others' if len(bare) > 3 else ''}: requests that "
            "it sends are not routed and never find a lane; have the mesh's sidecar put into its pods"
        )
        yield _finding(chain, f"service {service.name}", Severity.WARNING, "NoSidecar", what)


def _is_meshed(pod: Json) -> bool:
    """Whether a sidecar runs in a pod, or its node's proxy has its traffic."""
    spec = pod["spec"]
    containers = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    ambient = (pod["metadata"].get("annotations") or {}).get("ambient.istio.io/redirection") == "enabled"
    return ambient or any(one["name"] in PROXIES for one in containers)


def _routing(chain: Chain, driver: contract.Driver, seen: Seen) -> Iterator[Finding]:
    """What the driver has to say of the users' own routing."""
    lane = Lane(chain.name, LANE, uid="none")
    services = _not_of_lanes(seen.of("Service", *chain.namespaces))
    theirs = [one for kind in driver.reads for one in seen.of(kind, *chain.namespaces)]
    existing = contract.Existing(
        {LANE: lane},
        services,
        _not_of_lanes(theirs),
        responder=contract.Responder("laneway-responder", "laneway-system", 8080, 8081),
    )
    names = {one.name for one in chain.services}
    slices = mesh_intent.everywhere(chain, services, LANE, names)
    intent = mesh_intent.build(chain, services, slices, [lane], _release(chain))
    for one in driver.compile(intent, existing).findings:
        where = f"service {one.service}" if one.service else "routing"
        severity = Severity.ERROR if one.blocks else Severity.WARNING
        yield _finding(chain, where, severity, one.reason, one.message)


def _release(chain: Chain) -> Release | None:
    """One as the chain's file says, in the middle; None where it says nothing."""
    if chain.release == Strategy():
        return None
    status = {"phase": Phase.PROGRESSING.value, "weight": 50}
    return Release(chain.name, LANE, (), chain.release, status=status)


def _live(service: Service, seen: Seen) -> Json | None:
    found = seen.of("Service", service.namespace)
    return next((one for one in found if one["metadata"]["name"] == service.name), None)


def _not_of_lanes(things: Iterable[Json]) -> tuple[Json, ...]:
    return tuple(one for one in things if labels.LANE not in (one["metadata"].get("labels") or {}))


def _finding(chain: Chain, where: str, severity: Severity, reason: str, message: str) -> Finding:
    return Finding(chain.name, where, severity, reason, message)

"""What of a chain file does not fit the cluster. Pure.

The rules are those by which Laneway itself refuses, asked all at once: what attaching would say of each
Service, and what a lane with a copy of every service would say of each workload.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain, Driver, Protocol, Service
from provisioner.changes import Cause, Verdict
from provisioner.copies import live, plan, rollouts
from provisioner.inspection import meshes, releases
from provisioner.inspection.findings import Finding, Severity
from provisioner.inspection.gather import Seen
from provisioner.lane.model import Lane
from provisioner.routing.protocols import protocol
from provisioner.routing.router import attachment, backends, deployment, eligibility, policies
from provisioner.routing.router.backends import Backend
from provisioner.routing.router.policies import Scene

Json = dict[str, Any]

_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
_COPYING = ("Service", *_WORKLOADS, "PersistentVolumeClaim", "PodDisruptionBudget")


def findings(chain: Chain, seen: Seen, discovery_port: int, home: str = "") -> list[Finding]:
    """All that is wrong with a chain, sorted by what it is about; none when everything fits. `discovery_port`
    is that which the routers use, and `home` the namespace of Laneway's workers, as the settings say."""
    found = [*_namespaces(chain, seen), *_copies(chain, seen), *_entry(chain, seen)]
    if chain.driver is Driver.ENVOY:
        for namespace in chain.namespaces:
            found += _attaching(chain, namespace, seen, discovery_port, home)
    found += meshes.findings(chain, seen)
    found += releases.findings(chain, seen)
    return sorted(set(found))


def _namespaces(chain: Chain, seen: Seen) -> Iterator[Finding]:
    for namespace in chain.namespaces:
        where = f"namespace {namespace}"
        if namespace in seen.absent:
            what = f"it does not exist; create it, or mend `namespace` in {chain.source or 'the file'}"
            yield _error(chain, where, "NoNamespace", what)
        for (place, _), why in seen.unread.items():
            if place == namespace:
                yield _error(chain, where, "Forbidden", why)


def _copies(chain: Chain, seen: Seen) -> Iterator[Finding]:
    """What a lane with a copy of every service would refuse."""
    known = [one for one in chain.services if seen.knows(one.namespace, *_COPYING, *_more(one, seen))]
    here = tuple(dict.fromkeys(one.namespace for one in known))
    snapshot = plan.Snapshot(
        lane=None,
        workloads=_of_baseline(seen, here, (*_WORKLOADS, rollouts.KIND)),
        services=_of_baseline(seen, here, ("Service",)),
        budgets=seen.of("PodDisruptionBudget", *here),
        claims=seen.of("PersistentVolumeClaim", *here),
    )
    because = Verdict("", True, Cause.CHANGED, "", "")
    wanted = [plan.Wanted(one, "image", because) for one in known]
    made = plan.make(chain, Lane(chain.name, "laneway-check", uid="none"), wanted, snapshot)
    for name, problem in made.problems.items():
        yield _error(chain, f"service {name}", problem.reason, str(problem))


def _more(service: Service, seen: Seen) -> tuple[str, ...]:
    """What else has to be read to judge a service's copy; what the cluster does not serve, it has none of."""
    kind = service.workload.kind
    return (kind,) if kind == rollouts.KIND and kind not in seen.unserved else ()


def _of_baseline(seen: Seen, namespaces: tuple[str, ...], kinds: tuple[str, ...]) -> tuple[Json, ...]:
    found = (one for kind in kinds for one in seen.of(kind, *namespaces))
    return tuple(one for one in found if labels.LANE not in (one["metadata"].get("labels") or {}))


def _entry(chain: Chain, seen: Seen) -> Iterator[Finding]:
    """A preview host leads to the entry's HTTP."""
    entry = next((one for one in chain.services if one.name == chain.entry.service), None)
    service = _services(entry.namespace, seen).get(entry.name) if entry else None
    ports = service["spec"].get("ports") or () if service else ()
    said = chain.protocols(chain.entry.service)
    if entry and ports and all(protocol(one, said) is Protocol.TCP for one in ports):
        what = (
            "the chain's entry has no HTTP port; name one `http`, give it an appProtocol of HTTP, or list it "
            "in the chain file's `protocols`"
        )
        yield _error(chain, f"service {entry.name}", "EntryNotHttp", what)


def _attaching(chain: Chain, namespace: str, seen: Seen, discovery_port: int, home: str) -> Iterator[Finding]:
    """What attaching would refuse, and what of an attachment is no longer as it was made."""
    if namespace in seen.absent or not seen.knows(namespace, "Service", "Pod"):
        return
    names = [one.name for one in chain.services if one.namespace == namespace]
    services, pods = _services(namespace, seen), seen.of("Pod", namespace)
    refused = eligibility.refusals(chain.name, names, services, pods)
    for name, why in refused.items():
        yield _error(chain, f"service {name}", "CannotAttach", why)
    fine = {name: services[name] for name in names if name not in refused}
    yield from _standing(chain, fine)
    yield from _protocols(chain, fine)
    if any(attachment.is_attached(one) for one in fine.values()):
        yield from _router(chain, namespace, seen)
    yield from _without_pods(chain, fine, pods)
    yield from _habits(chain, fine)
    yield from _others(chain, names, services, pods)
    if seen.knows(namespace, "NetworkPolicy"):
        yield from _policies(chain, _scene(chain, namespace, seen, discovery_port, home), fine, seen)


def _protocols(chain: Chain, services: Mapping[str, Json]) -> Iterator[Finding]:
    """Ports that the chain file tells the protocol of, and that are not there."""
    for name, service in services.items():
        there = {int(port["port"]) for port in service["spec"]["ports"]}
        if gone := sorted(set(chain.protocols(name)) - there):
            what = f"`protocols` lists {_listed(gone)}, and the Service has {_listed(sorted(there))}"
            yield _error(chain, f"service {name}", "NoSuchPort", what)


def _listed(ports: Sequence[int]) -> str:
    return ", ".join(map(str, ports))


def _services(namespace: str, seen: Seen) -> dict[str, Json]:
    return {one["metadata"]["name"]: one for one in seen.of("Service", namespace)}


def _standing(chain: Chain, services: Mapping[str, Json]) -> Iterator[Finding]:
    """Whether each Service is attached, is not, or half is."""
    for name, service in services.items():
        where = f"service {name}"
        if attachment.is_attached(service):
            continue
        if attachment.is_noted(service):
            what = f"somebody wrote over its attachment, or it was interrupted: laneway attach {chain.name}"
            yield _error(chain, where, "NotAsAttached", what)
        else:
            yield _warning(
                chain, where, "NotAttached", f"it is not attached yet: laneway attach {chain.name}"
            )


def _without_pods(chain: Chain, services: Mapping[str, Json], pods: Sequence[Json]) -> Iterator[Finding]:
    for name, service in services.items():
        if not backends.selected(attachment.original(service)["spec"]["selector"], pods):
            what = "no pod runs behind it: who asks for it gets 503, lane or not"
            yield _warning(chain, f"service {name}", "NoPods", what)


def _habits(chain: Chain, services: Mapping[str, Json]) -> Iterator[Finding]:
    """What a Service does that is not quite the same with the router in front of it."""
    for name, service in services.items():
        spec, where = attachment.original(service)["spec"], f"service {name}"
        if spec.get("sessionAffinity") == "ClientIP":
            what = "attached, its sessionAffinity chooses a router's pod for a client, not an application's"
            yield _warning(chain, where, "SessionAffinity", what)
        if spec.get("externalTrafficPolicy") == "Local":
            what = "attached, only nodes with a router's pod take its traffic from outside"
            yield _warning(chain, where, "ExternalTrafficPolicy", what)


def _others(
    chain: Chain, names: Sequence[str], services: Mapping[str, Json], pods: Sequence[Json]
) -> Iterator[Finding]:
    """Services beside the chain's that lead to the same pods, past the router."""
    for one, other in eligibility.two_of_one(services, pods):
        if one in names and other not in names:
            what = (
                f"Service {other} leads to the same pods: who calls it gets past the router and never finds "
                "a lane; let its clients call this one, or name the chain's service after the one they call"
            )
            yield _warning(chain, f"service {one}", "SecondService", what)


def _router(chain: Chain, namespace: str, seen: Seen) -> Iterator[Finding]:
    """The router's pods, once a Service leads to them."""
    if not seen.knows(namespace, "Deployment"):
        return
    name, where = deployment.name(chain.name), f"namespace {namespace}"
    found = next((one for one in seen.of("Deployment", namespace) if one["metadata"]["name"] == name), None)
    if found is None:
        what = f"Deployment {name} is gone, attached Services lead to nobody: laneway attach {chain.name}"
        yield _error(chain, where, "NoRouter", what)
        return
    wanted, ready = found["spec"].get("replicas", 1), found.get("status", {}).get("readyReplicas", 0)
    if ready < wanted:
        what = f"Deployment {name} has {ready} of {wanted} pods ready; kubectl describe says why"
        yield (_warning if ready else _error)(chain, where, "RouterNotReady", what)


def _scene(chain: Chain, namespace: str, seen: Seen, discovery_port: int, home: str) -> Scene:
    """The whole chain's backends, as far as they can be attached, and the users' policies here."""
    known = tuple(one for place in chain.namespaces for one in _backends(chain, place, seen))
    users = policies.foreign(seen.of("NetworkPolicy", namespace))
    return Scene(chain.name, namespace, known, users, discovery_port, home)


def _backends(chain: Chain, namespace: str, seen: Seen) -> Iterator[Backend]:
    services, pods = _services(namespace, seen), seen.of("Pod", namespace)
    names = [one.name for one in chain.services if one.namespace == namespace]
    refused = eligibility.refusals(chain.name, names, services, pods)
    fine = {name: services[name] for name in names if name not in refused}
    for one in attachment.attachments(chain.name, fine, {}):
        yield backends.backend(one, pods)


def _policies(chain: Chain, scene: Scene, services: Mapping[str, Json], seen: Seen) -> Iterator[Finding]:
    """NetworkPolicies that attaching cannot add to, and additions that no longer fit them."""
    where = f"namespace {scene.namespace}"
    refused = policies.refusals(scene)
    for why in refused:
        yield _error(chain, where, "CannotAttach", why)
    if refused or not all(map(attachment.is_attached, services.values())):
        return
    there = {one["metadata"]["name"]: one["spec"] for one in seen.of("NetworkPolicy", scene.namespace)}
    wanted = {one["metadata"]["name"]: one["spec"] for one in policies.extensions(scene)}
    if stale := sorted(name for name, spec in wanted.items() if not live.covers(there.get(name), spec)):
        what = (
            f"NetworkPolicies have changed since it was attached, and {', '.join(stale)} no longer fit: "
            f"clients may be kept out or let in wrongly; laneway attach {chain.name}"
        )
        yield _error(chain, where, "PoliciesChanged", what)


def _error(chain: Chain, where: str, reason: str, message: str) -> Finding:
    return Finding(chain.name, where, Severity.ERROR, reason, message)


def _warning(chain: Chain, where: str, reason: str, message: str) -> Finding:
    return Finding(chain.name, where, Severity.WARNING, reason, message)

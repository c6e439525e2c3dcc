"""What of a chain file does not fit the cluster. Pure.

The rules are those by which Laneway itself refuses, asked all at once: what attaching would say of each
Service, and what a lane with a copy of every service would say of each workload.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain, Driver
from provisioner.changes import Cause, Verdict
from provisioner.copies import plan
from provisioner.inspection.findings import Finding, Severity
from provisioner.inspection.gather import Seen
from provisioner.lane.model import Lane
from provisioner.routing import intent
from provisioner.routing.intent import Protocol
from provisioner.routing.router import attachment, backends, eligibility, policies
from provisioner.routing.router.policies import Scene

Json = dict[str, Any]

_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
_COPYING = ("Service", *_WORKLOADS, "PersistentVolumeClaim", "PodDisruptionBudget")


def findings(chain: Chain, seen: Seen) -> list[Finding]:
    """All that is wrong with a chain, sorted by what it is about; none when everything fits."""
    found = [*_namespaces(chain, seen), *_copies(chain, seen), *_entry(chain, seen)]
    if chain.driver is Driver.ENVOY:
        for namespace in chain.namespaces:
            found += _attaching(chain, namespace, seen)
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
    known = [one for one in chain.services if seen.knows(one.namespace, *_COPYING)]
    here = tuple(dict.fromkeys(one.namespace for one in known))
    snapshot = plan.Snapshot(
        lane=None,
        workloads=_of_baseline(seen, here, _WORKLOADS),
        services=_of_baseline(seen, here, ("Service",)),
        budgets=seen.of("PodDisruptionBudget", *here),
        claims=seen.of("PersistentVolumeClaim", *here),
    )
    because = Verdict("", True, Cause.CHANGED, "", "")
    wanted = [plan.Wanted(one, "image", because) for one in known]
    made = plan.make(chain, Lane(chain.name, "laneway-check", uid="none"), wanted, snapshot)
    for name, problem in made.problems.items():
        yield _error(chain, f"service {name}", problem.reason, str(problem))


def _of_baseline(seen: Seen, namespaces: tuple[str, ...], kinds: tuple[str, ...]) -> tuple[Json, ...]:
    found = (one for kind in kinds for one in seen.of(kind, *namespaces))
    return tuple(one for one in found if labels.LANE not in (one["metadata"].get("labels") or {}))


def _entry(chain: Chain, seen: Seen) -> Iterator[Finding]:
    """A preview host leads to the entry's HTTP."""
    entry = next((one for one in chain.services if one.name == chain.entry.service), None)
    service = _services(entry.namespace, seen).get(entry.name) if entry else None
    ports = service["spec"].get("ports") or () if service else ()
    if entry and ports and all(intent.protocol(one) is Protocol.TCP for one in ports):
        what = "the chain's entry has no HTTP port; name one `http`, or give it an appProtocol of HTTP"
        yield _error(chain, f"service {entry.name}", "EntryNotHttp", what)


def _attaching(chain: Chain, namespace: str, seen: Seen) -> Iterator[Finding]:
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
    yield from _without_pods(chain, fine, pods)
    yield from _others(chain, names, services, pods)
    yield from _policies(chain, namespace, fine, seen)


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


def _policies(chain: Chain, namespace: str, services: Mapping[str, Json], seen: Seen) -> Iterator[Finding]:
    """NetworkPolicies that attaching cannot add to."""
    found = attachment.attachments(chain.name, services, {})
    pods = seen.of("Pod", namespace)
    known = tuple(backends.backend(one, pods) for one in found)
    scene = Scene(chain.name, namespace, known, policies.foreign(seen.of("NetworkPolicy", namespace)), 0)
    for why in policies.refusals(scene):
        yield _error(chain, f"namespace {namespace}", "CannotAttach", why)


def _error(chain: Chain, where: str, reason: str, message: str) -> Finding:
    return Finding(chain.name, where, Severity.ERROR, reason, message)


def _warning(chain: Chain, where: str, reason: str, message: str) -> Finding:
    return Finding(chain.name, where, Severity.WARNING, reason, message)

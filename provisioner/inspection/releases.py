"""What of a chain does not fit how its file says that it is released. Pure.

Nothing is said of a chain whose file has no `release` section, or one that says nothing else than the usual.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provisioner.chain.model import Chain, Protocol, Service
from provisioner.chain.strategy import Finish, Strategy
from provisioner.inspection.findings import Finding, Severity
from provisioner.inspection.gather import Seen
from provisioner.routing.protocols import protocol

Json = dict[str, Any]

# what tools that own a workload write on it: a label or an annotation that begins so
_OWNERS = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "argocd.argoproj.io/instance": "Argo CD",
    "kustomize.toolkit.fluxcd.io/": "Flux",
    "helm.toolkit.fluxcd.io/": "Flux",
}


def findings(chain: Chain, seen: Seen) -> Iterator[Finding]:
    """All that stands in the way of releases, or that they would fight with."""
    if chain.release == Strategy():
        return
    if not chain.entry.service:
        what = "a release is decided at the chain's entry and nowhere else: set entry.service"
        yield Finding(chain.name, "release", Severity.ERROR, "NoEntry", what)
    for service in chain.services:
        yield from _owned(chain, service, seen)
        yield from _unled(chain, service, seen)


def _owned(chain: Chain, service: Service, seen: Seen) -> Iterator[Finding]:
    """Workloads that somebody else would write back."""
    workload = _named(service.workload.kind, service.workload.name, service.namespace, seen)
    owner = _owner(workload) if workload else ""
    if owner and chain.release.finish is Finish.APPLY:
        what = (
            f"{owner} owns {service.workload} and would take back what a release writes there at its end; "
            "write finish: wait, and give the baseline its images by a commit"
        )
        yield Finding(chain.name, f"service {service.name}", Severity.WARNING, "OwnedByAnother", what)


def _unled(chain: Chain, service: Service, seen: Seen) -> Iterator[Finding]:
    """Services whose requests carry no header, so that no release leads them."""
    found = _named("Service", service.name, service.namespace, seen)
    ports = found["spec"].get("ports") or () if found else ()
    said = chain.protocols(service.name)
    if ports and all(protocol(one, said) is Protocol.TCP for one in ports):
        what = (
            "it speaks no HTTP, so a release cannot lead anybody to its new version: who calls it gets that "
            "when the release ends, at once"
        )
        yield Finding(chain.name, f"service {service.name}", Severity.WARNING, "NotLed", what)


def _named(kind: str, name: str, namespace: str, seen: Seen) -> Json | None:
    return next((one for one in seen.of(kind, namespace) if one["metadata"]["name"] == name), None)


def _owner(workload: Json) -> str:
    metadata = workload["metadata"]
    marks = [*(metadata.get("labels") or {}), *(metadata.get("annotations") or {})]
    return next((who for start, who in _OWNERS.items() if any(one.startswith(start) for one in marks)), "")

"""Why a release cannot run: what it needs of its chain, of the baseline, and of the entry. Pure.

Each function gives the reason, with what to do about it, or an empty text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from provisioner.chain.model import Chain, Service
from provisioner.chain.model import Driver as Routing
from provisioner.release import workloads
from provisioner.release.found import Found
from provisioner.release.model import Change
from provisioner.release.workloads import MANNERS
from provisioner.routing.router import attachment

Json = dict[str, Any]


def of_chain(chain: Chain, changes: Sequence[Change]) -> str:
    """What the chain's file says against it."""
    known = {service.name: service for service in chain.services}
    for change in changes:
        service = known.get(change.service)
        if service is None:
            return f"chain {chain.name} has no service {change.service}; it has: {', '.join(sorted(known))}"
        if service.workload.kind not in MANNERS:
            kinds = " or ".join(sorted(MANNERS))
            return f"service {service.name} is run by {service.workload}; only a {kinds} can be released"
    if not chain.entry.service:
        return (
            f"chain {chain.name} does not say where it is entered, and a release is decided there and "
            "nowhere else; set entry.service in its file"
        )
    if chain.entry.service not in known:
        return f"entry.service is {chain.entry.service}, which is no service of chain {chain.name}"
    return ""


def of_baseline(services: Iterable[Service], found: Mapping[str, Found]) -> str:
    """What the baseline of the services that are released lacks."""
    for service in services:
        one = found.get(service.name)
        if one is None:
            return (
                f"the baseline of service {service.name}, {service.workload} in namespace "
                f"{service.namespace}, does not exist; correct `workload` in the chain's file"
            )
        if said := workloads.refusal(service, one):
            return said
    return ""


def warnings(services: Iterable[Service], found: Mapping[str, Found]) -> tuple[str, ...]:
    """What people should know before it begins."""
    return tuple(
        f"{service.name} keeps data of its own (volumeClaimTemplates): the pods of its copy begin with none"
        for service in services
        if service.name in found and found[service.name].workload["spec"].get("volumeClaimTemplates")
    )


def of_missing(services: Iterable[Service], there: Collection[str]) -> str:
    """Which services that the release does not change the baseline does not have either: `there` are those
    with a pod that is ready."""
    missing = [service.name for service in services if service.name not in there]
    if not missing:
        return ""
    return (
        f"{', '.join(missing)} has no ready pod on the baseline, and the release has no copy of it: requests "
        "in the release would fail there; mend it, or release it as well"
    )


def of_attachment(chain: Chain, changes: Sequence[Change], services: Iterable[Json]) -> str:
    """Which Services of the chain lead past the built-in router, so that nobody decides there."""
    if chain.driver is not Routing.ENVOY:
        return ""
    there = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in services}
    names = sorted({chain.entry.service, *(change.service for change in changes)})
    for name in names:
        service = chain.service(name)
        found = there.get((service.namespace, name))
        if found is None and name == chain.entry.service:
            return f"Service {service.namespace}/{name}, where the chain is entered, does not exist"
        if found is not None and not attachment.is_attached(found):
            what = "the entry" if name == chain.entry.service else f"service {name}"
            return (
                f"{what} is not attached: Service {service.namespace}/{name} leads past the router; "
                f"run: laneway attach {chain.name}"
            )
    return ""


def image(text: str, service: str) -> str:
    """What is wrong with an image as it was given."""
    if not text.strip() or text != text.strip() or any(one.isspace() for one in text):
        return f"{text!r} is no image; give SERVICE=IMAGE, as in {service}=registry/{service}:1.2.3"
    return ""

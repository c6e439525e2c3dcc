"""How requests reach the services of a release: by the entry, or past it.

Who comes past the entry is decided by nobody: such a request meets the baseline, and while the baseline takes
the new images it may meet both versions. That cannot be helped from here, so it is said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain, Driver
from provisioner.cluster import Cluster, NotFoundError
from provisioner.release import refusals
from provisioner.release.model import Change

Json = dict[str, Any]

_OUTSIDE = ("LoadBalancer", "NodePort")
_ROUTES = {
    Driver.ENVOY: ("Ingress", "HTTPRoute", "GRPCRoute"),
    Driver.GATEWAY_API: ("Ingress",),  # its HTTPRoutes are how the chain is entered
    Driver.ISTIO: ("Ingress",),
}


def refusal(chain: Chain, changes: Sequence[Change], cluster: Cluster) -> str:
    """Why the entry cannot decide for this release; empty where it can."""
    return refusals.of_attachment(chain, changes, _services(chain, changes, cluster))


def callers(chain: Chain, changes: Sequence[Change], cluster: Cluster) -> tuple[str, ...]:
    """Who may call a service of the release past the entry, in words."""
    inner = {change.service for change in changes} - {chain.entry.service}
    namespaces = sorted({chain.service(name).namespace for name in inner})
    found = [
        *(line for one in _services(chain, changes, cluster) for line in _open(one, inner)),
        *(
            line
            for namespace in namespaces
            for kind in _ROUTES[chain.driver]
            for one in _listed(kind, namespace, cluster)
            for line in _leading(one, {name for name in inner if chain.service(name).namespace == namespace})
        ),
    ]
    return tuple(sorted(found))


def _services(chain: Chain, changes: Sequence[Change], cluster: Cluster) -> list[Json]:
    """The Services of the entry and of what is released, as far as they are there."""
    names = sorted({chain.entry.service, *(change.service for change in changes)})
    found = (cluster.get("Service", name, chain.service(name).namespace) for name in names)
    return [one for one in found if one is not None]


def _open(service: Json, inner: Collection[str]) -> Iterator[str]:
    """A Service that can be reached from outside of the cluster."""
    name, kind = service["metadata"]["name"], service["spec"].get("type")
    if name in inner and kind in _OUTSIDE:
        yield f"Service {service['metadata']['namespace']}/{name} is open to callers from outside ({kind})"


def _leading(route: Json, inner: Collection[str]) -> Iterator[str]:
    """A route that leads to one of these services by itself."""
    metadata = route["metadata"]
    for name in sorted(set(_named(route.get("spec") or {})).intersection(inner)):
        yield f"{route['kind']} {metadata['namespace']}/{metadata['name']} leads to {name} past the entry"


def _named(value: Any) -> Iterator[str]:
    """The backends that a route names, wherever it does."""
    if isinstance(value, list):
        for one in value:
            yield from _named(one)
    if not isinstance(value, dict):
        return
    for key, inside in value.items():
        if key == "backendRefs":
            yield from (str(one.get("name", "")) for one in inside)
        elif key == "service" and isinstance(inside, dict):
            yield str(inside.get("name", ""))
        yield from _named(inside)


def _listed(kind: str, namespace: str, cluster: Cluster) -> Iterable[Json]:
    """What a cluster does not serve, nobody has."""
    try:
        return cluster.list(kind, namespace, f"!{labels.LANE}")
    except NotFoundError:
        return ()

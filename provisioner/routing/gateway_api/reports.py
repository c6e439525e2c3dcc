"""What the objects' own status says: whether routes are accepted and lead somewhere, Gateways run. Pure.

It is necessary and not enough: a mesh also accepts routes that have no effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from provisioner.routing.gateway_api.dealt import SUFFIX
from provisioner.routing.gateway_api.references import called
from provisioner.routing.gateway_api.scopes import Scope
from provisioner.routing.gateway_api.variants import SCHEME
from provisioner.routing.mesh import NOT_SHARED, Existing, Finding

Json = dict[str, Any]

NEEDED = ("Accepted", "ResolvedRefs")
# the controllers that have Envoys do what their routes say
OF_ENVOY = frozenset(
    ("istio.io", "gateway.envoyproxy.io", "projectcontour.io", "gateways.kuma.io", "io.cilium", "solo.io")
)


def of_route(route: Json, service: str) -> Finding | None:
    """What is said against a lane's route; that nobody has said anything yet is a finding, too."""
    parents = (route.get("status") or {}).get("parents") or ()
    if not parents:
        what = f"no mesh or Gateway has taken notice of {called(route)} yet"
        return Finding(service, "NotYetAccepted", what)
    for parent in parents:
        for one in parent.get("conditions") or ():
            if one["type"] in NEEDED and one["status"] == "False" and _is_current(one, route):
                who = parent.get("controllerName", "its parent")
                what = f"{called(route)}, {one['type']} is false by {who}: {one.get('message', '')}"
                return Finding(service, one.get("reason") or f"Not{one['type']}", what, blocks=True)
    return None


def of_share(route: Json, service: str) -> Finding | None:
    """That what leads a release's share can have no effect, since it is not known that an Envoy heeds it."""
    if not route["metadata"]["name"].partition(".")[2].partition(".")[0].endswith(SUFFIX):
        return None
    for parent in (route.get("status") or {}).get("parents") or ():
        who = str(parent.get("controllerName", ""))
        if who.partition("/")[0] not in OF_ENVOY:
            what = (
                f"{called(route)} is heeded by {who or 'nobody known'}, and only of Envoy it is known that a "
                f"request has {SCHEME} before it is routed, without which it has no effect"
            )
            return Finding(service, NOT_SHARED, what)
    return None


def _is_current(condition: Json, thing: Json) -> bool:
    """Whether a condition is about the object as it is now."""
    generation = thing["metadata"].get("generation", 0)
    return int(condition.get("observedGeneration", generation)) >= int(generation)


def of_gateways(scopes: Iterable[Scope], existing: Existing) -> Iterator[Finding]:
    """The Gateways of the chain's namespaces, among the parents of the user's routes, that do not run."""
    there = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in existing.of("Gateway")}
    for scope in scopes:
        for parent in scope.parents:
            found = there.get((parent.get("namespace") or scope.namespace, parent["name"]))
            if found is not None and scope.service and (why := _not_programmed(found)):
                what = f"{called(found)} is not programmed: {why}"
                yield Finding(scope.service, "GatewayNotProgrammed", what)


def _not_programmed(gateway: Json) -> str:
    """Why; empty where it is."""
    conditions = (gateway.get("status") or {}).get("conditions") or ()
    one: Json = next((one for one in conditions if one["type"] == "Programmed"), {})
    if one.get("status") == "True":
        return ""
    return str(one.get("message") or one.get("reason") or "nobody has taken notice of it")

"""The objects of one lane at one place: HTTPRoutes, and what lets them lead into other namespaces. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from provisioner import names
from provisioner.lane.model import Lane
from provisioner.routing import mesh
from provisioner.routing.gateway_api import limits, variants
from provisioner.routing.gateway_api.references import GROUP, Place
from provisioner.routing.gateway_api.scopes import Scope
from provisioner.routing.gateway_api.variants import Asked, How
from provisioner.routing.intent import ChainIntent, Copy, State
from provisioner.routing.mesh import Responder

Json = dict[str, Any]

_derived = lru_cache(maxsize=1 << 16)(names.derived)  # always the same are asked for


@dataclass(frozen=True)
class Asking:
    """What is the same for all lanes of a chain."""

    intent: ChainIntent
    responder: Responder | None
    grpc: frozenset[Place]

    def asked(self, scope: Scope, lane: Lane, copies: Mapping[Place, Copy], how: How = How.HEADER) -> Asked:
        """For a lane in a scope."""
        carriers, entry = self.intent.carriers, self.intent.entry.service
        entered = entry and (scope.service == entry or scope.is_entry(entry))
        released = bool(self.intent.share and entered)
        return Asked(lane.chain, lane.name, carriers, copies, how, self.responder, self.grpc, released)


def of_lane(
    scope: Scope, lane: Lane, copies: Mapping[Place, Copy], how: How, asking: Asking
) -> Iterator[Json]:
    """A lane's objects in one scope, in the order of application."""
    asked = asking.asked(scope, lane, copies, how)
    rules = [one for rule in scope.rules if (one := variants.variant(rule, asked)) is not None]
    if scope.alone:
        rules += [rule.body for rule in scope.rules]
    yield from objects(scope, lane, copies, rules)


def objects(scope: Scope, lane: Lane, copies: Mapping[Place, Copy], rules: Iterable[Json]) -> Iterator[Json]:
    """The objects of a lane that hold rules, which lead to its copies, in a scope."""
    far = [(place, copy) for place, copy in copies.items() if place[0] != scope.namespace]
    for place, copy in sorted(far):
        if copy.state is State.READY:
            yield _grant(scope, lane, place, copy)
    for number, part in enumerate(limits.spread(rules)):
        yield _route(scope, lane, number, part)


def _route(scope: Scope, lane: Lane, number: int, rules: list[Json]) -> Json:
    name = f"{_derived(scope.stem, lane.name)}.{scope.suffix}" + (f".{number:02}" if number else "")
    spec: Json = {"parentRefs": scope.parent_refs, "rules": rules}
    if scope.hostnames:
        spec["hostnames"] = list(scope.hostnames)
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "HTTPRoute",
        "metadata": mesh.metadata(lane, scope.service, scope.namespace, name),
        "spec": spec,
    }


def _grant(scope: Scope, lane: Lane, place: Place, copy: Copy) -> Json:
    """Lets the routes of one namespace lead to a copy in another."""
    namespace, service, _ = place
    name = f"{names.derived(service, lane.name)}.from.{scope.namespace}"
    return {
        "apiVersion": f"{GROUP}/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": mesh.metadata(lane, service, namespace, name),
        "spec": {
            "from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": scope.namespace}],
            "to": [{"group": "", "kind": "Service", "name": copy.name}],
        },
    }

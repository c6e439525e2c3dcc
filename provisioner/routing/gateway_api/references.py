"""What the references in a route mean: its parents, and the Services that it leads to. Pure.

The defaults are those of the API: a parent is a Gateway, a backend is a Service, and either is in the route's
own namespace.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
Place = tuple[str, str, int]  # namespace, Service, port

GROUP = "gateway.networking.k8s.io"


def namespace(ref: Json, route: Json) -> str:
    """Where what a reference in a route names lies."""
    return str(ref.get("namespace") or route["metadata"]["namespace"])


def is_service(parent: Json) -> bool:
    return (parent.get("group", GROUP), parent.get("kind")) == ("", "Service")


def is_gateway(parent: Json) -> bool:
    return (parent.get("group", GROUP), parent.get("kind", "Gateway")) == (GROUP, "Gateway")


def parents(route: Json) -> list[Json]:
    return list(route["spec"].get("parentRefs") or ())


def rules(route: Json) -> list[Json]:
    return list(route["spec"].get("rules") or ())


def service_parents(route: Json, where: str, name: str) -> list[Json]:
    """The references to that Service among a route's parents."""
    return [
        one
        for one in parents(route)
        if is_service(one) and one["name"] == name and namespace(one, route) == where
    ]


def place(ref: Json, route: Json) -> Place | None:
    """The Service port that a backend reference names; None for anything else."""
    if ref.get("group") or ref.get("kind", "Service") != "Service" or not ref.get("port"):
        return None
    return namespace(ref, route), ref["name"], int(ref["port"])


def places(route: Json) -> Iterator[Place]:
    """The Service ports that a route leads to."""
    for rule in rules(route):
        for ref in rule.get("backendRefs") or ():
            if found := place(ref, route):
                yield found


def age(route: Json) -> tuple[str, str, str]:
    """By this the older of two routes comes first, as the API has it."""
    metadata = route["metadata"]
    return metadata.get("creationTimestamp") or "", metadata["namespace"], metadata["name"]


def called(thing: Json) -> str:
    """How a message names an object."""
    metadata = thing["metadata"]
    return f"{thing['kind']} {metadata['namespace']}/{metadata['name']}"

"""Which pods a Service leads to, and at which ports. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.routing.router import attachment
from provisioner.routing.router.attachment import Attachment

Json = dict[str, Any]

_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Target:
    """Where one port of a Service leads: the port's numbers in its pods and the names that containers give
    them, and the router's listener that stands in front of it."""

    listener: int
    given: int | str  # as the Service says it
    numbers: frozenset[int]
    names: frozenset[str]


@dataclass(frozen=True)
class Backend:
    """An attached Service, its pods' labels and addresses, and its ports. A Service without pods is taken to
    have one with exactly the labels that it selects."""

    namespace: str
    service: str
    selector: Mapping[str, str]
    pods: tuple[Mapping[str, str], ...]
    addresses: tuple[str, ...]
    targets: tuple[Target, ...]


def backend(found: Attachment, pods: Sequence[Json]) -> Backend:
    """`pods` are those of the namespace."""
    spec = attachment.original(found.service)["spec"]
    chosen = selected(spec["selector"], pods)
    ports = [known for pod in chosen for known in named_ports(pod)]
    return Backend(
        namespace=found.namespace,
        service=found.name,
        selector=spec["selector"],
        pods=tuple(_labels(pod) for pod in chosen) or (spec["selector"],),
        addresses=tuple(one["ip"] for pod in chosen for one in pod.get("status", {}).get("podIPs") or ()),
        targets=tuple(_target(port, found.listeners[str(port["port"])], ports) for port in spec["ports"]),
    )


def _target(port: Json, listener: int, known: Sequence[tuple[str, int]]) -> Target:
    given: int | str = port["targetPort"] if "targetPort" in port else port["port"]
    if isinstance(given, str):
        numbers, names = {number for name, number in known if name == given}, {given}
    else:
        numbers, names = {int(given)}, set()
    names |= {name for name, number in known if number in numbers}
    return Target(listener, given, frozenset(numbers), frozenset(names))


def selected(selector: Mapping[str, str], pods: Sequence[Json]) -> list[Json]:
    """The pods that a Service's selector takes, but for those that have ended or are about to."""
    return [
        pod
        for pod in pods
        if selector.items() <= _labels(pod).items()
        and pod.get("status", {}).get("phase") not in _ENDED
        and "deletionTimestamp" not in pod["metadata"]
    ]


def named_ports(pod: Json) -> Iterator[tuple[str, int]]:
    """The ports to which a pod's containers give a name, native sidecars among them."""
    spec = pod["spec"]
    sidecars = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    for container in (*spec["containers"], *sidecars):
        for port in container.get("ports") or ():
            if name := port.get("name"):
                yield name, int(port["containerPort"])


def _labels(pod: Json) -> Mapping[str, str]:
    return pod["metadata"].get("labels") or {}

"""Which Services the router can stand in front of, and why not the others. Pure.

Whoever asks hears of every Service at once, each with the reason and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from provisioner import labels
from provisioner.errors import PermanentError
from provisioner.routing.router import attachment, backends

Json = dict[str, Any]


class CannotAttachError(PermanentError):
    """A Service that the router cannot stand in front of; the message names each and says why."""

    reason = "CannotAttach"


def refusals(
    chain: str, names: Iterable[str], services: Mapping[str, Json], pods: Sequence[Json]
) -> dict[str, str]:
    """For each of the named Services of a namespace that is refused, why. `pods` are the namespace's."""
    found = {name: refusal(chain, services.get(name), pods) for name in sorted(names)}
    if not services:
        found = dict.fromkeys(found, "there is no Service at all in its namespace; does that exist?")
    return {name: why for name, why in found.items() if why}


def refusal(chain: str, service: Json | None, pods: Sequence[Json]) -> str:
    """Why the router cannot stand in front of a Service, and what to do; empty when it can."""
    if service is None:
        return "there is no Service of this name; the chain file's services are named as their Services"
    if (other := attachment.chain_of(service)) not in ("", chain):
        return f"it is attached to chain {other}; detach that chain first (`laneway detach {other}`)"
    try:
        spec = attachment.original(service)["spec"]
    except ValueError as error:
        return f"{error}, and with it what the Service led to; set its selector and target ports by hand"
    return _of_spec(spec) or _unknown_ports(spec, pods)


def _of_spec(spec: Json) -> str:
    return next((why for applies, why in _RULES if applies(spec)), "") or _of_ports(spec["ports"])


def _of_ports(ports: Sequence[Json]) -> str:
    for port in ports:
        if (protocol := port.get("protocol", "TCP")) != "TCP":
            return (
                f"port {port['port']} is {protocol}: only TCP can be routed; "
                "give that port a Service of its own, which is not in the chain"
            )
    return ""


def _unknown_ports(spec: Json, pods: Sequence[Json]) -> str:
    """Target ports by a name that no pod of the Service knows: it leads nowhere, attached or not."""
    chosen = backends.selected(spec["selector"], pods)
    known = {name for pod in chosen for name, _ in backends.named_ports(pod)}
    for port in spec["ports"]:
        target = port.get("targetPort")
        if chosen and isinstance(target, str) and target not in known:
            return (
                f"port {port['port']} leads to a port named {target}, which no container of its pods has; "
                f"they have {', '.join(sorted(known)) or 'none with a name'}"
            )
    return ""


def _two_families(spec: Json) -> bool:
    return len(spec.get("ipFamilies") or ()) > 1


_RULES: tuple[tuple[Callable[[Json], bool], str], ...] = (
    (
        lambda spec: spec.get("type") == "ExternalName",
        "it is of type ExternalName: what it leads to is not in this cluster; leave it out of the chain",
    ),
    (
        lambda spec: spec.get("clusterIP") == "None",
        "it is headless: clients choose pods by themselves; give it a cluster IP",
    ),
    (
        lambda spec: not spec.get("selector"),
        "it has no selector: its endpoints are kept by hand; give it one, or leave it out of the chain",
    ),
    (lambda spec: not spec.get("ports"), "it has no ports"),
    (
        lambda spec: spec.get("internalTrafficPolicy") == "Local",
        "its internalTrafficPolicy is Local: the router does not run on every node; set it to Cluster",
    ),
    (
        lambda spec: bool(spec.get("publishNotReadyAddresses")),
        "it publishes pods that are not ready, so also routers that are not; unset publishNotReadyAddresses",
    ),
    (
        _two_families,
        "it has addresses of two families, and the router listens on one; set ipFamilyPolicy to SingleStack",
    ),
)


def two_of_one(services: Mapping[str, Json], pods: Sequence[Json]) -> list[tuple[str, str]]:
    """Pairs of a Service and another that leads to a pod of it as well: requests by way of the other find
    their lane only if that one is in the chain, too. Twins and Services that a lane owns do not count."""
    ours = {labels.LANE, labels.ROLE}
    plain = {
        name: backends.selected(_selector(one), pods)
        for name, one in services.items()
        if not ours & (one["metadata"].get("labels") or {}).keys() and _selector(one)
    }
    names = {name: {pod["metadata"]["name"] for pod in chosen} for name, chosen in plain.items()}
    return [
        (one, two) for one in sorted(names) for two in sorted(names) if one != two and names[one] & names[two]
    ]


def _selector(service: Json) -> Json:
    try:
        return dict(attachment.original(service)["spec"].get("selector") or {})
    except ValueError:
        return {}

"""What attaching a chain writes, and what detaching puts back. Pure.

An attached Service keeps its name, its addresses and its ports. Two fields differ: its selector names the
router's pods, and each port leads to its listener there. Two annotations are added: the Service as it was,
canonical JSON, and its listener ports. Its twin, headless, keeps the original selector, so that the router
can watch the baseline's endpoints.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain
from provisioner.errors import PermanentError
from provisioner.routing.envoy.node import FIRST_LISTENER
from provisioner.routing.intent import listeners
from provisioner.routing.router import deployment
from provisioner.routing.router.naming import fitted

Json = dict[str, Any]

BASELINE = "baseline"  # the value of labels.ROLE
TWIN_PORT_FIELDS = ("name", "port", "targetPort", "protocol", "appProtocol")


class CannotAttachError(PermanentError):
    """A Service that the router cannot stand in front of; the message names each and says why."""

    reason = "CannotAttach"


@dataclass(frozen=True)
class Attachment:
    """One Service of the chain, as found, and the listener port of each of its ports."""

    chain: str
    service: Json
    listeners: Mapping[str, int]

    @property
    def name(self) -> str:
        return str(self.service["metadata"]["name"])


def canonical(value: Any) -> str:
    """JSON in the one form that is compared."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def digest(value: Any) -> str:
    """A short hash of a plain value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def is_attached(service: Json) -> bool:
    """Whether the Service leads to a router already."""
    return bool((service["spec"].get("selector") or {}).get(labels.ROLE) == deployment.ROUTER)


def attachments(chain: Chain, namespace: str, services: Mapping[str, Json]) -> tuple[Attachment, ...]:
    """The chain's Services of a namespace with their listener ports: stored ones stay, new ones follow.

    CannotAttachError names every Service that is refused, each with the reason.
    """
    names = sorted(one.name for one in chain.services if one.namespace == namespace)
    refused = [f"{name}: {why}" for name in names if (why := refusal(services.get(name)))]
    if refused:
        raise CannotAttachError("; ".join(refused), where=f"chain {chain.name}, namespace {namespace}")
    allocated = allocate({name: services[name] for name in names})
    return tuple(Attachment(chain.name, services[name], allocated[name]) for name in names)


def refusal(service: Json | None) -> str:
    """Why the router cannot stand in front of a Service, and what to do; empty when it can."""
    if service is None:
        return "there is no Service of this name; the chain file's services are named as their Services"
    spec = original(service)["spec"]
    other = [one for one in spec.get("ports") or () if one.get("protocol", "TCP") != "TCP"]
    reasons = {
        "it is of type ExternalName: what it leads to is not in this cluster": spec.get("type")
        == "ExternalName",
        "it is headless: clients choose pods by themselves; give it a cluster IP": spec.get("clusterIP")
        == "None",
        "it has no selector: its endpoints are kept by hand": not spec.get("selector"),
        "it has no ports": not spec.get("ports"),
        f"port {other[0]['port'] if other else ''} is not TCP: only TCP can be routed": bool(other),
    }
    return next((why for why, applies in reasons.items() if applies), "")


def allocate(services: Mapping[str, Json]) -> dict[str, dict[str, int]]:
    """Listener ports for each Service's ports, unique among them all."""
    found = {name: listeners(service) for name, service in services.items()}
    taken = {listener for stored in found.values() for listener in stored.values()}
    free = (port for port in range(FIRST_LISTENER, 65536) if port not in taken)
    return {
        name: {
            str(one["port"]): found[name].get(str(one["port"])) or next(free)
            for one in service["spec"]["ports"]
        }
        for name, service in sorted(services.items())
    }


def original(service: Json) -> Json:
    """Labels, annotations and spec of a Service as its owner wrote them."""
    annotations = service["metadata"].get("annotations") or {}
    if kept := annotations.get(labels.ORIGINAL):
        found: Json = json.loads(kept)
        return found
    metadata = {
        key: service["metadata"][key] for key in ("labels", "annotations") if service["metadata"].get(key)
    }
    return {"metadata": metadata, "spec": service["spec"]}


def annotated(attachment: Attachment) -> Json:
    """The Service with its notes, still leading where it led: what an interrupted run leaves is harmless."""
    found = copy.deepcopy(attachment.service)
    found["metadata"]["annotations"] = {
        **(found["metadata"].get("annotations") or {}),
        labels.ORIGINAL: canonical(original(attachment.service)),
        labels.LISTENERS: canonical(attachment.listeners),
    }
    return found


def switched(attachment: Attachment) -> Json:
    """The Service, leading to the router."""
    found = annotated(attachment)
    found["spec"]["selector"] = deployment.marks(attachment.chain)
    for port in found["spec"]["ports"]:
        port["targetPort"] = attachment.listeners[str(port["port"])]
    return found


def restored(service: Json) -> Json:
    """The Service as it was before it was attached, but for what others changed since in other fields."""
    found, before = copy.deepcopy(service), original(service)
    annotations = found["metadata"].get("annotations") or {}
    kept = {
        key: value for key, value in annotations.items() if key not in (labels.ORIGINAL, labels.LISTENERS)
    }
    found["metadata"].pop("annotations", None)
    if kept:
        found["metadata"]["annotations"] = kept
    found["spec"]["selector"] = before["spec"]["selector"]
    targets = {str(port["port"]): port.get("targetPort") for port in before["spec"]["ports"]}
    for port in found["spec"]["ports"]:
        target = targets.get(str(port["port"]), port.get("targetPort"))
        port.pop("targetPort", None)
        port |= {} if target is None else {"targetPort": target}
    return found


def twin_name(service: str) -> str:
    return fitted(service, f"-{BASELINE}")


def twin(attachment: Attachment) -> Json:
    """The headless Service that keeps the original selector; it goes when the Service goes."""
    metadata, spec = attachment.service["metadata"], original(attachment.service)["spec"]
    owner = {"apiVersion": "v1", "kind": "Service", "name": attachment.name, "uid": metadata["uid"]}
    marks = {**labels.of_chain(attachment.chain), labels.SERVICE: attachment.name, labels.ROLE: BASELINE}
    wanted: Json = {
        "clusterIP": "None",
        "selector": spec["selector"],
        "ports": [{key: port[key] for key in TWIN_PORT_FIELDS if key in port} for port in spec["ports"]],
    }
    if spec.get("publishNotReadyAddresses"):
        wanted["publishNotReadyAddresses"] = True
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": twin_name(attachment.name),
            "namespace": metadata["namespace"],
            "labels": marks,
            "annotations": {labels.LISTENERS: canonical(attachment.listeners)},
            "ownerReferences": [owner],
        },
        "spec": wanted,
    }


def listener_ports(found: tuple[Attachment, ...]) -> dict[int, str]:
    """Every listener port with the Service port that it stands for."""
    return {
        listener: f"{one.name}:{port}" for one in found for port, listener in sorted(one.listeners.items())
    }

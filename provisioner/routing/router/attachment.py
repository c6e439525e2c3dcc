"""What attaching a chain writes, and what detaching puts back. Pure.

An attached Service keeps its name, its addresses and its ports. Two fields differ: its selector names the
router's pods, and each port leads to its listener there. Three annotations are added: the Service as it was,
canonical JSON; its listener ports; and a JSON patch that puts everything back, for the day when Laneway is
gone and `kubectl patch --type=json` has to do. Its twin, headless, keeps the original selector, so that the
router can watch the baseline's endpoints.

What others write to an attached Service is theirs: a field that no longer says what attaching wrote is the
owner's word of now, and is what detaching keeps and attaching again starts from.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provisioner import labels
from provisioner.routing.attached import listeners
from provisioner.routing.envoy.node import FIRST_LISTENER
from provisioner.routing.router import deployment
from provisioner.routing.router.naming import fitted

Json = dict[str, Any]

BASELINE = "baseline"  # the value of labels.ROLE
TWIN_FIELDS = ("ipFamilies", "ipFamilyPolicy", "publishNotReadyAddresses")
TWIN_PORT_FIELDS = ("name", "port", "targetPort", "protocol", "appProtocol")
NOTES = (labels.ORIGINAL, labels.LISTENERS, labels.RESTORE)


@dataclass(frozen=True)
class Attachment:
    """One Service of the chain, as found, and the listener port of each of its ports."""

    chain: str
    service: Json
    listeners: Mapping[str, int]

    @property
    def name(self) -> str:
        return str(self.service["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.service["metadata"]["namespace"])


def canonical(value: Any) -> str:
    """JSON in the one form that is compared."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def digest(value: Any) -> str:
    """A short hash of a plain value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def is_attached(service: Json) -> bool:
    """Whether the Service leads to a router, and to nothing else."""
    selector = _selector(service)
    return selector == deployment.marks(selector.get(labels.CHAIN, ""))


def is_noted(service: Json) -> bool:
    """Whether attaching has written to the Service, or part of what it wrote is left."""
    marks = service["metadata"].get("labels") or {}
    return marks.get(labels.ROLE) != BASELINE and bool(_notes(service) or labels.ROLE in _selector(service))


def chain_of(service: Json) -> str:
    """The chain that a Service is attached to; empty when it leads to no router."""
    selector = _selector(service)
    return str(selector.get(labels.CHAIN, "")) if selector.get(labels.ROLE) == deployment.ROUTER else ""


def attachments(
    chain: str, services: Mapping[str, Json], others: Mapping[str, Json]
) -> tuple[Attachment, ...]:
    """The Services of a namespace with their listener ports: stored ones stay, new ones follow. `others` are
    still attached though the chain lists them no more: their listeners are taken."""
    allocated = allocate(services, others)
    return tuple(Attachment(chain, services[name], allocated[name]) for name in sorted(services))


def allocate(services: Mapping[str, Json], others: Mapping[str, Json]) -> dict[str, dict[str, int]]:
    """Listener ports for each Service's ports, unique among them all."""
    found = {name: listeners(service) for name, service in services.items()}
    held = [*found.values(), *(listeners(one) for one in others.values())]
    taken = {listener for stored in held for listener in stored.values()}
    free = (port for port in range(FIRST_LISTENER, 65536) if port not in taken)
    return {
        name: {
            str(one["port"]): found[name].get(str(one["port"])) or next(free)
            for one in service["spec"]["ports"]
        }
        for name, service in sorted(services.items())
    }


def original(service: Json) -> Json:
    """Labels, annotations and spec of a Service as its owner wants them.

    ValueError when it leads to the router and the note of what it led to is gone or broken; see `recovered`.
    """
    kept = _kept(service)
    notes = service["metadata"].get("annotations") or {}
    metadata = {
        "labels": service["metadata"].get("labels"),
        "annotations": {key: value for key, value in notes.items() if key not in NOTES},
    }
    spec = copy.deepcopy(service["spec"])
    if selector := _owners_selector(service, kept):
        spec["selector"] = selector
    stored = listeners(service)
    for port in spec.get("ports") or ():
        _put_back(port, stored, kept)
    return {"metadata": {key: value for key, value in metadata.items() if value}, "spec": spec}


def _owners_selector(service: Json, kept: Json) -> Json:
    """The selector without what attaching wrote: all that a tool added since is the owner's."""
    ours = deployment.marks(chain_of(service))
    rest = {key: value for key, value in _selector(service).items() if ours.get(key) != value}
    if _selector(service) and not rest and not kept:
        raise ValueError(f"the annotation {labels.ORIGINAL} is gone")
    return rest or dict(kept.get("selector") or {})


def _put_back(port: Json, stored: Mapping[str, int], kept: Json) -> None:
    """A port's target as it was, unless somebody has changed it since."""
    number = str(port["port"])
    before = next((one for one in kept.get("ports") or () if str(one["port"]) == number), None)
    if before is None or port.get("targetPort") != stored.get(number):
        return
    port.pop("targetPort", None)
    if "targetPort" in before:
        port["targetPort"] = before["targetPort"]


def _kept(service: Json) -> Json:
    """The spec that was kept; empty for a Service that is not noted. ValueError for a note that is broken."""
    note = _notes(service).get(labels.ORIGINAL)
    if note is None:
        return {}
    found = json.loads(note)
    if not isinstance(found, dict) or not isinstance(found.get("spec"), dict):
        raise ValueError(f"the annotation {labels.ORIGINAL} does not hold a Service")
    return dict(found["spec"])


def recovered(service: Json, twin: Json | None) -> Json:
    """The Service with the notes that somebody took off it, as far as its twin remembers them."""
    if twin is None or not is_noted(service) or labels.ORIGINAL in _notes(service):
        return service
    found = copy.deepcopy(service)
    kept = {"spec": {key: twin["spec"][key] for key in ("selector", "ports")}}
    annotations = found["metadata"].setdefault("annotations", {})
    annotations |= {labels.ORIGINAL: canonical(kept), labels.LISTENERS: canonical(listeners(twin))}
    return found


def annotated(attachment: Attachment) -> Json:
    """The Service with its notes, still leading where it led: what an interrupted run leaves is harmless."""
    found = copy.deepcopy(attachment.service)
    before = original(attachment.service)
    found["metadata"]["annotations"] = {
        **(found["metadata"].get("annotations") or {}),
        labels.ORIGINAL: canonical(before),
        labels.LISTENERS: canonical(attachment.listeners),
        labels.RESTORE: canonical(_patch(attachment, before)),
    }
    return found


def _patch(attachment: Attachment, before: Json) -> list[Json]:
    """A JSON patch (RFC 6902) from the attached Service to the one before. It tests what it relies on, and
    fails as a whole when somebody changed that."""
    ports = before["spec"].get("ports") or ()
    targets = [
        part
        for place, port in enumerate(ports)
        for part in (
            {"op": "test", "path": f"/spec/ports/{place}/port", "value": port["port"]},
            _target(place, port),
        )
    ]
    notes = [{"op": "remove", "path": f"/metadata/annotations/{key.replace('/', '~1')}"} for key in NOTES]
    selector = {"op": "replace", "path": "/spec/selector", "value": before["spec"].get("selector") or {}}
    return [*targets, selector, *notes]


def _target(place: int, port: Json) -> Json:
    path = f"/spec/ports/{place}/targetPort"
    if "targetPort" in port:
        return {"op": "add", "path": path, "value": port["targetPort"]}
    return {"op": "remove", "path": path}


def switched(attachment: Attachment) -> Json:
    """The Service, leading to the router."""
    found = annotated(attachment)
    found["spec"]["selector"] = deployment.marks(attachment.chain)
    for port in found["spec"]["ports"]:
        port["targetPort"] = attachment.listeners[str(port["port"])]
    return found


def mended(service: Json) -> Json:
    """An attached Service into which a tool merged its own selector or target ports, leading to the router
    again; any other as it is. A merged selector asks for both, and so selects nothing.

    One that leads past the router altogether is left alone: that is somebody's word, and requests go on."""
    if not chain_of(service) or labels.ORIGINAL not in _notes(service):
        return service
    stored = listeners(service)
    found = copy.deepcopy(service)
    found["spec"]["selector"] = deployment.marks(chain_of(service))
    for port in found["spec"]["ports"]:
        if (listener := stored.get(str(port["port"]))) is not None:
            port["targetPort"] = listener
    if found == service:
        return service
    notes = annotated(Attachment(chain_of(service), service, stored))["metadata"]["annotations"]
    return {**found, "metadata": {**found["metadata"], "annotations": notes}}


def restored(service: Json) -> Json:
    """The Service as it was before it was attached, but for what others changed since."""
    if not is_noted(service):
        return service
    found, before = copy.deepcopy(service), original(service)
    found["spec"] = before["spec"]
    found["metadata"].pop("annotations", None)
    if annotations := before["metadata"].get("annotations"):
        found["metadata"]["annotations"] = annotations
    return found


def disowned(service: Json) -> Json:
    """The Service with no field that Laneway's last writes still claim, so that the next apply of its owner,
    server-side, meets no conflict. https://kubernetes.io/docs/reference/using-api/server-side-apply/"""
    managed = service["metadata"].get("managedFields") or []
    others = [one for one in managed if one.get("manager") != labels.FIELD_MANAGER]
    if not others or others == managed:
        return service
    return {**service, "metadata": {**service["metadata"], "managedFields": others}}


def _selector(service: Json) -> Json:
    return dict(service["spec"].get("selector") or {})


def _notes(service: Json) -> Json:
    annotations = service["metadata"].get("annotations") or {}
    return {key: annotations[key] for key in NOTES if key in annotations}


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
        **{key: spec[key] for key in TWIN_FIELDS if key in spec},
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": twin_name(attachment.name),
            "namespace": attachment.namespace,
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

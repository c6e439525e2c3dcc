"""What of a namespace could be a service of a chain: who it is, what it runs, and whom it calls. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner import labels
from provisioner.chain.model import Protocol
from provisioner.copies import rollouts
from provisioner.copies.refusals import CLONEABLE
from provisioner.inspection.gather import Seen
from provisioner.routing.protocols import protocol
from provisioner.routing.router import attachment, eligibility

Json = dict[str, Any]

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", rollouts.KIND)


@dataclass(frozen=True)
class Candidate:
    """A service that can be in a chain. `container` is the one that answers, empty where there is only one;
    `calls` are the services that its pods' environment or arguments name."""

    name: str
    workload: str  # KIND/NAME
    container: str
    image: str
    ports: tuple[str, ...]
    calls: frozenset[str]
    is_exposed: bool  # an Ingress, or the Service's type, lets clients in from outside


@dataclass(frozen=True)
class Sorted:
    """The services of a namespace: those that can be in a chain, and of each other why not."""

    candidates: tuple[Candidate, ...]
    left_out: tuple[tuple[str, str], ...]


def sort(namespace: str, seen: Seen) -> Sorted:
    """Every Service of a namespace, by name; what Laneway or a lane made there is not looked at."""
    services = {one["metadata"]["name"]: one for one in seen.of("Service", namespace) if _is_plain(one)}
    workloads = _running(one for kind in WORKLOADS for one in seen.of(kind, namespace) if _is_plain(one))
    chosen = {name: _behind(one, workloads) for name, one in services.items()}
    why = {name: _reason(name, one, chosen, seen.of("Pod", namespace)) for name, one in services.items()}
    exposed = set(_exposed(services, seen.of("Ingress", namespace)))
    candidates = [
        _candidate(name, services, chosen[name][0], exposed) for name in sorted(services) if not why[name]
    ]
    return Sorted(tuple(candidates), tuple((name, why[name]) for name in sorted(why) if why[name]))


def _is_plain(one: Json) -> bool:
    marks = one["metadata"].get("labels") or {}
    return labels.LANE not in marks and marks.get(labels.MANAGED_BY) != labels.MANAGED_BY_LANEWAY


def _running(workloads: Iterable[Json]) -> list[Json]:
    """The workloads that run pods; one that only holds a Rollout's template does not."""
    found = rollouts.resolved(workloads)
    templates = {rollouts.reference(one) for one in found}
    return [one for one in found if (one["kind"], one["metadata"]["name"]) not in templates]


def _behind(service: Json, workloads: Iterable[Json]) -> list[Json]:
    """The workloads whose pods a Service selects."""
    selector = (_spec(service).get("selector") or {}).items()
    return [one for one in workloads if selector and selector <= _template(one)["labels"].items()]


def _reason(name: str, service: Json, chosen: Mapping[str, Sequence[Json]], pods: Sequence[Json]) -> str:
    """Why a Service is left out; empty when it is not."""
    spec, behind = _spec(service), chosen[name]
    if why := eligibility.refusal(attachment.chain_of(service), service, pods):
        return why
    if not behind:
        return "no Deployment, StatefulSet or Rollout runs the pods that it selects"
    if len(behind) > 1:
        return f"it leads to several workloads: {', '.join(sorted(map(_called, behind)))}"
    if behind[0]["kind"] not in CLONEABLE:
        return f"{_called(behind[0])} cannot be copied: only a Deployment, a StatefulSet or a Rollout can"
    if all(protocol(one) is Protocol.TCP for one in spec["ports"]):
        return "none of its ports is HTTP, so no request of it can be told its lane"
    if behind[0]["spec"].get("volumeClaimTemplates"):
        return f"{_called(behind[0])} keeps data: a copy would begin with an empty volume"
    return _second(name, behind[0], chosen)


def _second(name: str, workload: Json, chosen: Mapping[str, Sequence[Json]]) -> str:
    """Of several Services of one workload the one named as it is stays, else the first by name."""
    rivals = sorted(other for other, behind in chosen.items() if workload in behind)
    own = str(workload["metadata"]["name"])
    first = own if own in rivals else rivals[0]
    if name == first:
        return ""
    return f"it leads to the same pods as {first}; who calls it finds no lane"


def _candidate(name: str, services: Mapping[str, Json], workload: Json, exposed: set[str]) -> Candidate:
    spec, pod = _spec(services[name]), _template(workload)["spec"]
    container = _answering(pod, spec["ports"])
    return Candidate(
        name=name,
        workload=_called(workload),
        container=str(container["name"]) if len(pod["containers"]) > 1 else "",
        image=str(container["image"]),
        ports=tuple(_told(port) for port in spec["ports"]),
        calls=frozenset(_called_by(pod, services) - {name}),
        is_exposed=name in exposed,
    )


def _answering(pod: Json, ports: Sequence[Json]) -> Json:
    """The container that has the Service's first target port; else the first."""
    target = ports[0].get("targetPort", ports[0]["port"])
    for container in pod["containers"]:
        if any(target in (port.get("name"), port["containerPort"]) for port in container.get("ports") or ()):
            return dict(container)
    return dict(pod["containers"][0])


def _told(port: Json) -> str:
    name = f"{port['name']} " if port.get("name") else ""
    return f"{name}{port['port']} -> {port.get('targetPort', port['port'])} ({protocol(port).value})"


def _called_by(pod: Json, services: Iterable[str]) -> set[str]:
    """The services whose name, as a host or as Kubernetes' own variable, is in what containers are told."""
    told = "\n".join(_words(pod))
    return {
        name
        for name in services
        if re.search(rf"(?<![a-z0-9.-]){re.escape(name)}(?![a-z0-9-])", told)
        or f"{name.upper().replace('-', '_')}_SERVICE_HOST" in told
    }


def _words(pod: Json) -> Iterator[str]:
    for container in pod["containers"]:
        yield from (str(one.get("value", "")) for one in container.get("env") or ())
        yield from (str(one) for one in container.get("args") or ())


def _exposed(services: Mapping[str, Json], ingresses: Iterable[Json]) -> Iterator[str]:
    yield from (
        name for name, one in services.items() if _spec(one).get("type") in ("LoadBalancer", "NodePort")
    )
    for ingress in ingresses:
        for rule in ingress["spec"].get("rules") or ():
            for path in (rule.get("http") or {}).get("paths") or ():
                yield str((path["backend"].get("service") or {}).get("name", ""))


def _spec(service: Json) -> Json:
    """A Service's spec as its owner wrote it, attached or not."""
    try:
        return dict(attachment.original(service)["spec"])
    except ValueError:
        return {}


def _template(workload: Json) -> Json:
    template = workload["spec"]["template"]
    return {"labels": template["metadata"].get("labels") or {}, "spec": template["spec"]}


def _called(workload: Json) -> str:
    return f"{workload['kind']}/{workload['metadata']['name']}"

"""Rollouts of Argo Rollouts, as the baseline of copies. Pure.

A Rollout's pod template is its own, or with `workloadRef` that of a Deployment, which then has no pods. Its
pods bear a label more than the template, their ReplicaSet's hash, and a controller may put that hash into the
selectors of Services: so a template here says what labels the pods really have.

A copy of it is a Deployment. Nothing of how the Rollout is rolled out goes with it: a copy gets what is
pushed at once, and its share of the requests by lanes alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

KIND = "Rollout"
HASH = "rollouts-pod-template-hash"  # on pods, and in selectors that the controller writes
GROUP = "rollout.argoproj.io/"
_GENERATION = f"{GROUP}workload-generation"  # annotation: which version of the referenced workload was seen
_KEPT = ("replicas", "selector", "template", "minReadySeconds", "progressDeadlineSeconds")


def resolved(workloads: Iterable[Json]) -> tuple[Json, ...]:
    """The workloads with each Rollout's template in it, wherever it is kept. A Rollout whose template is
    nowhere gets one without containers."""
    known = tuple(workloads)
    there = {(one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]): one for one in known}
    return tuple(_resolved(one, there) if one["kind"] == KIND else one for one in known)


def reference(rollout: Json) -> tuple[str, str]:
    """Kind and name of the workload that a Rollout's template is in; empty where it has its own."""
    found = (rollout.get("spec") or {}).get("workloadRef") or {}
    return str(found.get("kind", "")), str(found.get("name", ""))


def has_template(workload: Json) -> bool:
    """Whether there are containers to copy in a workload out of `resolved`."""
    return bool(workload["spec"]["template"]["spec"].get("containers"))


def revision(workload: Json) -> str:
    """What changes with whatever is wanted of a workload: its generation, and for a Rollout that of the
    workload which its template is in."""
    metadata = workload["metadata"]
    generation = str(metadata.get("generation", 0))
    referenced = (metadata.get("annotations") or {}).get(_GENERATION, "")
    return f"{generation}.{referenced}" if workload["kind"] == KIND and referenced else generation


def progress(rollout: Json) -> list[str]:
    """What of a Rollout's status tells how far it is; for whoever waits until it has rolled out."""
    status = rollout.get("status") or {}
    paused = [str(one.get("reason", "")) for one in status.get("pauseConditions") or ()]
    said = [
        str(status.get(name, "")) for name in ("phase", "currentPodHash", "stableRS", "observedGeneration")
    ]
    return [*said, *paused, str(leads_to_stable(rollout))]


def leads_to_stable(rollout: Json) -> bool:
    """Whether the controller has written, where it weighs routes, that all requests go to the stable version
    of now. It may do so ten seconds after it has called the Rollout Healthy."""
    status = rollout.get("status") or {}
    told = (status.get("canary") or {}).get("weights") or {}
    stable = told.get("stable") or {}
    here = stable.get("podTemplateHash") == status.get("stableRS") and stable.get("weight") == 100
    return here or not told


def as_deployment(workload: Json) -> Json:
    """The Deployment that runs what a Rollout out of `resolved` runs; any other workload is given back."""
    if workload["kind"] != KIND:
        return workload
    spec = workload["spec"]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**workload["metadata"], "generation": revision(workload)},
        "spec": {name: spec[name] for name in _KEPT if name in spec},
    }


def unnamed_routes(rollout: Json) -> str:
    """Why no route may be added to a VirtualService that a Rollout weighs: it takes all of them for its own.
    Empty where it names its routes, or weighs none."""
    canary = (rollout["spec"].get("strategy") or {}).get("canary") or {}
    istio = (canary.get("trafficRouting") or {}).get("istio") or {}
    one = istio.get("virtualService")
    for known in [one] if one else istio.get("virtualServices") or ():
        if not known.get("routes"):
            where = "virtualService.routes" if one else f"routes of {known.get('name')} in virtualServices"
            return (
                f"Rollout {rollout['metadata']['namespace']}/{rollout['metadata']['name']} weighs "
                f"VirtualService {known.get('name')} and does not say which of its routes; with a second one "
                "there, such as a lane's, Argo Rollouts holds it for invalid. Name the route in the "
                f"VirtualService, and under trafficRouting.istio set {where}: [NAME]"
            )
    return ""


def _resolved(rollout: Json, there: Mapping[tuple[str, str, str], Json]) -> Json:
    spec = rollout.get("spec") or {}
    kind, name = reference(rollout)
    holder = there.get((kind, rollout["metadata"]["namespace"], name), {}) if name else rollout
    found = holder.get("spec") or {}
    template = found.get("template") or {}
    metadata = template.get("metadata") or {}
    template = {
        **template,
        "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **_given(rollout)}},
        "spec": template.get("spec") or {"containers": []},
    }
    selector = spec.get("selector") or found.get("selector")
    return {**rollout, "spec": {**spec, "selector": selector, "template": template}}


def _given(rollout: Json) -> dict[str, str]:
    """The labels that the controller gives the pods of the version that serves."""
    strategy = (rollout.get("spec") or {}).get("strategy") or {}
    canary, blue_green = strategy.get("canary") or {}, strategy.get("blueGreen") or {}
    marks = canary.get("stableMetadata") or blue_green.get("activeMetadata") or {}
    stable = (rollout.get("status") or {}).get("stableRS", "")
    return {**(marks.get("labels") or {}), **({HASH: stable} if stable else {})}

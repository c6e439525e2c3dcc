"""A Rollout of Argo Rollouts as a baseline that is released: how it is read, and how it gets an image. Pure.

Its own steps have no part in a release: requests are all in the lane while it takes the image, so it is told
to take it as a whole (`promoteFull`), as soon as its controller has seen the new template; the controller
clears what is said earlier. It has rolled out when it is Healthy, the new template is the stable one, and
routes that it weighs lead there.
https://argo-rollouts.readthedocs.io/en/stable/features/specification/
"""

from __future__ import annotations

from typing import Any

from provisioner.chain.model import Service
from provisioner.copies import refusals, rollouts, template
from provisioner.errors import RefusedError
from provisioner.release.found import Found, Patch
from provisioner.release.observed import Workload
from provisioner.status.readiness import Clock

Json = dict[str, Any]

HEALTHY, DEGRADED = "Healthy", "Degraded"


def read(service: Service, found: Found, clock: Clock) -> Workload:
    """The baseline of a service that a Rollout runs. Raises RefusedError where its container is not there."""
    rollout = found.workload
    whole, held = _resolved(found), _held(rollout)
    least, most = found.bounds
    return Workload(
        revision=template.revision(service, whole),
        image=template.image(service, whole),
        replicas=rollout["spec"].get("replicas", 1),
        settled=not held and _has_rolled_out(found),
        most=most,
        least=least,
        trouble="" if held else _trouble(rollout),
        held=held,
    )


def patch(service: Service, found: Found, image: str) -> Patch:
    """Gives the image to the template, wherever that is kept."""
    holder = found.template or found.workload
    metadata = holder["metadata"]
    body = {
        "metadata": {"resourceVersion": metadata["resourceVersion"]},
        "spec": {"template": {"spec": {"containers": template.containers(service, holder, image)}}},
    }
    return Patch(holder["kind"], metadata["namespace"], metadata["name"], body)


def urge(service: Service, found: Found) -> Patch | None:
    """Has the controller take the new template without steps, once it has seen it."""
    rollout = found.workload
    status, metadata = rollout.get("status") or {}, rollout["metadata"]
    seen = _is_observed(found) and status.get("currentPodHash") != status.get("stableRS")
    if not seen or status.get("promoteFull") or _held(rollout):
        return None
    body = {
        "metadata": {"resourceVersion": metadata["resourceVersion"]},
        "status": {"promoteFull": True},
    }
    return Patch(rollout["kind"], metadata["namespace"], metadata["name"], body, subresource="status")


def refusal(service: Service, found: Found) -> str:
    """Why it cannot be released at all: it has no template, no such container, or an Istio VirtualService of
    which it takes every route for its own."""
    try:
        template.image(service, refusals.workload(service, (_resolved(found),)))
    except RefusedError as error:
        return str(error)
    return rollouts.unnamed_routes(found.workload)


def _resolved(found: Found) -> Json:
    """The Rollout with its template in it."""
    holders = () if found.template is None else (found.template,)
    return rollouts.resolved((found.workload, *holders))[0]


def _held(rollout: Json) -> str:
    """What of it keeps a new image from its pods."""
    if "deletionTimestamp" in rollout["metadata"]:
        return "it is being deleted"
    if rollout["spec"].get("paused"):
        return "it is paused (spec.paused); kubectl argo rollouts promote, or set it to false"
    if (rollout.get("status") or {}).get("abort"):
        return "its update was aborted (status.abort)"
    return ""


def _trouble(rollout: Json) -> str:
    status = rollout.get("status") or {}
    return f"{DEGRADED}: {status.get('message', '')}" if status.get("phase") == DEGRADED else ""


def _has_rolled_out(found: Found) -> bool:
    """Whether every pod that serves is of the newest template and ready. What the controller keeps of the old
    version for a while serves nobody."""
    status = found.workload.get("status") or {}
    wanted = found.workload["spec"].get("replicas", 1)
    counts = [int(status.get(name) or 0) for name in ("updatedReplicas", "availableReplicas")]
    stable = status.get("currentPodHash") == status.get("stableRS")
    healthy = _is_observed(found) and stable and status.get("phase") == HEALTHY
    return healthy and rollouts.leads_to_stable(found.workload) and min(counts) >= wanted


def _is_observed(found: Found) -> bool:
    """Whether the controller has seen the Rollout and the template as they are now; it says so in text."""
    status = found.workload.get("status") or {}
    seen = [(found.workload, status.get("observedGeneration"))]
    if found.template is not None:
        seen.append((found.template, status.get("workloadObservedGeneration")))
    return all(str(one["metadata"].get("generation", 0)) == str(said) for one, said in seen)

"""The copies in a release's lane, as they are now.

A pod counts as ready only where it is of the image and the baseline that the lane wants: while a copy is
derived anew its earlier pods serve, and are no reason to give the lane more requests.
"""

from __future__ import annotations

from typing import Any

from provisioner import snapshot
from provisioner.chain.model import Chain, Service
from provisioner.cluster import Cluster
from provisioner.copies import clone, live, template
from provisioner.errors import RefusedError
from provisioner.lane.model import Fixed, Lane
from provisioner.release.observed import Copy
from provisioner.status import readiness
from provisioner.status.readiness import Clock, State

Json = dict[str, Any]


def read(chain: Chain, lane: Lane, cluster: Cluster, clock: Clock) -> dict[str, Copy]:
    """By service; one whose copy is not there is missing. One request for each kind and namespace, and one
    more for the pods while not all are ready."""
    listed = {service.name for service in chain.services}
    wanted = {one.service: one for one in lane.fixed if one.service in listed}
    there = {live.service_of(one): one for one in snapshot.copies(chain, lane, cluster)}
    ready = all(name in there and readiness.is_ready(there[name]) for name in wanted)
    pods = () if ready else snapshot.pods(chain, lane, cluster)
    return {
        name: copy(chain.service(name), fixed, there[name], [one for one in pods if _is_of(one, name)], clock)
        for name, fixed in wanted.items()
        if name in there
    }


def copy(service: Service, fixed: Fixed, workload: Json, pods: list[Json], clock: Clock) -> Copy:
    """What one copy is. Pure."""
    reading = readiness.read(workload, pods, clock)
    status = workload.get("status") or {}
    serving = int(status.get("readyReplicas") or 0)
    old = int(status.get("replicas") or 0) - int(status.get("updatedReplicas") or 0)
    return Copy(
        wanted=max(fixed.replicas, workload["spec"].get("replicas", 1)),
        ready=max(0, serving - old) if _is_current(service, fixed, workload) else 0,
        trouble=f"{reading.state}: {reading.message}" if reading.stuck else "",
        serving=serving,
        waits="" if reading.stuck or reading.state is State.READY else f"{reading.state}: {reading.message}",
    )


def _is_current(service: Service, fixed: Fixed, workload: Json) -> bool:
    """Whether the workload is of the image and the revision that the lane wants of it."""
    if live.is_going(workload):
        return False
    try:
        noted = clone.derived_from(workload)
        revision = template.revision(service, noted) if noted else ""
        return template.image(service, workload) == fixed.image and fixed.revision in ("", revision)
    except (ValueError, RefusedError):
        return False  # somebody has changed it by hand; it is about to be put right


def _is_of(pod: Json, service: str) -> bool:
    return live.service_of(pod) == service

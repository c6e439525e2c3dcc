"""What one copy is doing, told from its workload and its pods. Pure.

Read from top to bottom; the first line that holds is the answer.

| what is seen | state | stuck |
|---|---|---|
| the workload is not there, or is being deleted | Progressing | no |
| its generation is not observed yet | Progressing | no |
| it is to have no pods: the lane sleeps | Sleeping | no |
| every pod is of the newest revision and ready | Ready | no |
| a newest pod finds no node | Unschedulable, in the scheduler's words | yes |
| a newest pod cannot get its image | ImagePending | when its time is over |
| a newest pod's image has an impossible name | InvalidImage | yes |
| a newest pod ended at least twice, or waits to be started again | CrashLooping, with the exit code | yes |
| a newest pod cannot be started (a missing ConfigMap, a wrong command) | CannotStart | yes |
| the cluster refuses pods (quota, admission, PodSecurity) | PodsRefused, in its words | yes |
| the Deployment's progress deadline has passed | ProgressDeadlineExceeded | yes |
| a StatefulSet has no pod after a minute (it has no condition that says why) | NoPods | yes |
| else | Progressing | no |

"Newest" is the revision of the pod made last: while a push rolls out, an old pod that still serves says
nothing of the new one. A copy serves while any of its pods is ready, whatever its state. A pod that is stuck
in one way goes before one that only waits in another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from provisioner.lane.model import moment

Json = dict[str, Any]

NO_PODS_SECONDS = 60
_RESTARTS = 2
WORKLOADS = frozenset(("Deployment", "StatefulSet"))
_REVISIONS = ("pod-template-hash", "controller-revision-hash")
_NO_IMAGE = frozenset(("ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "RegistryUnavailable"))
_BAD_IMAGE = frozenset(("InvalidImageName", "ImageInspectError"))
_NO_START = frozenset(
    ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreStartHookError")
)


class State(StrEnum):
    """How far a copy is; for machines, in `Lane.status.services[].state`."""

    READY = "Ready"
    SLEEPING = "Sleeping"
    PROGRESSING = "Progressing"
    IMAGE_PENDING = "ImagePending"
    INVALID_IMAGE = "InvalidImage"
    CRASH_LOOPING = "CrashLooping"
    CANNOT_START = "CannotStart"
    UNSCHEDULABLE = "Unschedulable"
    PODS_REFUSED = "PodsRefused"
    NO_PODS = "NoPods"
    PROGRESS_DEADLINE = "ProgressDeadlineExceeded"


@dataclass(frozen=True)
class Reading:
    """One copy, now. `stuck`: it does not get ready unless somebody changes something. `until`: when time
    alone changes the answer."""

    state: State
    message: str
    serving: bool = False
    stuck: bool = False
    until: datetime | None = None
    there: bool = True  # the workload is in the cluster


@dataclass(frozen=True)
class Clock:
    """When the copies are looked at, and how long an image may be missing."""

    now: datetime
    image_pending: timedelta


def is_ready(thing: Json) -> bool:
    """Whether a workload runs its newest revision alone, and every pod of it is ready. Anything that is not a
    workload is ready as soon as it is there."""
    if thing["kind"] not in WORKLOADS:
        return True
    status = thing.get("status") or {}
    wanted = thing["spec"].get("replicas", 1)
    counts = [status.get(name) or 0 for name in ("replicas", "updatedReplicas", "readyReplicas")]
    return _is_observed(thing) and all(count == wanted for count in counts)


def read(workload: Json | None, pods: Sequence[Json], clock: Clock) -> Reading:
    """The state of one copy. `workload` is None when it is not there; `pods` are the copy's, or empty when
    they were not read."""
    if workload is None:
        return Reading(State.PROGRESSING, "waiting for its workload to be made", there=False)
    serving = bool((workload.get("status") or {}).get("readyReplicas"))
    found = _settled(workload) or _of_pods(_newest(pods), clock) or _of_workload(workload, clock)
    return replace(found, serving=serving)


def _settled(workload: Json) -> Reading | None:
    """What the workload says by itself, without a look at its pods."""
    if "deletionTimestamp" in workload["metadata"]:
        return Reading(State.PROGRESSING, "its earlier workload is being deleted", there=False)
    if not _is_observed(workload):
        return Reading(State.PROGRESSING, "applied; the cluster has not acted on it yet")
    if workload["spec"].get("replicas") == 0:
        return Reading(State.SLEEPING, "it has no pods until the next request")
    return Reading(State.READY, "") if is_ready(workload) else None


def _of_pods(pods: Sequence[Json], clock: Clock) -> Reading | None:
    found = [reading for pod in pods for check in _CHECKS if (reading := check(pod, clock)) is not None]
    return next((one for one in found if one.stuck), found[0] if found else None)


def _of_workload(workload: Json, clock: Clock) -> Reading:
    conditions = {one["type"]: one for one in (workload.get("status") or {}).get("conditions") or ()}
    refused, progress = conditions.get("ReplicaFailure", {}), conditions.get("Progressing", {})
    if refused.get("status") == "True":
        return Reading(State.PODS_REFUSED, str(refused.get("message", "")), stuck=True)
    if progress.get("reason") == "ProgressDeadlineExceeded":
        return Reading(State.PROGRESS_DEADLINE, str(progress.get("message", "")), stuck=True)
    return _without_pods(workload, clock) or Reading(State.PROGRESSING, _counted(workload))


def _without_pods(workload: Json, clock: Clock) -> Reading | None:
    """A StatefulSet whose pods are refused has no condition that says so, only Events."""
    if workload["kind"] != "StatefulSet" or (workload.get("status") or {}).get("replicas"):
        return None
    until = moment(workload["metadata"]["creationTimestamp"]) + timedelta(seconds=NO_PODS_SECONDS)
    if clock.now < until:
        return Reading(State.PROGRESSING, "waiting for its first pod", until=until)
    name = workload["metadata"]["name"]
    message = f"it got no pod; kubectl describe statefulset {name} says why"
    return Reading(State.NO_PODS, message, stuck=True)


def _counted(workload: Json) -> str:
    status = workload.get("status") or {}
    wanted = workload["spec"].get("replicas", 1)
    updated = min(status.get("updatedReplicas") or 0, wanted)
    if updated == wanted and (status.get("replicas") or 0) > wanted:
        return "waiting for its earlier pods to end"
    return "waiting for its pod to become ready" if updated else "waiting for its pod to start"


def _is_observed(workload: Json) -> bool:
    observed = (workload.get("status") or {}).get("observedGeneration", 0)
    return bool(observed >= workload["metadata"].get("generation", 1))


def _newest(pods: Sequence[Json]) -> list[Json]:
    """The pods of the revision of the pod made last, without those that are going."""
    alive = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    if not alive:
        return []
    last = max(alive, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))
    return [pod for pod in alive if _revision(pod) == _revision(last)]


def _revision(pod: Json) -> str:
    marks = pod["metadata"].get("labels") or {}
    return next((str(marks[key]) for key in _REVISIONS if key in marks), "")


# --- one pod: each check gives a reading or passes ---------------------------------------------------------


def _unscheduled(pod: Json, clock: Clock) -> Reading | None:
    for one in (pod.get("status") or {}).get("conditions") or ():
        if (
            one["type"] == "PodScheduled"
            and one["status"] == "False"
            and one.get("reason") == "Unschedulable"
        ):
            return Reading(State.UNSCHEDULABLE, str(one.get("message", "")), stuck=True)
    return None


def _imageless(pod: Json, clock: Clock) -> Reading | None:
    for name, image, _ in _waiting(pod, _NO_IMAGE):
        until = moment(pod["metadata"]["creationTimestamp"]) + clock.image_pending
        stuck = clock.now >= until
        message = f"container {name} waits for image {image}"
        if stuck:
            message += f", missing since {pod['metadata']['creationTimestamp']}"
        return Reading(State.IMAGE_PENDING, message, stuck=stuck, until=None if stuck else until)
    return None


def _misnamed(pod: Json, clock: Clock) -> Reading | None:
    for name, image, waiting in _waiting(pod, _BAD_IMAGE):
        return Reading(State.INVALID_IMAGE, f"container {name} has image {image}: {waiting}", stuck=True)
    return None


def _crashing(pod: Json, clock: Clock) -> Reading | None:
    for status in _statuses(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        again = status.get("restartCount", 0) >= _RESTARTS and not status.get("ready")
        if again or waiting.get("reason") == "CrashLoopBackOff":
            return Reading(State.CRASH_LOOPING, _ended(status), stuck=True)
    return None


def _ended(status: Json) -> str:
    """How a container ended, as far as it is known; without its count of restarts, which would make every
    look at it a change."""
    states = (status.get("state") or {}, status.get("lastState") or {})
    last: Json = next((one["terminated"] for one in states if one.get("terminated")), {})
    if "exitCode" not in last:
        return f"container {status['name']} keeps ending"
    reason = last.get("reason", "")
    why = f" ({reason})" if reason and reason != "Error" else ""
    return f"container {status['name']} keeps ending with exit code {last['exitCode']}{why}"


def _unstartable(pod: Json, clock: Clock) -> Reading | None:
    for name, _, waiting in _waiting(pod, _NO_START):
        return Reading(State.CANNOT_START, f"container {name} cannot be started: {waiting}", stuck=True)
    return None


_CHECKS: tuple[Callable[[Json, Clock], Reading | None], ...] = (
    _unscheduled,
    _imageless,
    _misnamed,
    _crashing,
    _unstartable,
)


def _waiting(pod: Json, reasons: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    """Name, image and the kubelet's words of each container that waits for one of `reasons`."""
    for status in _statuses(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason = str(waiting.get("reason", ""))
        if reason in reasons:
            yield status["name"], _image(pod, status), str(waiting.get("message") or reason)


def _statuses(pod: Json) -> list[Json]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _image(pod: Json, status: Json) -> str:
    spec = pod["spec"]
    containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
    return next((one["image"] for one in containers if one["name"] == status["name"]), str(status["image"]))

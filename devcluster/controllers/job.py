"""Jobs: pods that run until enough of them succeeded, or too many failed."""

from __future__ import annotations

from devcluster.controllers import pods as podrules
from devcluster.controllers.conditions import condition
from devcluster.controllers.events import Recorder
from devcluster.controllers.view import (
    Key,
    Object,
    View,
    deleting,
    now,
    seconds_since,
)
from devcluster.controllers.workqueue import WorkQueue

RESOURCE = "jobs.batch"
RETRY_FAILED = 1.0  # seconds before a failed pod is replaced; Kubernetes begins with 10


class Jobs:
    def __init__(self, view: View) -> None:
        self._view = view
        self._events = Recorder(view, "job-controller")
        self.queue = WorkQueue("job", self._reconcile)

    def start(self) -> None:
        self.queue.follow(self._view, RESOURCE)
        self.queue.follow_owned(self._view, "pods", "Job")

    def _reconcile(self, key: Key) -> float | None:
        job = self._view.get(RESOURCE, key)
        if job is None or deleting(job):
            return None
        if (end := finished_at(job)) is not None:
            return self._expire(job, end)
        pods = self._view.owned("pods", job)
        verdict = _verdict(job, pods)
        if verdict is None:
            self._fill(job, pods)
        else:
            for pod in filter(podrules.active, pods):
                self._view.delete("pods", pod)
            self._events.normal(job, verdict[1], verdict[2])
        self._write_status(job, verdict)
        return _deadline(job)

    def _expire(self, job: Object, end: str) -> float | None:
        ttl = job["spec"].get("ttlSecondsAfterFinished")
        if ttl is None:
            return None
        left = float(ttl) - seconds_since(end)
        if left > 0:
            return left
        self._view.delete(RESOURCE, job)
        return None

    def _fill(self, job: Object, pods: list[Object]) -> None:
        """Start as many pods as may run at once and are still needed."""
        spec = job["spec"]
        active = sum(podrules.active(pod) for pod in pods)
        needed = _completions(job) - _ended(pods, "Succeeded")
        missing = 0 if spec.get("suspend") else min(spec.get("parallelism", 1), needed) - active
        for _ in range(missing):
            pod = podrules.from_template(spec["template"], job)
            pod["metadata"]["generateName"] = f"{job['metadata']['name']}-"
            pod["metadata"]["labels"] = {**pod["metadata"].get("labels", {}), **_labels(job)}
            made = self._view.create("pods", job["metadata"]["namespace"], pod)
            self._events.normal(job, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")

    def _write_status(self, job: Object, verdict: tuple[str, str, str] | None) -> None:
        old, pods = job.get("status") or {}, self._view.owned("pods", job)
        active = [pod for pod in pods if podrules.active(pod)]
        status: Object = {
            "startTime": old.get("startTime", now()),
            "active": len(active),
            "ready": sum(podrules.ready(pod) for pod in active),
            "succeeded": _ended(pods, "Succeeded"),
            "failed": _ended(pods, "Failed"),
            "terminating": sum(deleting(pod) for pod in pods),
            "uncountedTerminatedPods": {},
        }
        if verdict is not None:
            kind, reason, message = verdict
            moment = now()
            dated = {"lastProbeTime": moment, "lastTransitionTime": moment}
            status["conditions"] = [
                {"type": kind, "status": "True", "reason": reason, "message": message, **dated}
            ]
            if kind == "Complete":
                status["completionTime"] = moment
        self._view.write_status(RESOURCE, job, status)


def finished_at(job: Object) -> str | None:
    """When the Job completed or failed; None while it runs."""
    conditions = (job.get("status") or {}).get("conditions") or []
    done = condition(conditions, "Complete") or condition(conditions, "Failed")
    return str(done["lastTransitionTime"]) if done is not None else None


def _verdict(job: Object, pods: list[Object]) -> tuple[str, str, str] | None:
    """Condition, reason and message when the Job is over."""
    if _ended(pods, "Succeeded") >= _completions(job):
        return "Complete", "Completed", "Job completed"
    if _ended(pods, "Failed") > job["spec"].get("backoffLimit", 6):
        return "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    if _deadline(job) == 0:
        return "Failed", "DeadlineExceeded", "Job was active longer than specified deadline"
    return None


def _deadline(job: Object) -> float | None:
    """Seconds left of activeDeadlineSeconds; None without one."""
    limit, start = job["spec"].get("activeDeadlineSeconds"), (job.get("status") or {}).get("startTime")
    return max(0.0, limit - seconds_since(start)) if limit is not None and start else None


def _completions(job: Object) -> int:
    return int(job["spec"].get("completions") or 1)


def _ended(pods: list[Object], phase: str) -> int:
    return sum((pod.get("status") or {}).get("phase") == phase for pod in pods)


def _labels(job: Object) -> dict[str, str]:
    own = {"job-name": job["metadata"]["name"], "controller-uid": job["metadata"]["uid"]}
    return own | {f"batch.kubernetes.io/{label}": value for label, value in own.items()}

"""What workers and beat count, for Prometheus."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Collection, Mapping

from prometheus_client import Counter, Gauge, Histogram

from provisioner.lane.model import moment
from provisioner.release.model import Phase, Reason, Release

JOB_SECONDS = Histogram(
    "laneway_job_seconds",
    "Duration of jobs by kind and result",
    ["task", "result"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
STEP_SECONDS = Histogram(
    "laneway_step_seconds",
    "Duration of a convergence's steps",
    ["step"],
    buckets=(0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
RETRIES = Counter("laneway_retries", "Jobs put back, by the error's reason", ["task", "reason"])
FAILURES = Counter("laneway_job_failures", "Jobs given up, by the error's reason", ["task", "reason"])
LOCK_BUSY = Counter(
    "laneway_lane_lock_busy", "Jobs that left their work to the job that held the lane's lock"
)
RUNNING = Gauge("laneway_jobs_running", "Jobs that this worker is running")
WAITING = Gauge("laneway_jobs_waiting", "Jobs in the queue; workers and the beat that leads look")
OLDEST = Gauge("laneway_jobs_oldest_seconds", "How long the oldest job in the queue has been due")
LANES = Gauge(
    "laneway_lanes", "Lanes by chain and phase; only the beat that leads counts", ["chain", "phase"]
)
LEADER = Gauge("laneway_beat_leader", "1 while this beat leads")
WATCH_RESTARTS = Counter("laneway_beat_watch_restarts", "Watches begun anew after an error", ["kind"])
RELEASES = Gauge(
    "laneway_releases", "Releases by chain and phase; only the beat that leads counts", ["chain", "phase"]
)
RELEASE_WEIGHT = Gauge(
    "laneway_release_weight",
    "Percent of the untagged requests that a release which is not over has; only the beat that leads tells",
    ["chain", "release"],
)
RELEASE_STEP = Gauge(
    "laneway_release_step",
    "The step, from 1, of a release that is not over; only the beat that leads tells",
    ["chain", "release"],
)
RELEASE_PROGRESS = Gauge(
    "laneway_release_progress_timestamp_seconds",
    "When a release that waits for nobody has got on last, Unix time; only the beat that leads tells",
    ["chain", "release"],
)
RELEASE_ROLLBACKS = Counter(
    "laneway_release_rollbacks", "Releases that were taken back, by the reason", ["chain", "reason"]
)
RELEASE_ZERO = Histogram(
    "laneway_release_zero_seconds",
    "Time from reading what speaks against a release to its share being 0",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30),
)
# for a person, or for its turn
_WAITS = (Reason.QUEUED, Reason.BASELINE_CHANGED)
RELEASE_NOTICES = Counter(
    "laneway_release_notices", "Notices of releases that were sent, by result", ["result"]
)


def show_queue(waiting: int, oldest: float) -> None:
    """Sets how many jobs wait, and for how many seconds the oldest has."""
    WAITING.set(waiting)
    OLDEST.set(oldest)


def show_lanes(counts: Mapping[tuple[str, str], int]) -> None:
    """Sets the number of lanes of each (chain, phase). What is not named any more goes."""
    LANES.clear()
    for (chain, phase), count in counts.items():
        LANES.labels(chain, phase).set(count)


def show_releases(releases: Collection[Release]) -> None:
    """Sets what is told of releases, which are all that there are. What is not among them any more goes."""
    for gauge in (RELEASES, RELEASE_WEIGHT, RELEASE_STEP, RELEASE_PROGRESS):
        gauge.clear()
    for (chain, phase), count in Tally((one.chain, one.phase.value) for one in releases).items():
        RELEASES.labels(chain, phase).set(count)
    for one in releases:
        if not one.phase.over:
            _show_release(one)


def _show_release(release: Release) -> None:
    names = (release.chain, release.name)
    RELEASE_WEIGHT.labels(*names).set(release.weight)
    RELEASE_STEP.labels(*names).set(release.step + 1)
    at = release.status.get("progressAt")
    if at and release.phase is not Phase.PAUSED and release.reason not in _WAITS:
        RELEASE_PROGRESS.labels(*names).set(moment(at).timestamp())

"""What workers and beat count, for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

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


def show_queue(waiting: int, oldest: float) -> None:
    """Sets how many jobs wait, and for how many seconds the oldest has."""
    WAITING.set(waiting)
    OLDEST.set(oldest)


def show_lanes(counts: Mapping[tuple[str, str], int]) -> None:
    """Sets the number of lanes of each (chain, phase). What is not named any more goes."""
    LANES.clear()
    for (chain, phase), count in counts.items():
        LANES.labels(chain, phase).set(count)

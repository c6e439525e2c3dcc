"""What each service of a chain is in one lane, and what that makes of the lane. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from provisioner import labels
from provisioner.changes import Verdict
from provisioner.copies import live, policies
from provisioner.copies.plan import Plan, Snapshot, Wanted
from provisioner.errors import LanewayError
from provisioner.lane.model import Lane, Mode, Phase
from provisioner.lane.sleeping import AWAKE, Sleep
from provisioner.status import readiness
from provisioner.status.readiness import Clock, Reading, State

Json = dict[str, Any]

ASLEEP = "nobody used it for a while; the next request wakes it"
NOTHING_CHANGED = "no service of the chain changed; every request goes to the baseline"


@dataclass(frozen=True)
class Finding:
    """What one service of the chain is in this lane. `reading` None: it is not wanted."""

    verdict: Verdict
    image: str = ""
    reading: Reading | None = None
    problem: LanewayError | None = None
    revision: str = ""  # of the baseline that the copy was derived from
    policies: tuple[str, ...] = ()  # the NetworkPolicies of the baseline that it has twins of
    held: bool = False  # the waker has its requests, at least while no pod of it is ready

    @property
    def ready(self) -> bool:
        return self.problem is None and self.reading is not None and self.reading.state is State.READY

    @property
    def serving(self) -> bool:
        return self.reading is not None and self.reading.serving

    @property
    def absent(self) -> bool:
        return self.reading is not None and not self.reading.there

    @property
    def stuck(self) -> bool:
        return self.problem is not None or (self.reading is not None and self.reading.stuck)

    @property
    def on_its_way(self) -> bool:
        """Nothing but time is missing until it serves."""
        waits = (State.READY, State.PROGRESSING, State.SLEEPING)
        return self.reading is not None and not self.stuck and self.reading.state in waits

    @property
    def state(self) -> str:
        if self.problem is not None:
            return self.problem.reason
        return self.reading.state.value if self.reading else ""

    @property
    def detail(self) -> str:
        if self.problem is not None:
            return str(self.problem)
        return self.reading.message if self.reading else ""


def find(
    verdicts: Iterable[Verdict], wanted: Iterable[Wanted], plan: Plan, snapshot: Snapshot, clock: Clock
) -> list[Finding]:
    """One finding per verdict, in their order."""
    by_name = {one.service.name: one for one in wanted}
    workloads = {live.service_of(one): one for one in snapshot.owned if one["kind"] in readiness.WORKLOADS}
    pods: dict[str, list[Json]] = {}
    for pod in snapshot.pods:
        pods.setdefault(live.service_of(pod), []).append(pod)

    def found(verdict: Verdict) -> Finding:
        name = verdict.service
        if not verdict.in_lane:
            return Finding(verdict)
        reading = readiness.read(workloads.get(name), pods.get(name, ()), clock)
        revision = _revision(workloads.get(name))
        followed = _followed(name, snapshot)
        image = _image(by_name.get(name), workloads.get(name))
        return Finding(verdict, image, reading, plan.problems.get(name), revision, followed)

    return [found(verdict) for verdict in verdicts]


def _image(wanted: Wanted | None, workload: Json | None) -> str:
    """The image of a copy: the branch's, or, where that has none, what the copy took from its baseline; empty
    for a copy from before the chain file named another container, which the plan's problem is about."""
    if wanted is None or wanted.image is not None or workload is None:
        return (wanted.image or "") if wanted else ""
    containers = workload["spec"]["template"]["spec"]["containers"]
    name = wanted.service.container or containers[0]["name"]
    return next((str(one["image"]) for one in containers if one["name"] == name), "")


def _followed(service: str, snapshot: Snapshot) -> tuple[str, ...]:
    twins = (
        one for one in snapshot.owned if one["kind"] == "NetworkPolicy" and live.service_of(one) == service
    )
    return tuple(policies.followed(twins))


def _revision(workload: Json | None) -> str:
    annotations = (workload["metadata"].get("annotations") or {}) if workload else {}
    return str(annotations.get(labels.BASELINE_REVISION, ""))


def to_json(finding: Finding, mode: Mode) -> Json:
    """A service's entry in `Lane.status.services`."""
    verdict = finding.verdict
    told: Json = {
        "name": verdict.service,
        "inLane": verdict.in_lane,
        "reason": verdict.cause.value,
        "message": verdict.message,
        "ready": finding.ready,
        "route": _route(finding, mode),
    }
    lane_only = {"image": finding.image, "state": finding.state, "detail": finding.detail}
    if finding.policies:
        told["policies"] = list(finding.policies)
    return told | {key: value for key, value in lane_only.items() if value}


def _route(finding: Finding, mode: Mode) -> str:
    """Who answers a request of this lane: the old pods of a copy do, until its new ones are ready."""
    if finding.held:
        return "waker"
    if finding.serving:
        return "lane"
    strict = mode is Mode.ALL or (mode is Mode.MEMBERS and finding.verdict.in_lane)
    return "none" if strict else "baseline"


def held(findings: Iterable[Finding], lane: Lane, sleep: Sleep, settled: bool) -> list[Finding]:
    """The findings with whose requests the waker has: those for the copies of a lane that sleeps, and, once
    it is awake, for each until it serves. For a moment longer in fact, until the lane is `settled`: the
    router may hear of a copy that serves later than of this."""
    waking = {one["name"] for one in lane.status.get("services") or () if one.get("route") == "waker"}

    def is_held(one: Finding) -> bool:
        if one.reading is None or one.absent:
            return False
        if sleep.rest.resting:
            return True
        return one.verdict.service in waking and not settled and (one.serving or one.on_its_way)

    return [replace(one, held=is_held(one)) for one in findings]


def judge(findings: Sequence[Finding], sleep: Sleep = AWAKE) -> tuple[Phase, str, str]:
    """Phase, reason and message of the lane."""
    inside = [one for one in findings if one.verdict.in_lane]
    if sleep.rest.resting:
        return Phase.SLEEPING, "Asleep", ASLEEP
    for phase, those in (
        (Phase.DEGRADED, [one for one in inside if one.stuck]),
        (Phase.DEPLOYING, [one for one in inside if not one.ready]),
    ):
        if those:
            return phase, those[0].state, "; ".join(f"{one.verdict.service}: {one.detail}" for one in those)
    if not inside:
        return Phase.READY, "NothingChanged", NOTHING_CHANGED
    return Phase.READY, "Ready", f"ready: {', '.join(one.verdict.service for one in inside)}"


def deployed(findings: Sequence[Finding]) -> tuple[bool, str, str]:
    """Whether every wanted object is in the cluster, with reason and message."""
    missing = [one for one in findings if one.problem is not None or one.absent]
    if not missing:
        return True, "Applied", "every object that the lane needs is in the cluster"
    return False, missing[0].state, "; ".join(one.detail for one in missing)


def summary(findings: Sequence[Finding]) -> str:
    """Copies that are ready of copies wanted: 1/2."""
    return f"{sum(one.ready for one in findings)}/{sum(one.verdict.in_lane for one in findings)}"


def deadline(findings: Iterable[Finding]) -> datetime | None:
    """When time alone changes a reading."""
    moments = [one.reading.until for one in findings if one.reading is not None and one.reading.until]
    return min(moments, default=None)

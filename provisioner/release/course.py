"""A release where it is: its object, what is seen now, and what its status has kept. Frozen data, pure.

`baseline` is what the release is compared with: what was there when it started, or what somebody has accepted
since. `originals` is what the baseline had before it was changed; it is empty until then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from provisioner.chain.strategy import Finish, Step
from provisioner.lane.model import moment
from provisioner.release.model import Phase, Reason, Release
from provisioner.release.observed import Patch, Seen, Workload

Json = dict[str, Any]


@dataclass(frozen=True)
class Kept:
    """A service's baseline as it was. `least` is the lower bound of its autoscaler, `raised` what Laneway has
    made of that, 0 where it has not."""

    service: str
    image: str
    revision: str
    replicas: int
    least: int = 0
    raised: int = 0

    def to_json(self) -> Json:
        found: Json = {"name": self.service, "image": self.image, "revision": self.revision}
        found["replicas"] = self.replicas
        bounds = {"least": self.least, "raised": self.raised}
        return found | {key: value for key, value in bounds.items() if value}

    @classmethod
    def from_json(cls, data: Json) -> Kept:
        numbers = (int(data.get(key, 0)) for key in ("replicas", "least", "raised"))
        return cls(data["name"], data["image"], data["revision"], *numbers)


@dataclass(frozen=True)
class Course:
    """Where a release is. Services whose workload is missing are missing in `baseline` too, if it is new."""

    release: Release
    seen: Seen
    now: datetime
    baseline: Mapping[str, Kept] = field(default_factory=dict)
    originals: Mapping[str, Kept] = field(default_factory=dict)

    @property
    def status(self) -> Mapping[str, Any]:
        return self.release.status

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(change.service for change in self.release.changes)

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.release.strategy.steps

    @property
    def step(self) -> int:
        """The step that it is at, from 0: that of its status, or the one that somebody has promoted it to."""
        wanted = max(self.release.step, self.release.promoted - 1)
        return max(0, min(wanted, len(self.steps) - 1))

    @property
    def target(self) -> int:
        """The weight of the step that it is at."""
        return self.steps[self.step].weight

    @property
    def promoted(self) -> bool:
        """Whether somebody has said that this step is not to be waited for."""
        return self.release.promoted > self.step

    @property
    def accepted(self) -> bool:
        """Whether somebody has looked at the baseline as it is now."""
        return self.release.accepted == fingerprint(self.live())

    @property
    def resumed(self) -> bool:
        """Whether somebody has said that it is to go on, since it was looked at last."""
        return self.release.resumed > int(self.status.get("resumed", 0))

    @property
    def waits(self) -> bool:
        """Whether the baseline is somebody else's to change."""
        return self.release.strategy.finish is Finish.WAIT

    @property
    def pods(self) -> int:
        """How many pods of all copies are ready."""
        return sum(self.ready(name) for name in self.services)

    @property
    def grown(self) -> bool:
        """Whether the copies have more ready pods than ever."""
        return self.pods > int(self.status.get("grown", 0))

    @property
    def idle(self) -> timedelta:
        """For how long nothing has got on. What it was queued or paused for does not count."""
        held = self.release.phase is Phase.PAUSED or self.release.reason == Reason.QUEUED
        return timedelta(0) if held or self.grown else self.since("progressAt")

    def live(self) -> dict[str, Workload]:
        """The baseline's workloads of the released services, as far as they are there."""
        return {name: self.seen.baseline[name] for name in self.services if name in self.seen.baseline}

    def ready(self, service: str) -> int:
        """How many pods of a service's copy are ready."""
        copy = self.seen.copies.get(service)
        return copy.ready if copy else 0

    def serves(self, service: str) -> bool:
        """Whether any pod of a service's copy takes requests."""
        copy = self.seen.copies.get(service)
        return copy is not None and copy.serves

    def since(self, key: str) -> timedelta:
        """How long ago the time under a key of the status was; nothing where there is none."""
        noted = self.status.get(key)
        return max(timedelta(0), self.now - moment(noted)) if noted else timedelta(0)


@dataclass(frozen=True)
class Stop:
    """Why a release must end, or somebody must say how it goes on."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Move:
    """Where it goes from here. `facts` are keys of its status that this decides, None for one that goes."""

    phase: Phase
    reason: Reason
    message: str
    step: int
    weight: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    has_lane: bool = True
    patches: tuple[Patch, ...] = ()
    again: float | None = None


def of(release: Release, seen: Seen, now: datetime) -> Course:
    """The release where it is. What nobody has started from yet, or somebody has accepted, is taken anew."""
    found = Course(
        release,
        seen,
        now,
        baseline=_kept(release.status.get("baseline") or ()),
        originals=_kept(release.status.get("originals") or ()),
    )
    if found.originals:
        originals = {name: _accepted(found, one) for name, one in found.originals.items()}
        return Course(release, seen, now, found.baseline, originals if found.accepted else found.originals)
    is_new = release.phase is Phase.PENDING or not found.baseline
    return Course(release, seen, now, _taken(found)) if is_new or found.accepted else found


def fingerprint(baseline: Mapping[str, Workload]) -> str:
    """Changes with every image and template of the baseline, and with nothing else."""
    lines = sorted(f"{name} {one.revision} {one.image}" for name, one in baseline.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _kept(data: Iterable[Json]) -> dict[str, Kept]:
    return {one["name"]: Kept.from_json(one) for one in data}


def _taken(course: Course) -> dict[str, Kept]:
    """The baseline as it is now; one that its autoscaler has made smaller counts as large as it was."""
    return {name: _anew(course.baseline.get(name), name, live) for name, live in course.live().items()}


def _anew(before: Kept | None, service: str, live: Workload) -> Kept:
    found = Kept(service, live.image, live.revision, live.replicas, live.least)
    if before is None:
        return found
    least = before.least if before.raised else live.least
    return replace(found, replicas=max(live.replicas, before.replicas), least=least, raised=before.raised)


def _accepted(course: Course, kept: Kept) -> Kept:
    """What somebody has put in the place of an original, while that has not got its new image yet."""
    live = course.seen.baseline.get(kept.service)
    if live is None:
        return kept
    wanted = {change.service: change.image for change in course.release.changes}
    image = kept.image if live.image == wanted[kept.service] else live.image
    return Kept(kept.service, image, live.revision, kept.replicas, kept.least, kept.raised)

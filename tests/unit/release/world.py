"""A small world around the machine: it does what is decided, and lets the cluster follow, all in memory.

Time passes only where a test says so. What a job does is in parts, so that it can die between them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from provisioner.chain.strategy import Analysis, Step, Strategy
from provisioner.lane.model import Fixed
from provisioner.release import machine
from provisioner.release.model import Change, Phase, Reason, Release
from provisioner.release.observed import Copy, Decision, Measured, Opinion, Patch, Seen, Workload

Json = dict[str, Any]

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
SERVICES = ("orders", "payment")
REPLICAS = 3


def old(service: str) -> str:
    return f"acme/{service}:1"


def new(service: str) -> str:
    return f"acme/{service}:2"


@dataclass
class World:
    """A release of two services, the baseline of which has three replicas each."""

    release: Release
    baseline: dict[str, Workload]
    now: datetime = START
    lane: tuple[Fixed, ...] | None = None
    ready: dict[str, int] = field(default_factory=dict)
    trouble: dict[str, str] = field(default_factory=dict)
    measured: Measured = field(default_factory=Measured)
    ahead: str = ""
    refusal: str = ""
    drained: bool = True
    emptied: bool = True
    rolling: set[str] = field(default_factory=set)  # baselines on their way to an image that they were given
    decisions: list[Decision] = field(default_factory=list)

    def seen(self) -> Seen:
        copies = {
            one.service: Copy(one.replicas, self.ready.get(one.service, 0), self.trouble.get(one.service, ""))
            for one in self.lane or ()
        }
        return Seen(
            copies=copies,
            baseline=dict(self.baseline),
            lane=self.lane is not None,
            drained=self.drained,
            emptied=self.emptied,
            refusal=self.refusal,
            ahead=self.ahead,
            measured=self.measured,
        )

    def decide(self) -> Decision:
        return machine.advance(self.release, self.seen(), self.now)

    def run(self, parts: int = 3) -> Decision:
        """One job; it dies after `parts` of its three writes."""
        found = self.decide()
        self.decisions.append(found)
        for part in (self._make_lane, self._write_status, self._patch)[:parts]:
            part(found)
        return found

    def _make_lane(self, found: Decision) -> None:
        self.lane = found.lane
        kept = {one.service for one in found.lane or ()}
        self.ready = {name: count for name, count in self.ready.items() if name in kept}

    def _write_status(self, found: Decision) -> None:
        self.drained = self.drained and found.weight >= self.release.weight
        self.release = replace(self.release, status=found.status)

    def _patch(self, found: Decision) -> None:
        for patch in found.patches:
            self._write(patch)

    def _write(self, patch: Patch) -> None:
        live = self.baseline[patch.service]
        if live.revision != patch.revision:
            return
        rolls = live.image != patch.image
        least = live.least if patch.least is None else patch.least
        self.rolling |= {patch.service} if rolls else set()
        self.baseline[patch.service] = replace(
            live, image=patch.image, least=least, settled=live.settled and not rolls
        )

    def follow(self) -> None:
        """The cluster does what it was told: copies and baselines become ready, the lane drains."""
        self.ready = {one.service: one.replicas for one in self.lane or ()}
        self.drained = True
        for name in self.baseline:
            self.settle(name)

    def settle(self, name: str) -> None:
        """A baseline rolls out; its autoscaler makes it as large as its requests need, within its bounds."""
        live = self.baseline[name]
        self.rolling.discard(name)
        share = REPLICAS * (100 - self.release.weight) // 100
        replicas = min(live.most, max(live.least, share)) if live.most else live.replicas
        self.baseline[name] = replace(live, settled=True, replicas=replicas)

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def until(self, holds: Callable[[], bool], runs: int = 200) -> Decision:
        """Lets everything follow and time pass as the machine asks, until something is so."""
        for _ in range(runs):
            found = self.run()
            if holds():
                return found
            before = self.seen()
            self.follow()
            if self.seen() == before:  # else a job comes at once
                self.wait(60.0 if found.again is None else found.again)
        raise AssertionError(f"it never came to be so; the last: {found.phase} {found.reason} {found.status}")

    def to(self, phase: Phase) -> Decision:
        return self.until(lambda: self.release.phase is phase)

    def wish(self, **changes: Any) -> None:
        """Somebody changes the spec."""
        self.release = replace(self.release, generation=self.release.generation + 1, **changes)

    @property
    def images(self) -> Mapping[str, str]:
        return {name: live.image for name, live in self.baseline.items()}

    @property
    def weights(self) -> list[int]:
        """The weights that there were, without repetitions."""
        found = [0]
        for one in self.decisions:
            if one.weight != found[-1]:
                found.append(one.weight)
        return found

    @property
    def status(self) -> Mapping[str, Any]:
        return self.release.status

    @property
    def events(self) -> list[str]:
        return [one["event"] for one in self.status["timeline"]]


def world(strategy: Strategy | None = None, replicas: int = REPLICAS, **workload: Any) -> World:
    changes = tuple(Change(name, new(name)) for name in SERVICES)
    release = Release("shop", "v2", changes, strategy or Strategy(), uid="u", created=START, generation=1)
    baseline = {name: Workload("r1", old(name), replicas, settled=True, **workload) for name in SERVICES}
    return World(release, baseline)


OLD = {name: old(name) for name in SERVICES}
NEW = {name: new(name) for name in SERVICES}


BY_HAND = Strategy(steps=(Step(50, manual=True), Step(100, manual=True)))
MEASURED = Strategy(steps=(Step(50, analysis=timedelta(minutes=1)), Step(100)), analysis=Analysis())
GOOD, BAD, INCONCLUSIVE = (
    Measured(opinion, f"it is {opinion}", since=60.0)
    for opinion in (Opinion.GOOD, Opinion.BAD, Opinion.INCONCLUSIVE)
)


def at(weight: int, strategy: Strategy | None = None) -> World:
    """A release that has just got this share."""
    shop = world(strategy)
    shop.until(lambda: shop.release.weight == weight)
    shop.follow()
    return shop


def told(found: Decision) -> tuple[Phase, Reason, int]:
    return found.phase, found.reason, found.weight

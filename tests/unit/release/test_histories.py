"""Whatever happens to a release, and whenever a job dies: nothing is mixed, and it ends as one version."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.chain.strategy import Analysis, Step, Strategy
from provisioner.errors import InputError
from provisioner.release import capacity, wishes
from provisioner.release.model import Phase, Reason
from provisioner.release.observed import Decision, Measured, Opinion
from tests.unit.release.world import SERVICES, World, new, old, world

STEPS = (Step(0, manual=True), Step(30, analysis=timedelta(seconds=30)), Step(60, pause=timedelta(minutes=1)))
STRATEGY = Strategy(
    steps=(*STEPS, Step(100)), analysis=Analysis(), deadline=timedelta(minutes=5), max_surge=1
)
MINUTES = 2000  # until then everything has to be over

Act = tuple[str, int]
ACTS = (
    *("job", "job", "job", "job", "dies", "follow", "follow", "pod", "settle", "wait", "wait"),
    *("crash", "trouble", "well", "measure", "image", "template", "scale"),
    *("pause", "resume", "promote", "all", "abort", "delete"),
)
HISTORIES = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 11)), max_size=60)
# how far the release has got when things begin to happen: a phase, or a weight
STAGES = st.sampled_from([None, 30, 60, 100, *list(Phase)[1:-2]])
KINDS = st.sampled_from([{}, {"most": 10, "least": 1}])


@dataclass
class History:
    """A release and what happens to it. `owned` are the images that others want the baseline to have, `taken`
    the services that they have given one after the release had."""

    shop: World
    owned: dict[str, str] = field(default_factory=lambda: {name: old(name) for name in SERVICES})
    written: int = 0
    taken: set[str] = field(default_factory=set)

    def begins(self, stage: Phase | int | None) -> None:
        """Everything goes well until a weight or a phase has been reached."""
        shop = self.shop
        shop.measured = Measured(Opinion.GOOD, "good", since=1e6)
        match stage:
            case None:
                return
            case Phase.PAUSED:
                shop.to(Phase.PAUSED)
            case int():
                shop.wish(promoted=1)
                shop.until(lambda: shop.release.weight == stage)
            case Phase.RESTORING | Phase.ROLLING_BACK:
                shop.wish(promoted=4)
                shop.to(Phase.FINISHING)
                shop.run()
                shop.wish(aborted="no")
                shop.to(stage)
            case _:
                shop.wish(promoted=4)
                shop.to(stage)

    def act(self, name: str, number: int) -> None:
        service = SERVICES[number % len(SERVICES)]
        match name:
            case "job" | "dies":
                self.job(3 if name == "job" else number % 3)
            case "wait":
                self.shop.wait(number**2)
            case "follow":
                self.shop.follow()
            case "settle":
                self.shop.settle(service)
            case "image" | "template" | "scale":
                self.others(name, service, number)
            case "pause" | "resume" | "promote" | "all" | "abort" | "delete":
                self.wish(name)
            case _:
                self.suffer(name, service, number)

    def suffer(self, name: str, service: str, number: int) -> None:
        """Something becomes of the lane by itself."""
        shop = self.shop
        match name:
            case "pod":
                wanted = {one.service: one.replicas for one in shop.lane or ()}
                shop.ready[service] = min(wanted.get(service, 0), shop.ready.get(service, 0) + 1)
            case "crash":
                shop.ready[service] = max(0, shop.ready.get(service, 0) - number // 2)
            case "trouble" | "well":
                shop.trouble[service] = "CrashLoopBackOff" if name == "trouble" else ""
            case "measure":
                opinion = list(Opinion)[number % len(Opinion)]
                shop.measured = Measured(opinion, "measured", since=float(number * 10))

    def others(self, what: str, service: str, number: int) -> None:
        """Somebody else writes the baseline."""
        self.written += 1
        live = self.shop.baseline[service]
        changes: dict[str, Any] = {"settled": False}
        match what:
            case "image":
                self.taken |= {service} if live.image == new(service) else set()
                changes["image"] = self.owned[service] = f"acme/{service}:by-hand-{self.written}"
            case "template":
                changes["revision"] = f"r-{self.written}"
            case "scale":
                changes = {"replicas": number}
        self.shop.baseline[service] = replace(live, **changes)

    def wish(self, name: str) -> None:
        release = self.shop.release
        try:
            match name:
                case "pause":
                    release = wishes.pause(release)
                case "resume":
                    release = wishes.resume(release)
                case "promote" | "all":
                    release = wishes.promote(release, full=name == "all")
                case "abort":
                    release = wishes.abort(release)
                case "delete":
                    release = replace(release, going=True)
        except InputError:
            return  # it makes no sense now, and the person was told so
        self.shop.release = release

    def job(self, parts: int) -> None:
        """A job that does so many of its writes, and everything that must hold whatever it decides."""
        shop = self.shop
        found = shop.decide()
        assert shop.decide() == found
        self.is_lawful(found)
        self.is_told(found)
        shop.run(parts)
        self.taken -= {name for name, image in shop.images.items() if image == new(name)}

    def is_lawful(self, found: Decision) -> None:
        release = self.shop.release
        assert found.weight >= release.weight or found.weight == 0
        if found.weight > release.weight:
            self.is_large_enough(found.weight)
        if self.is_half():
            assert found.weight == release.weight == 100
        if any(patch.image != self.shop.baseline[patch.service].image for patch in found.patches):
            assert {one["name"] for one in release.status["originals"]} == set(SERVICES)
        if "originals" in found.status and not found.phase.over:
            assert found.hold
        if (release.aborted or release.going) and release.phase not in (Phase.FINISHING, Phase.RESTORING):
            assert found.weight == 0
        floors = {one["name"]: one["floor"] for one in release.status.get("copies", ())}
        assert all(one.replicas >= floors.get(one.service, 0) for one in found.lane or ())
        assert not found.weight or found.lane is not None

    def is_large_enough(self, weight: int) -> None:
        for name in SERVICES:
            assert self.shop.ready.get(name, 0) >= capacity.needed(self.shop.baseline[name].replicas, weight)

    def is_half(self) -> bool:
        """Whether some of the baseline has the new images, and some has not, or is on its way."""
        ours = {name: live for name, live in self.shop.baseline.items() if name not in self.taken}
        images = {name: live.image == new(name) for name, live in ours.items()}
        return bool(self.shop.rolling) or (any(images.values()) and not all(images.values()))

    def is_told(self, found: Decision) -> None:
        line = found.status["timeline"]
        numbers = [one["sequence"] for one in line]
        assert numbers[1:] == list(range(numbers[-1] - len(numbers) + 2, numbers[-1] + 1))
        assert (found.status["phase"], found.status["weight"]) == (found.phase, found.weight)

    def ends(self) -> None:
        """From now on the world behaves, and somebody answers when they are asked."""
        shop = self.shop
        shop.trouble, shop.measured = {}, Measured(Opinion.GOOD, "good", since=1e6)
        for _ in range(MINUTES):
            self.job(3)
            if shop.release.phase.over and shop.lane is None:
                return
            if shop.release.phase is Phase.PAUSED or shop.release.reason == Reason.BASELINE_CHANGED:
                self.wish("resume")
            shop.follow()
            shop.wait(30.0)
        raise AssertionError(f"it is not over: {shop.status}")


@settings(max_examples=300, deadline=None)
@given(STAGES, HISTORIES, KINDS)
def test_whatever_happens_it_ends_as_one_version(
    stage: Phase | int | None, acts: list[Act], kind: dict[str, int]
) -> None:
    history = History(world(STRATEGY, **kind))
    history.begins(stage)
    for act in acts:
        history.act(*act)
    history.ends()
    shop = history.shop
    if shop.release.phase is Phase.SUCCEEDED:
        others = {name: image for name, image in history.owned.items() if name in history.taken}
        assert shop.images == {name: new(name) for name in SERVICES} | others
    else:
        assert shop.images == history.owned
    assert {live.least for live in shop.baseline.values()} == {kind.get("least", 0)}

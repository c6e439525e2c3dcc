"""A shop whose chain is attached, and which a test releases step by step: the clock is the test's, and pods
do what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from provisioner.chain.model import Chain
from provisioner.chain.strategy import Step, Strategy
from provisioner.cluster import Cluster
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane
from provisioner.reconcile import converge
from provisioner.release import start, store
from provisioner.release.model import Phase, Release
from provisioner.release.observed import Measured
from provisioner.release.story import Measure, Outcome, advance
from provisioner.routing.router import attachment
from provisioner.world import World
from tests.support.shop import SERVICES, Shop, open_shop

Json = dict[str, Any]

NEW = {"orders": "orders:new", "payment": "payment:new"}
OLD = {name: f"{name}:main" for name in SERVICES}
STEPS = (Step(25, pause=timedelta(seconds=2)), Step(100, pause=timedelta(seconds=2)))
STRATEGY = Strategy(steps=STEPS, deadline=timedelta(seconds=40))
PATIENCE = 400  # turns


def unmeasured(_: Release, __: Chain, ___: World, ____: datetime) -> Measured:
    return Measured()


@dataclass
class ReleaseShop:
    """`broken` are images whose pods never get ready, but for those of the workloads that are `spared`.
    `measure` is how its releases are measured."""

    shop: Shop
    chain: Chain
    broken: set[str] = field(default_factory=set)
    spared: set[str] = field(default_factory=set)
    still: dict[str, Json] = field(default_factory=dict)  # workloads that stay as these counts say
    weights: list[int] = field(default_factory=list)
    measure: Measure = unmeasured

    @property
    def cluster(self) -> Cluster:
        return self.shop.cluster

    @property
    def namespace(self) -> str:
        return self.chain.namespaces[0]

    # --- what is there ------------------------------------------------------------------------------------

    def release(self, name: str = "v2") -> Release:
        found = store.read(self.cluster, self.chain.name, name)
        assert found is not None
        return found

    def lane(self, name: str = "v2") -> Lane | None:
        return lanes.read(self.cluster, self.chain.name, name)

    def deployment(self, name: str) -> Json:
        found = self.cluster.get("Deployment", name, self.namespace)
        assert found is not None
        return found

    def images(self) -> dict[str, str]:
        """What the baseline runs."""
        return {name: _image(self.deployment(name)) for name in SERVICES}

    def copies(self, name: str = "v2") -> dict[str, Json]:
        return {
            one["metadata"]["labels"]["laneway.dev/service"]: one
            for one in self.shop.owned(name).values()
            if one["kind"] == "Deployment"
        }

    # --- what people do -----------------------------------------------------------------------------------

    def begin(self, name: str = "v2", images: Json = NEW) -> Release:
        return store.create(self.cluster, start.from_images(self.chain, images, name, self.shop.world))

    def say(self, name: str = "v2", **changes: Any) -> Release:
        """What the commands write."""
        return store.write(self.cluster, replace(self.release(name), **changes))

    def edit(self, name: str, **container: Any) -> None:
        """Somebody changes a baseline by hand."""
        now = self.deployment(name)
        (one,) = now["spec"]["template"]["spec"]["containers"]
        spec = {"template": {"spec": {"containers": [{**one, **container}]}}}
        self.cluster.merge("Deployment", name, {"spec": spec}, self.namespace)

    # --- what happens -------------------------------------------------------------------------------------

    def turn(self, name: str = "v2") -> Outcome:
        """A second passes: jobs run, pods start."""
        outcome = self.work(name)
        if outcome.after is not None:
            self.weights.append(outcome.after.weight)
        self.pods()
        self.shop.clock.step(1)
        return outcome

    def work(self, name: str = "v2") -> Outcome:
        """What the jobs of a release and of its lane do."""
        outcome = advance(self.chain, name, self.shop.world, self.measure)
        converge(self.chain, name, self.shop.world)
        return outcome

    def pods(self) -> None:
        """Every workload rolls out, but for images that are broken."""
        for one in self.cluster.list("Deployment", self.namespace):
            counts = dict.fromkeys(_COUNTS, one["spec"]["replicas"])
            if _image(one) in self.broken and one["metadata"]["name"] not in self.spared:
                before = (one.get("status") or {}).get("readyReplicas") or 0
                counts |= {"updatedReplicas": 1, "readyReplicas": before, "availableReplicas": before}
                counts["replicas"] = before + 1
            counts = self.still.get(one["metadata"]["name"], counts)
            status = {**counts, "observedGeneration": one["metadata"]["generation"]}
            if status != one.get("status"):
                self.cluster.merge(
                    "Deployment", one["metadata"]["name"], {"status": status}, self.namespace, "status"
                )

    def until(self, said: Callable[[Release], bool], name: str = "v2") -> Release:
        """Lets time pass until a release says so."""
        for _ in range(PATIENCE):
            if said(found := self.release(name)):
                return found
            self.turn(name)
        raise AssertionError(f"still {found.phase}/{found.reason}: {found.status.get('message')}")

    def reaches(self, phase: Phase, name: str = "v2") -> Release:
        return self.until(lambda one: one.phase is phase, name)

    def ends(self, name: str = "v2") -> Release:
        """Lets time pass until a release is over and cleared away; what is true of every one holds."""
        found = self.until(lambda one: one.phase.over and not one.held, name)
        assert self.lane(name) is None
        assert self.copies(name) == {}
        assert found.weight == 0
        return found

    def shares(self) -> list[int]:
        """The weights, each once where it did not change."""
        return list(_changes(self.weights))


_COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")


def open_releases(folder: Path, cluster: Cluster, name: str, strategy: Strategy = STRATEGY) -> ReleaseShop:
    """The shop of `open_shop`, attached, with all its pods ready."""
    shop = open_shop(folder, cluster, name)
    found = ReleaseShop(shop, replace(shop.chain, release=strategy))
    _attach(found)
    found.pods()
    return found


def _attach(shop: ReleaseShop) -> None:
    """What `laneway attach` writes to Services."""
    there = {name: shop.cluster.get("Service", name, shop.namespace) or {} for name in SERVICES}
    for planned in attachment.attachments(shop.chain.name, there, {}):
        noted = shop.cluster.replace(attachment.annotated(planned))
        shop.cluster.apply(attachment.twin(planned), force=True)
        shop.cluster.replace(attachment.switched(replace(planned, service=noted)))


def _image(workload: Json) -> str:
    return str(workload["spec"]["template"]["spec"]["containers"][0]["image"])


def _changes(numbers: Iterable[int]) -> Iterator[int]:
    before: int | None = None
    for one in numbers:
        if one != before:
            yield one
        before = one

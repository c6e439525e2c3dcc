"""A real beat and a real worker: a release gets on by itself, and stops when somebody says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from provisioner.chain import folder as chains
from provisioner.release import store
from provisioner.release.model import Phase, Reason, Release
from tests.support.commands import attended
from tests.support.devcluster import devcluster
from tests.support.releaseshop import ReleaseShop, open_releases
from tests.support.shop import chain_file
from tests.support.valkeys import valkey
from tests.support.waiting import until

STRATEGY = "release: {steps: [{setWeight: 50, pause: {}}, {setWeight: 100, pause: 1s}], whenBusy: queue}\n"
SOON = 60.0  # seconds, on a machine that has other things to do


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReleaseShop]:
    """The shop, and who looks after it."""
    folder = tmp_path_factory.mktemp("running")
    (folder / "cluster").mkdir()
    with ExitStack() as stack:
        url = stack.enter_context(valkey(folder / "valkey"))
        dev = stack.enter_context(devcluster(folder / "cluster", "--no-node"))
        shop = open_releases(folder, dev.cluster, "shop")
        (folder / "shop.yaml").write_text(chain_file(shop.shop.origin, "shop", "shop") + STRATEGY)
        shop.chain = chains.load(folder / "shop.yaml")[0]
        settings = {
            "LANEWAY_REDIS_URL": url,
            "LANEWAY_CHAINS": str(folder / "shop.yaml"),
            "LANEWAY_KUBECONFIG": str(dev.kubeconfig),
            "LANEWAY_MIRRORS": str(folder / "worker-mirrors"),
            "LANEWAY_DRAIN_SECONDS": "0.5",
        }
        stack.enter_context(attended(settings, folder))
        yield shop


@pytest.fixture
def running(system: ReleaseShop) -> Iterator[ReleaseShop]:
    """The shop without a release that runs, before and afterwards."""
    yield system
    system.still = {}
    for one in store.every(system.cluster):
        if not one.phase.over:
            system.say(one.name, aborted="the test is over")
            comes(system, lambda one: one.phase.over, "it is over", one.name)


def comes(shop: ReleaseShop, said: Callable[[Release], bool], what: str, name: str) -> Release:
    """Waits until a release says so, while pods start as they are asked to."""

    def look() -> Release | None:
        shop.pods()
        found = shop.release(name)
        return found if said(found) else None

    found = until(look, what, seconds=SOON)
    assert found is not None
    return found


def half(shop: ReleaseShop, name: str) -> dict[str, str]:
    """Lets a release begin, and waits until it has half of the requests; its images."""
    images = {one: f"{one}:{name}" for one in ("orders", "payment")}
    shop.begin(name, images)
    comes(shop, lambda one: one.weight == 50, f"{name} has half of the requests", name)
    return images


def test_a_release_gets_on_by_itself_once_somebody_has_promoted_it(running: ReleaseShop) -> None:
    before, images = running.images(), half(running, "first")
    comes(running, lambda one: one.reason == Reason.MANUAL, "it asks at 50 %", "first")
    running.say("first", promoted=1)
    comes(running, lambda one: one.phase is Phase.SUCCEEDED, "it is over", "first")
    assert running.images() == before | images


def test_one_that_is_ended_has_no_share_a_moment_later(
    running: ReleaseShop, capsys: pytest.CaptureFixture[str]
) -> None:
    before = running.images()
    half(running, "ended")
    running.say("ended", aborted="enough")
    said = time.monotonic()
    until(lambda: running.release("ended").weight == 0, "it has no share", seconds=SOON)
    passed = time.monotonic() - said
    with capsys.disabled():
        print(f"\nfrom the word to a share of 0: {passed:.2f} s")
    comes(running, lambda one: one.phase is Phase.ROLLED_BACK, "it is over", "ended")
    assert running.images() == before


def test_one_whose_copies_crash_ends_by_itself(running: ReleaseShop) -> None:
    half(running, "crashing")
    crashed = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 0, "availableReplicas": 0}
    running.still = {running.copies("crashing")["orders"]["metadata"]["name"]: crashed}
    found = comes(running, lambda one: one.phase is Phase.ROLLED_BACK, "it is over", "crashing")
    assert found.reason == Reason.LANE_UNHEALTHY


def test_the_next_in_the_queue_begins_when_the_one_before_is_over(running: ReleaseShop) -> None:
    half(running, "before")
    running.begin("after", {"orders": "orders:after"})
    comes(running, lambda one: one.reason == Reason.QUEUED, "the second waits", "after")
    running.say("before", aborted="enough")
    comes(running, lambda one: one.weight == 50, "the second has half of the requests", "after")
    assert running.release("before").phase is Phase.ROLLED_BACK


def test_a_baseline_that_somebody_edits_stops_it_within_seconds(running: ReleaseShop) -> None:
    half(running, "edited")
    running.edit("payment", env=[{"name": "LEVEL", "value": "debug"}])
    comes(running, lambda one: one.reason == Reason.BASELINE_CHANGED, "it asks", "edited")

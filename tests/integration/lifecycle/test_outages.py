"""What a lane depends on goes away for a while: work resumes by itself, and the status says why it waited."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from provisioner.chain.grammar import parse
from provisioner.errors import ClusterError, GitError, TemporaryError
from provisioner.events import Kind
from provisioner.git import Repositories
from provisioner.lane import store as lanes
from provisioner.lane.record import record
from provisioner.reconcile import Outcome, converge
from tests.support import law, web
from tests.support.devcluster import Devcluster, devcluster
from tests.support.gitserver import Door, daemon
from tests.support.law import Truth
from tests.support.shop import REPOSITORY, Shop, chain_file, open_shop

pytestmark = pytest.mark.proof

LANE = "fast"


@pytest.fixture
def shop(tmp_path: Path, dev: Devcluster) -> Iterator[Shop]:
    made = open_shop(tmp_path, dev.cluster, f"shop-{uuid4().hex[:8]}")
    made.origin.branch(LANE, {"payment/app.py": "2"})
    yield made
    heal(dev)


def tell(shop: Shop, kind: Kind, **changes: Any) -> Outcome | None:
    """What a worker does with an event."""
    outcome = None
    for found in record(shop.event(kind, LANE, **changes), shop.chain, shop.world):
        outcome = converge(shop.chain, found.lane, shop.world, found.written)
    return outcome


def resolved(shop: Shop) -> dict[str, Any]:
    """The condition that says whether the lane's sources are known."""
    lane = lanes.read(shop.cluster, shop.chain.name, LANE)
    assert lane is not None
    return next(one for one in lane.status["conditions"] if one["type"] == "Resolved")


def breaches(shop: Shop) -> list[str]:
    truth = Truth({LANE: {f"{REPOSITORY}#{shop.pulls[LANE]}": shop.origin.sha(LANE)}})
    return law.breaches(shop.chain, shop.world, truth)


def inject(dev: Devcluster, **rule: Any) -> None:
    web.post(f"{dev.admin}/faults", json=rule).raise_for_status()


def heal(dev: Devcluster) -> None:
    web.delete(f"{dev.admin}/faults").raise_for_status()


def behind(shop: Shop, url: str) -> Shop:
    """The shop, with its repository elsewhere."""
    text = chain_file(shop.origin, shop.chain.name, shop.chain.name).replace(shop.origin.url, url)
    return replace(shop, chain=parse(text, "laneway.yaml"))


def impatient(shop: Shop, seconds: float) -> Shop:
    """The shop, with a git that may take so long."""
    repositories = Repositories(shop.world.settings.mirrors, max_bytes=10**9, timeout=seconds)
    return replace(shop, world=replace(shop.world, repositories=repositories))


def test_a_git_server_that_hangs_in_the_middle_of_a_fetch_is_said_and_outlasted(
    shop: Shop, tmp_path: Path
) -> None:
    noise = "".join(uuid4().hex for _ in range(4000))
    shop.origin.commit(
        LANE, {f"payment/{number}-{noise[number : number + 60]}": "x" for number in range(900)}
    )
    with daemon(tmp_path) as port:
        door = Door(port)
        try:
            shop = impatient(behind(shop, f"git://{door.address}/acme/shop.git"), 2)
            door.limit = 5_000
            with pytest.raises(GitError, match="did not end within 2 s"):
                tell(shop, Kind.OPENED)
            assert resolved(shop)["reason"] == "RepositoryUnavailable"
            assert "LANEWAY_GIT_SECONDS" in resolved(shop)["message"]
            door.release()
            converge(shop.chain, LANE, impatient(shop, 20).world)
            assert resolved(shop)["status"] == "True"
            assert breaches(impatient(shop, 20)) == []
        finally:
            door.stop()


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file of this process and its children may grow above `limit` bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_under_the_mirrors_is_said_and_outlasted(shop: Shop) -> None:
    with full_disk(128), pytest.raises(GitError):
        tell(shop, Kind.OPENED)
    assert resolved(shop)["status"] == "False"
    assert resolved(shop)["reason"] in ("RepositoryUnavailable", "MirrorDamaged")
    converge(shop.chain, LANE, shop.world)
    assert breaches(shop) == []


def test_a_conflict_that_passes_is_nobody_elses_object(shop: Shop, dev: Devcluster) -> None:
    inject(dev, action="fail", status=409, method="PATCH", path="deployments/payment--", count=1)
    outcome = tell(shop, Kind.OPENED)
    assert outcome is not None and outcome.phase == "Deploying"
    assert breaches(shop) == []


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "fail", "status": 503},
        {"action": "fail", "status": 429, "retry_after": 7},
        {"action": "drop"},
    ],
    ids=["503", "429", "no answer"],
)
def test_an_api_server_in_trouble_is_tried_again(shop: Shop, dev: Devcluster, fault: dict[str, Any]) -> None:
    inject(dev, **fault)
    with pytest.raises(TemporaryError) as caught:
        tell(shop, Kind.OPENED)
    assert caught.value.retry_after == fault.get("retry_after")
    heal(dev)
    tell(shop, Kind.OPENED)
    assert breaches(shop) == []


def test_a_lane_whose_copies_cannot_be_written_says_why_and_goes_on_later(
    shop: Shop, dev: Devcluster
) -> None:
    inject(dev, action="fail", status=503, method="PATCH", path="deployments/payment--")
    with pytest.raises(ClusterError):
        tell(shop, Kind.OPENED)
    assert (resolved(shop)["status"], resolved(shop)["reason"]) == ("False", "ClusterUnavailable")
    assert "deployments/payment--" in resolved(shop)["message"]
    heal(dev)
    converge(shop.chain, LANE, shop.world)
    assert resolved(shop)["status"] == "True"
    assert breaches(shop) == []


@pytest.mark.parametrize("write", ["lanes$", "services/payment--", "deployments/payment--", "/status$"])
def test_an_answer_that_is_lost_after_it_took_effect_does_no_harm(
    shop: Shop, dev: Devcluster, write: str
) -> None:
    inject(dev, action="cut", path=write, count=1)
    event = shop.event(Kind.OPENED, LANE)

    def attempt() -> None:
        for found in record(event, shop.chain, shop.world):
            converge(shop.chain, found.lane, shop.world, found.written)

    with pytest.raises(TemporaryError):
        attempt()
    attempt()
    converge(shop.chain, LANE, shop.world)
    assert breaches(shop) == []


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_stepped_while_a_lane_drains_delays_nothing(shop: Shop, hours: int) -> None:
    tell(shop, Kind.OPENED)
    tell(shop, Kind.CLOSED)
    shop.clock.now += timedelta(hours=hours)
    assert converge(shop.chain, LANE, shop.world).phase == ""
    assert law.breaches(shop.chain, shop.world, Truth({})) == []


def test_an_api_server_that_was_gone_has_what_it_acknowledged(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    with devcluster(state, "--no-node") as dev:
        shop = open_shop(tmp_path / "shop", dev.cluster, "shop")
        shop.origin.branch(LANE, {"payment/app.py": "2"})
        tell(shop, Kind.OPENED)
    with pytest.raises(TemporaryError, match="does not answer"):
        converge(shop.chain, LANE, shop.world)
    (state / "apiserver.json").unlink()
    with devcluster(state, "--no-node") as dev:
        shop = replace(shop, world=replace(shop.world, cluster=dev.cluster))
        shop.origin.commit(LANE, {"orders/app.py": "2"})
        converge(shop.chain, LANE, shop.world)
        converge(shop.chain, LANE, shop.world)
        assert breaches(shop) == []

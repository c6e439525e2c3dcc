"""Whom a user's route concerned is told of its next change, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from provisioner import labels
from provisioner.chain.book import ChainBook
from provisioner.chain.model import Chain, Driver, Service, WorkloadRef
from provisioner.cluster import Cluster
from tests.support.waiting import until
from workers.absences import Absences
from workers.beat import Leader
from workers.mentions import Mentions
from workers.queue import Job, Queue
from workers.relevance import AllLanes, Holders, OneLane
from workers.schedule import Cron

SHOP, BAKERY = AllLanes("shop"), AllLanes("bakery")


def route(uid: str = "1") -> dict[str, Any]:
    return {"kind": "HTTPRoute", "metadata": {"name": "any", "namespace": "shop", "uid": uid}}


def test_an_edit_that_takes_a_chains_service_out_of_a_route_concerns_the_chain_once_more() -> None:
    seen = Mentions()
    assert seen.note(route(), (SHOP,), gone=False) == (SHOP,)
    assert set(seen.note(route(), (BAKERY,), gone=False)) == {SHOP, BAKERY}
    assert seen.note(route(), (BAKERY,), gone=False) == (BAKERY,)
    assert seen.note(route("2"), (), gone=False) == ()


def test_a_route_that_is_gone_is_forgotten() -> None:
    seen = Mentions()
    seen.note(route(), (SHOP,), gone=False)
    assert seen.note(route(), (), gone=True) == (SHOP,)
    assert seen.note(route(), (), gone=False) == ()


def test_what_concerns_single_lanes_is_not_remembered() -> None:
    seen = Mentions()
    seen.note(route(), (OneLane("shop", "euro"), Holders("shop", frozenset({"payment"}))), gone=False)
    assert seen.note(route(), (), gone=False) == ()


PAYMENT = Service("payment", WorkloadRef("Deployment", "pay"), "image:{sha}", "shop", ("payment/**",))
CHAIN = Chain("shop", (), (PAYMENT,), driver=Driver.GATEWAY_API)


class Jobs:
    """Takes jobs, and holds none back."""

    def __init__(self) -> None:
        self.put_since: list[tuple[Any, ...]] = []

    def put(self, job: Job) -> None:
        self.put_since.append(job.args)

    def forget(self, gone: object) -> None:
        """What is absent is not this test's business."""


def test_beat_has_lanes_follow_a_route_that_leads_elsewhere_from_now_on(tmp_path: Path) -> None:
    jobs = Jobs()
    book = ChainBook(tmp_path, lambda _: (CHAIN,))
    known = cast("Queue", jobs), Cron("0 3 * * *", "TEST"), cast("Absences", jobs)
    leader = Leader(cast("Cluster", None), book, *known)
    lane = {
        "kind": "Lane",
        "metadata": {
            "name": "shop.euro",
            "uid": "9",
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "labels": labels.of_lane("shop", "euro"),
        },
        "spec": {"chain": "shop", "lane": "euro"},
        "status": {"observedGeneration": 1},
    }
    leader.changed(lane, False)
    leader.flush()
    for to in ("payment", "elsewhere"):
        jobs.put_since.clear()
        leader.changed({**route(), "spec": {"rules": [{"backendRefs": [{"name": to}]}]}}, False)
        until(lambda: leader.flush() or jobs.put_since == [("shop", "euro")], f"a route to {to}")

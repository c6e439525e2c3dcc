"""What beat makes of the releases that it sees: itself, and the lanes whose routes depend on one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from provisioner.chain.book import ChainBook
from provisioner.chain.grammar import parse
from provisioner.lane.model import Lane
from provisioner.release.model import Phase
from tests.support import told
from tests.support.waiting import until
from workers import queue
from workers.absences import Absences
from workers.beat import Leader
from workers.releases import Releases

Json = dict[str, Any]
CHAIN = """\
chain: shop
namespace: shop
repositories: [{url: 'https://example.com/acme/shop.git'}]
services: {orders: {paths: ["orders/**"], workload: Deployment/orders, image: "orders:{sha}"}}
routing: {driver: DRIVER}
"""
LANES = ("pr-1", "pr-2")
THEIRS = [queue.converge("shop", name) for name in LANES]


class Jobs:
    """Takes what is put, and holds each job once, as the queue does."""

    def __init__(self) -> None:
        self.put_so_far: set[queue.Job] = set()

    def put(self, job: queue.Job) -> None:
        self.put_so_far.add(job)


class Beat:
    """A leader with two lanes that have had their first look."""

    def __init__(self, folder: Path, driver: str) -> None:
        file = folder / "laneway.yaml"
        file.write_text(CHAIN.replace("DRIVER", driver))
        self.jobs = Jobs()
        book = ChainBook(file, lambda path: (parse(path.read_text(), path.name),))
        jobs, rest = cast(queue.Queue, self.jobs), cast(Any, None)  # neither cluster nor schedule is asked
        self._leader = Leader(rest, book, jobs, rest, Absences(rest))
        for name in LANES:
            seen = Lane("shop", name).to_object()
            seen["metadata"] |= {"uid": name, "resourceVersion": "1", "generation": 1}
            seen["metadata"]["creationTimestamp"] = "2026-01-02T03:04:05Z"
            seen["status"] = {"observedGeneration": 1, "phase": "Ready"}
            self._leader.changed(seen, gone=False)
        self._leader.flush()
        self.jobs.put_so_far.clear()

    def sees(self, one: Json, *, gone: bool = False) -> None:
        self._leader.changed(one, gone)

    def told(self) -> bool:
        """Whether both lanes are to be looked at."""
        self._leader.flush()
        return set(THEIRS) <= self.jobs.put_so_far


def release(phase: Phase, weight: int = 0) -> Json:
    status = {"phase": phase.value, "weight": weight}
    made = told.release(**status).to_object()
    made["metadata"]["creationTimestamp"] = "2026-01-02T03:04:05Z"
    return {**made, "status": status}


def test_all_lanes_are_looked_at_when_a_release_begins_to_take_requests_and_when_it_ends(
    tmp_path: Path,
) -> None:
    """With Gateway API the routes of every lane stand before those of a release."""
    beat = Beat(tmp_path, "gateway-api")
    beat.sees(release(Phase.PENDING))
    assert not beat.told()
    for phase in (Phase.PROGRESSING, Phase.ROLLING_BACK):
        beat.sees(release(phase))
        until(beat.told, f"the lanes know that the release is {phase}")
        beat.jobs.put_so_far.clear()


def test_no_lane_is_looked_at_for_a_release_of_the_built_in_router(tmp_path: Path) -> None:
    beat = Beat(tmp_path, "envoy")
    beat.sees(release(Phase.PROGRESSING, 10))
    beat.told()
    assert not beat.jobs.put_so_far & set(THEIRS)


def test_what_concerns_lanes_is_whether_any_release_takes_requests_not_how_many() -> None:
    known = Releases()
    assert not known.changed(release(Phase.PENDING), False)
    assert known.changed(release(Phase.PROGRESSING, 10), False)
    assert not known.changed(release(Phase.PROGRESSING, 50), False)
    assert not known.changed(release(Phase.PAUSED, 50), False)
    assert known.changed(release(Phase.ROLLING_BACK), False)
    assert not known.changed(release(Phase.ROLLED_BACK), False)


def test_a_release_that_is_deleted_while_it_takes_requests_concerns_them_too() -> None:
    known = Releases()
    assert known.changed(release(Phase.PROGRESSING, 10), False)
    assert known.changed(release(Phase.PROGRESSING, 10), True)

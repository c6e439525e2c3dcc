"""`laneway release ...` against a real API: what each says, what it writes, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import pytest

from provisioner.cluster import Cluster
from provisioner.release import store
from provisioner.release.model import Phase, Reason, Release
from tests.support.desk import Desk
from tests.support.devcluster import Devcluster
from tests.support.told import happened, release, written

CHAIN = """
chain: NAME
namespace: shop
repositories: [{url: "https://github.com/acme/shop.git"}]
services:
  frontend: {paths: [frontend/**], workload: Deployment/frontend, image: "example/frontend:{sha}"}
entry: {service: frontend}
"""


@dataclass
class ReleaseDesk(Desk):
    """A person who has a cluster, and no chain file."""

    cluster: Cluster
    chain: str
    command: ClassVar[tuple[str, ...]] = ("laneway", "release")

    def has(self, phase: Phase, name: str = "release-1", **status: object) -> Release:
        """A release in that phase."""
        told = {"steps": 5, "weight": 10, "timeline": [happened(1, "Started", 0), happened(2)], **status}
        return written(self.cluster, release(self.chain, name, phase=phase.value, **told))

    def wanted(self, name: str = "release-1") -> Release:
        found = store.read(self.cluster, self.chain, name)
        assert found is not None
        return found


@pytest.fixture
def desk(tmp_path: Path, dev: Devcluster, cluster: Cluster) -> Iterator[ReleaseDesk]:
    settings = {"LANEWAY_KUBECONFIG": str(dev.kubeconfig), "LANEWAY_CHAINS": str(tmp_path / "none")}
    yield ReleaseDesk(settings, cluster, f"shop-{uuid4().hex[:8]}")
    for found in cluster.list("Release"):
        cluster.delete("Release", found["metadata"]["name"])


def test_promote_takes_the_release_that_runs(desk: ReleaseDesk) -> None:
    desk.has(Phase.SUCCEEDED, "release-1")
    desk.has(Phase.PROGRESSING, "release-2", step=1)
    said = desk.says("promote", desk.chain)
    assert f"release release-2 of chain {desk.chain} goes on to its next step" in said
    assert f"laneway release status {desk.chain} release-2 --watch" in said
    assert desk.wanted("release-2").promoted == 2
    assert desk.wanted("release-1").promoted == 0


def test_promote_in_full_goes_through_all_steps(desk: ReleaseDesk) -> None:
    desk.has(Phase.PROGRESSING)
    assert "through all of its steps" in desk.says("promote", desk.chain, "release-1", "--full")
    assert desk.wanted().promoted == 5


def test_pause_and_resume_are_said_twice_without_harm(desk: ReleaseDesk) -> None:
    desk.has(Phase.PROGRESSING, weight=25)
    for _ in range(2):
        assert "is paused at 25 %" in desk.says("pause", desk.chain)
    assert desk.wanted().paused
    assert "goes on" in desk.says("resume", desk.chain)
    assert not desk.wanted().paused
    assert "it is not paused" in desk.refuses("resume", desk.chain)


def test_resume_accepts_the_baseline_that_changed_in_the_middle(desk: ReleaseDesk) -> None:
    desk.has(Phase.PAUSED, reason=Reason.BASELINE_CHANGED.value, found="f00d")
    desk.says("resume", desk.chain)
    assert desk.wanted().accepted == "f00d"


def test_resume_has_an_analysis_that_came_to_nothing_measured_anew(desk: ReleaseDesk) -> None:
    desk.has(Phase.PAUSED, reason=Reason.INCONCLUSIVE.value)
    desk.says("resume", desk.chain)
    assert desk.wanted().resumed == 1


def test_abort_keeps_the_reason_that_was_given(desk: ReleaseDesk) -> None:
    desk.has(Phase.PROGRESSING)
    assert "goes back: slow carts" in desk.says("abort", desk.chain, "--why", "slow carts")
    assert desk.wanted().aborted == "slow carts"
    assert "goes back: slow carts" in desk.says("abort", desk.chain, "--why", "another")


@pytest.mark.parametrize("verb", ["promote", "pause", "resume", "abort"])
def test_what_is_over_says_so(desk: ReleaseDesk, verb: str) -> None:
    desk.has(Phase.ROLLED_BACK)
    assert "it is over (RolledBack)" in desk.refuses(verb, desk.chain, "release-1")


@pytest.mark.parametrize("verb", ["promote", "pause", "resume", "abort"])
def test_where_nothing_runs_it_is_said_what_ran_last_and_how_to_start(desk: ReleaseDesk, verb: str) -> None:
    desk.has(Phase.SUCCEEDED)
    said = desk.refuses(verb, desk.chain)
    assert "no release of it runs; the last one, release-1, is over (Succeeded)" in said
    assert f"laneway release start {desk.chain} --lane LANE" in said


@pytest.mark.parametrize("verb", ["promote", "pause", "resume", "abort", "status"])
def test_a_name_that_nothing_has_gets_those_that_come_close(desk: ReleaseDesk, verb: str) -> None:
    desk.has(Phase.PROGRESSING, "release-12")
    said = desk.refuses(verb, desk.chain, "release-21")
    assert "no release is called 'release-21'; did you mean release-12?" in said
    said = desk.refuses(verb, f"{desk.chain}x")
    assert f"did you mean {desk.chain}?" in said


def test_of_a_chain_that_never_had_one_it_is_said_how_to_start(desk: ReleaseDesk) -> None:
    assert "no release of it runs; start one" in desk.refuses("status", desk.chain)


def test_status_tells_of_the_one_that_runs_else_of_the_last(desk: ReleaseDesk) -> None:
    desk.has(Phase.ROLLED_BACK, "release-1", message="success-rate 0.7 is below 0.99", weight=0)
    said = desk.says("status", desk.chain)
    assert f"release release-1 of chain {desk.chain}: RolledBack" in said
    assert "success-rate 0.7 is below 0.99" in said
    assert "laneway release promote" not in said
    desk.has(Phase.PROGRESSING, "release-2", summary="2/5 25%", weight=25, step=1)
    said = desk.says("status", desk.chain)
    assert "release-2" in said
    assert "✓\u00a010%  ●\u00a025%  ○\u00a050%" in said
    assert f"laneway release promote {desk.chain} release-2" in said


def test_status_shows_both_versions_their_copies_and_who_gets_past_the_entry(desk: ReleaseDesk) -> None:
    rows = [
        {"metric": "requests", "lane": 12.34, "baseline": 111.1, "unit": "per second", "opinion": "none"},
        {"metric": "success-rate", "lane": 0.9, "baseline": 1.0, "unit": "ratio", "opinion": "bad"},
        {"metric": "latency", "lane": 0.0123, "baseline": None, "unit": "seconds", "opinion": "good"},
    ]
    rows[1]["message"] = "below 99 %"
    copies = [{"name": "payment", "wanted": 3, "ready": 2, "trouble": "crash loop"}]
    told = {"analysis": {"rows": rows}, "copies": copies, "callers": ["CronJob report calls payment"]}
    desk.has(Phase.PROGRESSING, **told)
    said = " ".join(desk.says("status", desk.chain).split())
    assert "requests 12.3/s 111/s" in said
    assert "success-rate 90 % 100 % bad: below 99 %" in said
    assert "latency 12.3 ms - good" in said
    assert "payment 2/3 ready (crash loop)" in said
    assert "CronJob report calls payment" in said


def test_status_for_programs_is_the_object(desk: ReleaseDesk) -> None:
    desk.has(Phase.PROGRESSING, weight=25)
    told = json.loads(desk.says("status", desk.chain, "--json"))
    assert told["name"] == "release-1"
    assert told["status"]["weight"] == 25


def test_list_shows_all_or_those_of_a_chain(desk: ReleaseDesk) -> None:
    assert "there are no releases; start one" in desk.says("list")
    desk.has(Phase.SUCCEEDED, "release-1", weight=0, step=4)
    desk.has(Phase.PAUSED, "release-2", reason=Reason.MANUAL.value, weight=25, step=1)
    lines = [line.split() for line in desk.says("list", desk.chain).splitlines()]
    assert [line[:3] for line in lines[1:]] == [
        [desk.chain, "release-1", "Succeeded"],
        [desk.chain, "release-2", "Paused"],
    ]
    assert [one["name"] for one in json.loads(desk.says("list", "--json"))] == ["release-1", "release-2"]
    assert f"did you mean {desk.chain}?" in desk.refuses("list", f"{desk.chain}x")


def test_start_wants_a_lane_or_images_and_not_both(desk: ReleaseDesk) -> None:
    for arguments in ((), ("--lane", "pr-4", "--image", "payment=example/payment:2")):
        done = desk.laneway("start", desk.chain, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--lane" in done.stderr


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("10,5", "step 2 does not rise: setWeight is 5 after 10"),
        ("10,50", "step 2 is the last and must be 100, not 50"),
        ("10,101", "step 2 must be from 0 to 100 percent, not 101"),
    ],
)
def test_steps_that_do_not_rise_to_100_are_refused(
    desk: ReleaseDesk, tmp_path: Path, steps: str, said: str
) -> None:
    (tmp_path / "shop.yaml").write_text(CHAIN.replace("NAME", desk.chain))
    desk.settings["LANEWAY_CHAINS"] = str(tmp_path)
    assert said in desk.refuses("start", desk.chain, "--lane", "pr-4", "--steps", steps)


@pytest.mark.parametrize(("option", "value"), [("--steps", "10,half"), ("--image", "payment")])
def test_what_cannot_be_read_is_wrong_usage(
    desk: ReleaseDesk, tmp_path: Path, option: str, value: str
) -> None:
    (tmp_path / "shop.yaml").write_text(CHAIN.replace("NAME", desk.chain))
    desk.settings["LANEWAY_CHAINS"] = str(tmp_path)
    other = ("--lane", "pr-4") if option == "--steps" else ()
    assert desk.laneway("start", desk.chain, option, value, *other).returncode == 2


@pytest.mark.parametrize("verb", ["list", "status shop", "promote shop", "start shop --lane pr-4"])
def test_a_cluster_that_is_not_there_is_said(desk: ReleaseDesk, verb: str) -> None:
    desk.settings["LANEWAY_KUBECONFIG"] = "/nowhere/kubeconfig"
    assert "/nowhere/kubeconfig" in desk.refuses(*verb.split())

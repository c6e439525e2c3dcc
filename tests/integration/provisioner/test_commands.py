"""The commands that people use, against a real API: what they print, what they change, how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from provisioner.cluster import Cluster
from provisioner.events import ForgeEvent, Kind
from provisioner.lane import decision
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane, stamp
from provisioner.lane.record import record
from provisioner.reconcile import converge
from tests.support.commands import LANEWAY, refusal
from tests.support.desk import Desk
from tests.support.devcluster import Devcluster
from tests.support.shop import REPOSITORY, SERVICES, Shop, open_shop
from tests.support.valkeys import valkey

HEAD, OTHER = "f" * 40, "e" * 40
STRANGER = "stranger/shop"


@dataclass
class ShopDesk(Desk):
    """A person who has the shop, too."""

    shop: Shop

    def lane(self, name: str) -> Lane:
        found = lanes.read(self.shop.cluster, self.shop.chain.name, name)
        assert found is not None
        return found


@pytest.fixture
def desk(tmp_path: Path, dev: Devcluster, cluster: Cluster) -> Iterator[ShopDesk]:
    shop = open_shop(tmp_path, cluster, f"shop-{uuid4().hex[:8]}")
    shop.clock.now = datetime.now(UTC)
    chains = tmp_path / "laneway.yaml"
    chains.write_text(chain_file(shop))
    settings = {
        "LANEWAY_KUBECONFIG": str(dev.kubeconfig),
        "LANEWAY_CHAINS": str(chains),
        "LANEWAY_MIRRORS": str(tmp_path / "mirrors"),
        "LANEWAY_REDIS_URL": "redis://127.0.0.1:1/0",
    }
    yield ShopDesk(settings, shop)
    for found in cluster.list("Lane"):
        cluster.delete("Lane", found["metadata"]["name"])


def chain_file(shop: Shop) -> str:
    services = {
        name: {"paths": [f"{name}/**"], "workload": f"Deployment/{name}", "image": f"{name}:{{sha}}"}
        for name in SERVICES
    }
    return yaml.safe_dump(
        {
            "chain": shop.chain.name,
            "namespace": shop.chain.name,
            "repositories": [{"url": shop.origin.url, "name": REPOSITORY}],
            "services": services,
            "shared_paths": {"libs/**": ["orders", "payment"]},
            "entry": {"service": "frontend", "host": "{lane}.preview.example.com"},
        }
    )


def opened(desk: ShopDesk, branch: str, *, run: bool = True) -> None:
    shop = desk.shop
    shop.origin.branch(branch, {"payment/app.py": branch})
    for one in record(shop.event(Kind.OPENED, branch), shop.chain, shop.world):
        if run:
            converge(shop.chain, one.lane, shop.world)


def fork(desk: ShopDesk, sha: str = HEAD) -> tuple[ForgeEvent, str]:
    """A stranger's pull request that waits for an approval, and the name of its lane."""
    event = desk.shop.event(Kind.OPENED, "patch-1", head_repository=STRANGER, sha=sha, author="eve")
    record(event, desk.shop.chain, desk.shop.world)
    return event, decision.lane_of(event, desk.shop.chain)


# --- lanes and status --------------------------------------------------------------------------------------


def test_lanes_lists_every_lane_on_a_line(desk: ShopDesk) -> None:
    opened(desk, "fast")
    opened(desk, "slow", run=False)
    heading, *rows = desk.says("lanes").splitlines()
    assert heading.split() == ["CHAIN", "LANE", "PHASE", "READY", "AGE", "URL"]
    assert rows[0].split()[1:4] == ["fast", "Deploying", "0/1"]
    assert rows[0].split()[-1] == "http://fast.preview.example.com"
    assert rows[1].split()[1:3] == ["slow", "Pending"]


def test_lanes_of_a_chain_are_those_of_no_other(desk: ShopDesk) -> None:
    opened(desk, "fast", run=False)
    lanes.write(desk.shop.cluster, Lane("nobodys", "other"))
    assert len(desk.says("lanes", desk.shop.chain.name).splitlines()) == 2


def test_lanes_of_a_chain_that_is_not_asks_whether_another_was_meant(desk: ShopDesk) -> None:
    opened(desk, "fast", run=False)
    assert f"did you mean {desk.shop.chain.name}?" in desk.refuses("lanes", desk.shop.chain.name[:-1])


def test_no_lanes_are_told_in_words(desk: ShopDesk) -> None:
    assert desk.says("lanes") == "there are no lanes; a pull request opens one\n"


def test_lanes_as_json_have_spec_and_status(desk: ShopDesk) -> None:
    opened(desk, "fast")
    (one,) = json.loads(desk.says("lanes", "--json"))
    assert (one["lane"], one["status"]["phase"]) == ("fast", "Deploying")


def test_status_tells_why_each_service_is_in_or_out_and_what_happened(desk: ShopDesk) -> None:
    opened(desk, "fast")
    told = desk.says("status", desk.shop.chain.name, "fast")
    lines = {line.split()[0]: line for line in told.splitlines() if line.strip()}
    assert lines["payment"].split()[:4] == ["payment", "yes", "Changed", "baseline"]
    assert f"payment:{desk.shop.origin.sha('fast')}" in lines["payment"]
    assert lines["orders"].split()[:4] == ["orders", "no", "Unchanged", "baseline"]
    assert lines["url:"].split()[1] == "http://fast.preview.example.com"
    assert "Opened" in told
    assert f"{REPOSITORY}#1" in told


def test_status_of_a_lane_that_is_not_asks_whether_another_was_meant(desk: ShopDesk) -> None:
    opened(desk, "fast", run=False)
    assert "did you mean fast?" in desk.refuses("status", desk.shop.chain.name, "fats")


def test_status_of_a_lane_that_has_not_converged_is_pending(desk: ShopDesk) -> None:
    opened(desk, "fast", run=False)
    assert "Pending" in desk.says("status", desk.shop.chain.name, "fast").splitlines()[0]


# --- pin and unpin -----------------------------------------------------------------------------------------


def test_pin_and_unpin_may_be_repeated(desk: ShopDesk) -> None:
    opened(desk, "fast", run=False)
    for command, wanted in (("pin", True), ("pin", True), ("unpin", False), ("unpin", False)):
        desk.says(command, desk.shop.chain.name, "fast")
        assert desk.lane("fast").pinned is wanted


def test_pinning_what_is_not_there_says_what_is(desk: ShopDesk) -> None:
    opened(desk, "fast", run=False)
    assert "there is fast" in desk.refuses("pin", desk.shop.chain.name, "zzz")


# --- approve -----------------------------------------------------------------------------------------------


def test_approving_the_commit_that_waits_opens_its_lane_for_that_commit(desk: ShopDesk) -> None:
    event, name = fork(desk)
    desk.says("approve", desk.shop.chain.name, name, HEAD)
    opened = desk.lane(name)
    assert opened.approved == (HEAD,)
    assert [(one.sha, one.fork, one.pull) for one in opened.members] == [(HEAD, "stranger", event.pull)]


def test_approving_twice_changes_nothing(desk: ShopDesk) -> None:
    _, name = fork(desk)
    desk.says("approve", desk.shop.chain.name, name, HEAD)
    before = desk.lane(name)
    desk.says("approve", desk.shop.chain.name, name, HEAD.upper())
    assert desk.lane(name) == before


def test_a_later_commit_of_the_fork_needs_an_approval_of_its_own(desk: ShopDesk) -> None:
    _, name = fork(desk)
    desk.says("approve", desk.shop.chain.name, name, HEAD)
    fork(desk, OTHER)
    assert [one.sha for one in desk.lane(name).members] == [HEAD]
    desk.says("approve", desk.shop.chain.name, name, OTHER)
    assert [one.sha for one in desk.lane(name).members] == [OTHER]


@pytest.mark.parametrize("sha", [OTHER, HEAD[:12], "", "--", "é" * 40])
def test_another_commit_is_refused_with_what_waits(desk: ShopDesk, sha: str) -> None:
    _, name = fork(desk)
    told = desk.refuses("approve", desk.shop.chain.name, name, "--", sha)
    assert f"{HEAD}  pull request 1 of {STRANGER}, by eve" in told
    assert lanes.read(desk.shop.cluster, desk.shop.chain.name, name) is None


def test_a_head_that_only_git_shows_waits_in_the_status_and_can_be_approved(desk: ShopDesk) -> None:
    shop = desk.shop
    first = shop.origin.branch("of-a-fork", {"payment/app.py": "2"})
    shop.origin.git("update-ref", "refs/pull/1/head", first)
    _, name = fork(desk, first)
    desk.says("approve", shop.chain.name, name, first)
    converge(shop.chain, name, shop.world)
    later = shop.origin.commit("of-a-fork", {"payment/app.py": "3"})
    shop.origin.git("update-ref", "refs/pull/1/head", later)
    converge(shop.chain, name, shop.world)
    assert f"laneway approve {shop.chain.name} {name} {later}" in desk.says("status", shop.chain.name, name)
    assert "the head that git shows" in desk.refuses("approve", shop.chain.name, name, OTHER)
    desk.says("approve", shop.chain.name, name, later)
    converge(shop.chain, name, shop.world)
    assert [one.sha for one in desk.lane(name).members] == [later]


def test_a_pull_request_that_was_closed_meanwhile_cannot_be_approved(desk: ShopDesk) -> None:
    _, name = fork(desk)
    closed = desk.shop.event(Kind.CLOSED, "patch-1", head_repository=STRANGER, sha=HEAD)
    record(closed, desk.shop.chain, desk.shop.world)
    assert "nothing to approve" in desk.refuses("approve", desk.shop.chain.name, name, HEAD)


def test_a_chain_that_takes_no_forks_approves_none(desk: ShopDesk) -> None:
    _, name = fork(desk)
    file = Path(desk.settings["LANEWAY_CHAINS"])
    file.write_text(file.read_text() + "forks: {policy: never}\n")
    assert "forks.policy" in desk.refuses("approve", desk.shop.chain.name, name, HEAD)


def test_approving_in_a_chain_without_a_file_asks_whether_another_was_meant(desk: ShopDesk) -> None:
    assert "did you mean" in desk.refuses("approve", desk.shop.chain.name + "x", "fast", HEAD)


# --- sweep -------------------------------------------------------------------------------------------------


@pytest.fixture
def queued(desk: ShopDesk, tmp_path: Path) -> Iterator[ShopDesk]:
    """A desk with a queue."""
    with valkey(tmp_path / "valkey") as url:
        desk.settings["LANEWAY_REDIS_URL"] = url
        yield desk


def test_a_dry_run_needs_no_queue_and_prints_each_reason(desk: ShopDesk) -> None:
    opened(desk, "fast")
    desk.shop.origin.delete("fast")
    told = desk.says("sweep", "--dry-run")
    assert "BranchGone" in told
    assert "branch fast is not in acme/shop any more" in told
    assert "nothing was written" in told
    assert desk.lane("fast").members


def test_a_real_sweep_without_a_queue_changes_nothing(desk: ShopDesk) -> None:
    opened(desk, "fast")
    desk.shop.origin.delete("fast")
    assert "QueueUnavailable" in desk.refuses("sweep")
    assert desk.lane("fast").members


def test_a_real_sweep_does_what_the_dry_run_said(queued: ShopDesk) -> None:
    opened(queued, "fast")
    opened(queued, "slow")
    queued.shop.origin.delete("fast")
    dry = json.loads(queued.says("sweep", "--dry-run", "--json"))
    real = json.loads(queued.says("sweep", "--json"))
    assert dry["findings"] == real["findings"]
    assert queued.lane("fast").members == ()
    assert queued.lane("slow").members


def test_a_sweep_that_the_brake_stops_ends_with_4_and_says_how_to_confirm(queued: ShopDesk) -> None:
    for number in range(5):
        opened(queued, f"branch-{number}", run=False)
        queued.shop.origin.delete(f"branch-{number}")
    done = queued.laneway("sweep")
    assert done.returncode == 4
    assert "laneway sweep --confirm" in done.stdout
    assert queued.lane("branch-0").members
    queued.says("sweep", "--confirm")
    assert queued.lane("branch-0").members == ()


def test_a_sweep_beside_another_ends_with_3_and_says_who_runs(queued: ShopDesk) -> None:
    queued.says("sweep")
    cluster = queued.shop.cluster
    found = cluster.get("Lease", "laneway-sweep", "laneway-system")
    assert found is not None
    spec = {**found["spec"], "holderIdentity": "worker-7", "renewTime": stamp(datetime.now(UTC))}
    taken = cluster.replace({**found, "spec": spec})
    done = queued.laneway("sweep")
    cluster.replace({**taken, "spec": {**spec, "holderIdentity": ""}})
    assert (done.returncode, done.stdout) == (3, "")
    assert "worker-7" in done.stderr


@pytest.mark.parametrize("command", ["lanes", "status", "approve", "pin", "unpin", "sweep"])
def test_every_command_says_how_it_ends(desk: ShopDesk, command: str) -> None:
    assert "Exit codes: 0 " in " ".join(desk.says(command, "--help").split())


def test_the_console_script_ends_with_one_clear_message(desk: ShopDesk, tmp_path: Path) -> None:
    settings = {**desk.settings, "LANEWAY_KUBECONFIG": str(tmp_path / "nowhere")}
    assert "LANEWAY_KUBECONFIG" in refusal([*LANEWAY, "lanes"], settings)

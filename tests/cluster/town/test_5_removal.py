"""An upgrade, the way out, and the chart without Helm."""

from __future__ import annotations

from typing import Any

from devcluster.dev.cluster import shop
from devcluster.dev.cluster.context import Context
from devcluster.dev.cluster.installation import PROCESSES, RELEASE, SYSTEM
from devcluster.dev.cluster.stage import ClusterStage
from devcluster.dev.cluster.town import NAMESPACES, Town
from tests.cluster.town.acting import answers, names, of_process, pods, push, services
from tests.cluster.town.load import PATIENCE, Lanes, load
from tests.support.waiting import until

Json = dict[str, Any]
FEW = 0.01  # of all requests
# what makes every pod anew, and another one of some
CHANGED = {"settings": {"drain_seconds": 3, "sweep_rate": 10}, "worker": {"replicas": 3}}


def test_an_upgrade_loses_no_lane_and_no_request(
    town: Town, ways: Json, stage: ClusterStage, steady: Lanes
) -> None:
    before = {process: set(names(pods(town.context, of_process(process)))) for process in PROCESSES}
    lanes = uids(town.context)
    with load(town, steady) as seen:
        town.installation.install(town.chain, CHANGED)
    assert seen.misled == {}
    # on a machine that is starting every process at once, a connection to a copy may take too long
    assert seen.fell_back < seen.right * FEW
    assert uids(town.context) == lanes
    for process, old in before.items():
        assert old.isdisjoint(names(pods(town.context, of_process(process)))), process
    push(stage, "upgraded", "upgraded", "payment")
    until(lambda: answers(stage, "upgraded", "upgraded"), "a lane opens after the upgrade", PATIENCE)


def uids(real: Context) -> dict[str, str]:
    """The lanes of the chain, and which objects they are."""
    found = real.get("lanes", "--selector", f"laneway.dev/chain={shop.CHAIN}")["items"]
    return {one["metadata"]["name"]: one["metadata"]["uid"] for one in found}


def test_uninstalling_detaches_the_chain_and_keeps_its_lanes(
    town: Town, ways: Json, before: dict[str, Json], real: Context
) -> None:
    lanes = uids(real)
    assert services(real) != before
    with load(town, {}) as seen:
        town.installation.uninstall()
        assert services(real) == before
    assert seen.wrong == {}
    left = real.get("deployments,pods,roles,rolebindings,configmaps", "--namespace", shop.FRONT)["items"]
    assert [name for name in names(left) if "laneway" in name] == []
    assert uids(real) == lanes


def test_the_rendered_chart_applied_by_kubectl_takes_the_lanes_up(
    town: Town, ways: Json, stage: ClusterStage, before: dict[str, Json], steady: Lanes
) -> None:
    chart = town.installation.rendered(town.chain)
    apply = ("--server-side", "--filename", "-")
    town.context.kubectl("apply", *apply, given=chart)
    for process in PROCESSES:
        where = ("--namespace", SYSTEM, "--timeout=180s")
        town.context.kubectl("rollout", "status", f"deployment/{RELEASE}-{process}", *where)
    town.installation.job("attach", "attach-again")
    until(lambda: answers(stage, "steady", "steady"), "the lane of before answers", PATIENCE)
    with load(town, steady) as seen:
        push(stage, "rendered", "rendered", "payment")
        until(lambda: answers(stage, "rendered", "rendered"), "a new lane answers", PATIENCE)
    assert seen.wrong == {}
    town.installation.job("detach", "detach-again")
    assert services(town.context) == before
    town.context.kubectl("delete", "--ignore-not-found", "--filename", "-", given=chart)


def test_removing_the_example_leaves_no_namespace(town: Town, real: Context) -> None:
    town.down()
    there = set(names(real.get("namespaces")["items"]))
    assert there.isdisjoint(NAMESPACES)

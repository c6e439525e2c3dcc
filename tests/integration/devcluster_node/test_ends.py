"""However devcluster or its helpers end, no pod process outlives them, and pods come back."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devcluster.kubelet.supervisor import NODE_MARK
from tests.integration.devcluster_node.test_deployments import answers, running_shop
from tests.support.commands import program
from tests.support.nodecluster import NodeCluster, service, workload
from tests.support.waiting import until

Object = dict[str, Any]
Web = Callable[..., Object]

FORKS = """
import os, signal, subprocess
subprocess.Popen(["sleep", "1000"])
subprocess.Popen(["setsid", "sleep", "1000"])
signal.pause()
"""

RUN = """
import asyncio, json, pathlib, sys
from devcluster import node
from devcluster.api import Api
from devcluster.store import Store
async def main():
    state = pathlib.Path(sys.argv[1])
    api = Api(Store(state / "store.db"))
    for pod in json.loads(sys.argv[2]):
        api.create("pods", "default", pod)
    async with node.run(api, state=state):
        await asyncio.Event().wait()
asyncio.run(main())
"""


def forking_pod() -> Object:
    container = {"name": "main", "image": "host", "command": ["python", "-c", FORKS]}
    return {"metadata": {"name": "forks", "labels": {"app": "forks"}}, "spec": {"containers": [container]}}


def node(state: Path, *pods: Object) -> list[str]:
    """The command of a devcluster with these pods, beside those that its state has."""
    return [sys.executable, "-c", RUN, str(state), json.dumps(pods)]


def of_node(state: Path) -> list[int]:
    """All processes that were started as part of a pod of this devcluster."""
    mark = f"{NODE_MARK}={state.resolve() / 'node'}".encode()
    return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and mark in environment(p)]


def environment(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def child(of: int, named: str) -> int | None:
    """The child process whose command line has `named` in it."""
    for children in Path(f"/proc/{of}/task").glob("*/children"):
        for pid in children.read_text().split():
            if named.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
    return None


def test_sigkill_of_devcluster_leaves_no_process(tmp_path: Path) -> None:
    with program(node(tmp_path, forking_pod())) as process:
        until(lambda: len(of_node(tmp_path)) == 3, "the pod and its children run")
        process.kill()
        process.wait()
    until(lambda: not of_node(tmp_path), "none of them is left")


def test_sigkill_of_devcluster_and_its_shim_is_mended_by_the_next_start(tmp_path: Path) -> None:
    with program(node(tmp_path, forking_pod())) as process:
        until(lambda: len(of_node(tmp_path)) == 3, "the pod and its children run")
        old = set(of_node(tmp_path))
        shim = child(process.pid, "shim.py")
        assert shim is not None
        os.kill(shim, signal.SIGSTOP)  # so that it cannot clean up before it is killed, too
        process.kill()
        os.kill(shim, signal.SIGKILL)
        process.wait()
    with program(node(tmp_path)):
        until(lambda: len(of_node(tmp_path)) == 3 and not old & set(of_node(tmp_path)), "only new ones run")
    until(lambda: not of_node(tmp_path), "none is left")


def test_pods_are_started_again_when_the_shim_dies(cluster: NodeCluster, web: Web) -> None:
    cluster.create("pods", forking_pod())
    until(lambda: cluster.ready_pods("forks") and len(of_node(cluster.state)) == 3, "the pod runs")
    old = set(of_node(cluster.state))
    shim = child(os.getpid(), "shim.py")
    assert shim is not None
    os.kill(shim, signal.SIGKILL)
    until(lambda: len(of_node(cluster.state)) == 3 and not old & set(of_node(cluster.state)), "it runs anew")
    (pod,) = cluster.pods("forks")
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 1


def test_services_answer_again_when_their_proxy_dies(cluster: NodeCluster, web: Web) -> None:
    url = running_shop(cluster, web())
    proxy = child(os.getpid(), "serviceproxy")
    assert proxy is not None
    os.kill(proxy, signal.SIGKILL)
    until(lambda: child(os.getpid(), "serviceproxy") not in (None, proxy), "there is another")
    until(lambda: answers(url), "the Service answers")


def test_a_restart_keeps_objects_and_starts_pods_anew(cluster: NodeCluster, web: Web, tmp_path: Path) -> None:
    cluster.create("services", service("shop"))
    cluster.create("deployments.apps", workload("shop", web()))
    (before,) = until(lambda: cluster.ready_pods("shop"), "it is ready")
    cluster.stop()
    assert of_node(cluster.state) == []
    again = NodeCluster(cluster.state)
    again.start()
    try:
        (after,) = until(lambda: started_again(again), "it is ready again")
    finally:
        again.stop()
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 137


def started_again(cluster: NodeCluster) -> list[Object]:
    ready = cluster.ready_pods("shop")
    return [pod for pod in ready if pod["status"]["containerStatuses"][0]["restartCount"] == 1]

"""What a person does with kubectl against a devcluster that runs as its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import program
from tests.support.nodecluster import service, workload
from tests.support.waiting import until

Object = dict[str, Any]
KUBECTL = Path(sys.executable).with_name("kubectl")


class Kubectl:
    """Runs kubectl; the answer's text."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig

    def __call__(self, *words: str, stdin: str = "") -> str:
        argv = [str(KUBECTL), "--kubeconfig", str(self._kubeconfig), *words]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(self, resource: tuple[str, str], obj: Object) -> None:
        version, kind = resource
        self("apply", "-f", "-", stdin=json.dumps({"apiVersion": version, "kind": kind, **obj}))


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    state = tmp_path_factory.mktemp("devcluster")
    with program([sys.executable, "-m", "devcluster", "--state", str(state)]) as process:
        kubeconfig = state / "kubeconfig"
        until(lambda: kubeconfig.exists() or process.poll() is not None, "the devcluster is up")
        yield Kubectl(kubeconfig)


DEPLOYMENT, SERVICE = ("apps/v1", "Deployment"), ("v1", "Service")


def test_rollouts_are_followed_undone_and_told(kubectl: Kubectl, web: Callable[..., Object]) -> None:
    kubectl.apply(SERVICE, service("shop"))
    kubectl.apply(DEPLOYMENT, workload("shop", web(), replicas=2))
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
    kubectl("set", "env", "deployment/shop", "VERSION=2")
    kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
    kubectl("rollout", "restart", "deployment/shop")
    kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
    assert [
        line.split()[0] for line in kubectl("rollout", "history", "deployment/shop").splitlines()[2:5]
    ] == [
        "1",
        "2",
        "3",
    ]
    kubectl("rollout", "undo", "deployment/shop", "--to-revision=1")
    kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
    template = json.loads(kubectl("get", "deployment", "shop", "-o", "json"))["spec"]["template"]
    assert {"name": "VERSION", "value": "1"} in template["spec"]["containers"][0]["env"]
    until(lambda: processes(kubectl, "shop") == [1, 1], "the pods of before have ended")
    assert "Scaled up replica set" in kubectl("describe", "deployment", "shop")
    kubectl("wait", "--for=condition=Available", "deployment/shop", "--timeout=60s")
    kubectl("delete", "deployment", "shop")
    kubectl("wait", "--for=delete", "pod", "-l", "app=shop", "--timeout=60s")


def processes(kubectl: Kubectl, deployment: str) -> list[int]:
    """How many processes each of its pods has."""
    running = json.loads(kubectl("get", "--raw", "/devcluster/processes"))
    return [len(pids) for pod, pids in running.items() if pod.startswith(f"default/{deployment}-")]


def test_a_crash_loop_is_seen_and_explained(kubectl: Kubectl) -> None:
    command = ["python", "-c", "print('my last words'); raise SystemExit(1)"]
    kubectl.apply(DEPLOYMENT, workload("crash", {"name": "main", "image": "host", "command": command}))
    until(lambda: "CrashLoopBackOff" in kubectl("get", "pods", "-l", "app=crash"), "the table says so")
    until(lambda: restarts(kubectl) >= 1, "it was started again")
    assert kubectl("logs", "deployment/crash") == "my last words\n"
    assert kubectl("logs", "deployment/crash", "--previous") == "my last words\n"
    assert "Back-off restarting failed container" in kubectl("describe", "pods", "-l", "app=crash")


def restarts(kubectl: Kubectl) -> int:
    (pod,) = json.loads(kubectl("get", "pods", "-l", "app=crash", "-o", "json"))["items"]
    return int(pod["status"]["containerStatuses"][0]["restartCount"])


def test_a_stateful_set_is_rolled_out_and_undone(kubectl: Kubectl, web: Callable[..., Object]) -> None:
    kubectl.apply(("apps/v1", "StatefulSet"), workload("db", web(), replicas=2, serviceName="db"))
    kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
    kubectl("set", "env", "statefulset/db", "VERSION=2")
    kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
    kubectl("rollout", "undo", "statefulset/db")
    kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
    found = json.loads(kubectl("get", "pod", "db-0", "-o", "json"))
    assert {"name": "VERSION", "value": "1"} in found["spec"]["containers"][0]["env"]

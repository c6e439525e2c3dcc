"""The rights that the chart grants are those that Laneway needs: not one too few, not one too many.

A whole system runs, each process under the account of the chart, and everything is done to its lanes that
makes one ask the cluster for something. A right that is missing shows as a refusal; one that nobody used in
all of it is one too many.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from devcluster.dev import accounts, control, processes, system
from devcluster.dev.repository import git
from devcluster.dev.state import State, read_json
from devcluster.dev.system import Asked
from provisioner import labels
from provisioner.cluster import Cluster, connect
from provisioner.lane.model import stamp
from provisioner.release import store
from provisioner.release.model import Change, Phase, Release
from provisioner.sweep.released import KEPT
from tests.support import rights
from tests.support.commands import LANEWAY
from tests.support.waiting import until
from workers import queue

Json = dict[str, Any]

CHAIN = """
chain: mini
namespace: mini
repositories: [{url: https://git.example.com/acme/mini.git, credentials: mini-git}]
services:
  web: {paths: ["web/**"], workload: Deployment/web, image: "git+{repository}@{sha}#web"}
  store: {paths: ["store/**"], workload: StatefulSet/store, image: "git+{repository}@{sha}#store"}
entry: {service: web, host: "{lane}.mini.localhost"}
release: {steps: [{setWeight: 50, pause: {}}, {setWeight: 100, pause: 1s}], onPush: true}
"""
WORKLOAD = """
apiVersion: apps/v1
kind: %(kind)s
metadata: {name: %(name)s}
spec:
  selector: {matchLabels: {app: %(name)s}}
  serviceName: %(name)s
  template:
    metadata: {labels: {app: %(name)s}}
    spec:
      containers:
        - name: app
          image: any
          command: [python, -m, http.server, --bind, $(POD_IP), "9000"]
          env: [{name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
          readinessProbe: {tcpSocket: {port: 9000}}
---
apiVersion: v1
kind: Service
metadata: {name: %(name)s}
spec: {selector: {app: %(name)s}, ports: [{port: 9000}]}
---
"""
OTHERS = """
apiVersion: v1
kind: Secret
metadata: {name: mini-git, namespace: laneway-system}
stringData: {token: nobody asks for it}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: archive}
spec:
  replicas: 0
  selector: {matchLabels: {app: archive}}
  template:
    metadata: {labels: {app: archive}}
    spec:
      containers: [{name: app, image: any}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: archive}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: store}
spec:
  podSelector: {matchLabels: {app: store}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 9000}]}]
"""
GHOST = "ghost"


@dataclass
class Running:
    """A system that is up, a clone of its repository, and an administrator's hands."""

    state: State
    clone: Path
    known: Json = field(init=False)
    cluster: Cluster = field(init=False)

    def __post_init__(self) -> None:
        self.known = read_json(self.state.endpoints)
        self.cluster = connect(str(self.state.kubeconfig))
        git(self.state.root, "clone", "--quiet", self.known["repository"], str(self.clone))

    def push(self, branch: str, **texts: str) -> None:
        """What the branch changes: a text for each service; a service not named is as on main."""
        git(self.clone, "switch", "--quiet", "--force-create", branch, "origin/main")
        for name, text in texts.items():
            (self.clone / name / "index.html").write_text(text)
        git(self.clone, "commit", "--quiet", "--allow-empty", "--all", "--message", f"{texts}")
        git(self.clone, "push", "--quiet", "--force", "origin", branch)

    def release(self) -> Json:
        """The status of the release that a push has started; nothing while there is none."""
        found = [one for one in self.cluster.list("Release") if one["spec"]["name"].startswith("push-")]
        return dict(found[0].get("status") or {}) if found else {}

    def has_pods(self, name: str, count: int) -> bool:
        live = self.cluster.get("Deployment", name, "mini") or {}
        return bool((live.get("status") or {}).get("availableReplicas") == count)

    def lane(self, name: str) -> Json | None:
        return self.cluster.get("Lane", f"mini.{name}")

    def is_ready(self, name: str, *services: str) -> bool:
        status = (self.lane(name) or {}).get("status", {})
        copies = {one["name"] for one in status.get("services", ()) if one["inLane"]}
        return status.get("phase") == "Ready" and copies == set(services)

    def owned(self, name: str) -> set[str]:
        kinds = ("Service", "Deployment", "StatefulSet", "ReplicaSet", "Pod", "NetworkPolicy")
        selector = f"{labels.LANE}={name}"
        return {kind for kind in kinds if self.cluster.list(kind, "mini", selector)}

    def run(self, process: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A `laneway` command with the rights of a process."""
        made = system.load(self.state)
        env = {
            **processes.clean(),
            **processes.settings(self.state, made.ports, made.secret),
            "LANEWAY_KUBECONFIG": str(self.state.account(process)),
        }
        return subprocess.run([*LANEWAY, *arguments], env=env, capture_output=True, text=True, timeout=120)

    def forget_ledgers(self) -> None:
        for one in self.cluster.list("ConfigMap", "laneway-system"):
            self.cluster.delete("ConfigMap", one["metadata"]["name"], "laneway-system")

    def sweep_in_worker(self) -> None:
        with redis.Redis.from_url(self.known["redis"], decode_responses=True) as client:
            queue.Queue(client).put(queue.sweep())

    @contextmanager
    def without_workers(self) -> Iterator[None]:
        """Workers stand still meanwhile."""
        pids = read_json(self.state.endpoints)["processes"]["worker"]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    def asks_for_use(self) -> bool:
        made = (one for one in self.requests() if one["user"].endswith("-worker"))
        return any(one["name"] == "laneway-use-mini" for one in made)

    def renews_use(self) -> bool:
        made = (one for one in self.requests() if one["user"].endswith("-router"))
        return any((one["verb"], one["name"]) == ("update", "laneway-use-mini") for one in made)

    def requests(self) -> list[Json]:
        admin = read_json(self.state.cluster / "apiserver.json")["admin"]
        found: list[Json] = httpx.get(f"{admin}/requests", timeout=60).json()["requests"]
        return found


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    source = tmp_path / "mini"
    (source / "k8s").mkdir(parents=True)
    for name in ("web", "store"):
        (source / name).mkdir()
        (source / name / "index.html").write_text("baseline")
    kinds = {"web": "Deployment", "store": "StatefulSet"}
    workloads = "".join(WORKLOAD % {"name": name, "kind": kind} for name, kind in kinds.items())
    (source / "k8s" / "all.yaml").write_text(workloads.replace("  serviceName: web\n", "") + OTHERS)
    (source / "laneway.yaml").write_text(CHAIN)
    state = State(tmp_path / "system")
    control.up(state, Asked(source / "laneway.yaml", source / "k8s", source, forge=True), lambda _: None)
    yield Running(state, tmp_path / "clone")
    control.down(state)


@pytest.mark.proof
def test_the_chart_grants_what_is_used_and_nothing_else(running: Running) -> None:
    sweeps_that_end_members(running)
    a_lane_that_changes_its_services(running)
    copies_that_somebody_edits(running)
    objects_whose_lane_is_gone(running)
    a_lane_in_use(running)
    an_attached_service_that_is_overwritten(running)
    a_lane_that_closes(running)
    a_release(running)
    the_way_back(running)
    watches_that_end(running)

    made = running.requests()
    chain = system.chain_file(running.state, system.load(running.state))
    installed = accounts.of_chains("laneway-system", [chain])
    missing = rights.refusals(made)
    assert not missing, "\n".join(missing)
    idle = rights.unused(made, rights.granted(accounts.rights(), chain.driver), installed)
    assert not idle, "\n".join(idle)


def sweeps_that_end_members(running: Running) -> None:
    """The first sweep writes ledger and Lease; members end whose branches went without a word."""
    running.push("gone", web="gone")
    until(lambda: running.is_ready("gone", "web"), "the lane is ready", seconds=60)
    with running.without_workers():
        running.cluster.delete("Lease", "laneway-sweep", "laneway-system")
        running.forget_ledgers()
        members = (running.lane("gone") or {})["spec"]["members"]
        bare = Path(running.known["repository"])
        git(bare, "update-ref", "-d", "refs/heads/gone")
        for _ in range(3):  # its branch is gone; it was buried; that has been said before
            running.cluster.merge("Lane", "mini.gone", {"spec": {"members": members}})
            swept = running.run("sweep", "sweep")
            assert swept.returncode == 0, swept.stderr
            assert not (running.lane("gone") or {})["spec"].get("members"), swept.stdout
    until(lambda: running.lane("gone") is None, "the lane is closed", seconds=60)


def a_lane_that_changes_its_services(running: Running) -> None:
    running.push("mine", web="one", store="one")
    until(lambda: running.is_ready("mine", "web", "store"), "both are in the lane", seconds=60)
    running.push("mine", web="two")
    until(lambda: running.is_ready("mine", "web"), "the store left the lane", seconds=60)
    running.push("mine", store="two")
    until(lambda: running.is_ready("mine", "store"), "the web left the lane", seconds=60)


def copies_that_somebody_edits(running: Running) -> None:
    """Twice the same, so that the second time is counted on the Event of the first."""
    name = running.cluster.list("StatefulSet", "mini", f"{labels.LANE}=mine")[0]["metadata"]["name"]
    for count in (1, 2):
        running.cluster.merge("StatefulSet", name, {"spec": {"replicas": 0}}, "mini")
        until(lambda count=count: put_back(running) >= count, f"it is put back, {count}", seconds=60)
        until(lambda: running.is_ready("mine", "store"), "the lane is ready again", seconds=60)


def put_back(running: Running) -> int:
    told = running.cluster.list("Event", "default")
    return sum(int(one.get("count", 1)) for one in told if one["reason"] == "PutBack")


def objects_whose_lane_is_gone(running: Running) -> None:
    for sweep in (lambda: running.run("sweep", "sweep"), running.sweep_in_worker):
        leave_behind(running)
        leave_releases(running)
        sweep()
        until(lambda: not running.owned(GHOST), "what the ghost left is removed", seconds=60)
        until(lambda: len(running.cluster.list("Release")) == KEPT, "old releases are removed", seconds=60)
        told = len(swept(running))
        sweep()
        sweep()
        until(lambda told=told: len(swept(running)) >= told, "sweeps that found the same", seconds=60)


def swept(running: Running) -> list[Json]:
    told = running.cluster.list("Event", "laneway-system")
    return [one for one in told if one["reason"] == "Swept"]


def leave_behind(running: Running) -> None:
    """One object of each kind that a lane may own, whose Lane is not there."""
    marks = {**labels.of_copy("mini", GHOST, "web"), "app": GHOST}
    metadata = {"name": GHOST, "namespace": "mini", "labels": marks}
    pod = {"containers": [{"name": "app", "image": "git+nowhere@0#web"}]}
    template = {"metadata": {"labels": {"app": GHOST}}, "spec": pod}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": GHOST}}, "template": template}
    objects = (
        ("v1", "Service", {"selector": {"app": GHOST}, "ports": [{"port": 80}]}),
        ("apps/v1", "Deployment", spec),
        ("apps/v1", "ReplicaSet", spec),
        ("apps/v1", "StatefulSet", {**spec, "serviceName": GHOST}),
        ("v1", "Pod", pod),
        ("networking.k8s.io/v1", "NetworkPolicy", {"podSelector": {"matchLabels": {"app": GHOST}}}),
        ("autoscaling/v2", "HorizontalPodAutoscaler", scaling(GHOST)),
    )
    for version, kind, wanted in objects:
        running.cluster.create({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": wanted})


def a_lane_in_use(running: Running) -> None:
    """One that nobody used for so long that it might sleep, as far as anybody noted."""
    running.push("mine", web="three", store="two")
    until(lambda: running.is_ready("mine", "web", "store"), "both are in the lane", seconds=60)
    earlier = stamp(datetime.now(UTC) - timedelta(hours=9))

    def used() -> bool:
        httpx.get(running.known["entry"], headers={"x-preview-lane": "mine"}, timeout=60)
        return (running.lane("mine") or {})["status"]["activeAt"] > earlier

    running.cluster.merge("Lane", "mini.mine", {"status": {"activeAt": earlier}}, subresource="status")
    until(running.asks_for_use, "a worker asks since when use is seen", seconds=60)
    until(used, "the router notes the use", seconds=60)
    until(running.renews_use, "the router notes again that use is seen", seconds=120)


def an_attached_service_that_is_overwritten(running: Running) -> None:
    """As a tool that applies its manifest does."""
    live = running.cluster.get("Service", "store", "mini") or {}
    attached = live["spec"]["selector"]
    running.cluster.merge("Service", "store", {"spec": {"selector": {"app": "store"}}}, "mini")
    until(
        lambda: (running.cluster.get("Service", "store", "mini") or {})["spec"]["selector"] == attached,
        "the Service leads to the router again",
        seconds=60,
    )


def a_lane_that_closes(running: Running) -> None:
    """With a ledger that has to be made."""
    running.forget_ledgers()
    git(running.clone, "push", "--quiet", "origin", ":mine")
    until(lambda: running.lane("mine") is None, "the lane is closed", seconds=60)


def leave_releases(running: Running) -> None:
    """One more than stay that is over."""
    for number in range(len(running.cluster.list("Release")), KEPT + 1):
        made = Release("mini", f"old-{number}-{len(running.requests())}", (Change("web", "any"),))
        made = store.create(running.cluster, made)
        store.write_status(running.cluster, made, {"phase": Phase.ROLLED_BACK.value})


def scaling(name: str) -> Json:
    """An autoscaler of a Deployment that nothing works by: pods do not say what they use here."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    return {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3}


def a_release(running: Running) -> None:
    """That a push starts, of a service whose baseline has an autoscaler at first."""
    metadata = {"name": "web", "namespace": "mini"}
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata}
    running.cluster.create({**scaler, "spec": scaling("web")})
    running.cluster.merge("Deployment", "web", {"spec": {"replicas": 2}}, "mini")
    until(lambda: running.has_pods("web", 2), "the web has two pods", seconds=60)
    running.push("main", web="released", store="released")
    until(lambda: running.release().get("weight") == 50, "the release has half of the requests", seconds=120)
    running.cluster.delete("HorizontalPodAutoscaler", "web", "mini")
    (pushed,) = (one for one in store.every(running.cluster, "mini") if not one.phase.over)
    store.write(running.cluster, replace(pushed, promoted=1))
    until(lambda: running.release().get("phase") == "Succeeded", "the release is over", seconds=120)


def the_way_back(running: Running) -> None:
    detached = running.run("attach", "detach", "--all")
    assert detached.returncode == 0, detached.stderr


def watches_that_end(running: Running) -> None:
    """A watch is told of once it has ended."""
    told = read_json(running.state.endpoints)["processes"]
    for name in ("beat", "router"):
        os.kill(told[name][0], signal.SIGTERM)

    def ended() -> bool:
        made = [one for one in running.requests() if one["verb"] == "watch"]
        return all(any(one["user"].endswith(name) for one in made) for name in ("-beat", "-router"))

    until(ended, "the watches of beat and router have ended", seconds=60)

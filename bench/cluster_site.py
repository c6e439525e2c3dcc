"""What is measured on a real cluster: Laneway by its chart, a chain of two services, a git server, load.

`echo` answers at once and is what requests are timed at, behind the router and, by the Service `direct`,
without it. `idle` does nothing, so that a hundred lanes of it cost a cluster little: pull requests change it
alone. All of it runs from Laneway's own image, so nothing else has to be built.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from bench import cluster_load, cluster_release
from bench.cluster_release import RELEASE, SYSTEM
from devcluster.dev import payloads, ports, processes
from devcluster.dev.cluster import images, parts, shop, tunnel
from devcluster.dev.cluster.context import Context
from devcluster.dev.cluster.installation import Installation
from devcluster.dev.ports import HOST
from devcluster.dev.repository import git

Json = dict[str, Any]

CHAIN = "bench"
NAMESPACE = "laneway-bench"
PORT = 8080
GIT_PORT, HOOKS_PORT = 9418, 8080
REPOSITORY = "acme/bench"
PATIENCE = "300s"
SCRIPT = Path(cluster_load.__file__).read_text()
LOAD = (parts.PYTHON, "-c", SCRIPT)
GIT_SERVER = f"""
git init --quiet --bare /tmp/{REPOSITORY}.git
exec git -c safe.directory='*' daemon --reuseaddr --port={GIT_PORT} --export-all --enable=receive-pack \\
  --base-path=/tmp /tmp
"""


@dataclass
class Site:
    """Everything that is measured, on one cluster. `folder` is this run's own."""

    context: Context
    folder: Path
    ports: dict[str, int] = field(default_factory=lambda: ports.settle(("git", "hooks"), {}))

    @cached_property
    def image(self) -> str:
        return self.release.images["laneway"]

    @cached_property
    def release(self) -> Installation:
        built = images.product(images.builder(self.context))
        return cluster_release.release(self.context, self.folder, built)

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    def up(self) -> None:
        """Brings it up, not yet attached; returns when every pod is ready."""
        self.context.apply(shop.namespace(NAMESPACE), *baseline(self.image))
        for name in ("echo", "idle", "git", "load"):
            self._await(f"deployment/{name}", NAMESPACE)
        cluster_release.install(self.release, chain(self.image))

    def down(self) -> None:
        """Takes everything out; the Lane definition stays."""
        self.context.kubectl("delete", "lanes", "--selector", f"laneway.dev/chain={CHAIN}", "--wait")
        cluster_release.remove(self.release)
        self.context.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout", PATIENCE)

    def restart(self, name: str, namespace: str) -> None:
        """A rolling restart of a Deployment, to its end."""
        self.context.kubectl("rollout", "restart", f"deployment/{name}", "--namespace", namespace)
        self._await(f"deployment/{name}", namespace)

    def latency(self, rounds: int, addresses: Sequence[str]) -> dict[str, list[float]]:
        """Asks the addresses in turn, from within the cluster; the sorted seconds of each."""
        said = self.context.kubectl(*self._load("latency", str(rounds), *addresses))
        return {address: sorted(waits) for address, waits in json.loads(said).items()}

    @contextmanager
    def watched(self, addresses: Sequence[str]) -> Iterator[dict[str, int]]:
        """Requests without end while the block runs; what came of them, by outcome, is filled in after it."""
        seen: dict[str, int] = {}
        command = [str(processes.BIN / "kubectl"), *self._load("watch", *addresses)]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=self.context.environment()
        ) as child:
            try:
                yield seen
            finally:
                told, _ = child.communicate()  # the end of its standard input is the end of its work
        seen.update(json.loads(told))

    @contextmanager
    def reached(self) -> Iterator[Forge]:
        """The ways to git and to the receiver, open, and a clone."""
        with ExitStack() as stack:
            git_pod = self._pod("app=git", NAMESPACE)
            serve = self._pod("app.kubernetes.io/component=serve", SYSTEM)
            stack.enter_context(
                tunnel.to_pod(self.context, NAMESPACE, git_pod, {self.ports["git"]: GIT_PORT})
            )
            stack.enter_context(tunnel.to_pod(self.context, SYSTEM, serve, {self.ports["hooks"]: HOOKS_PORT}))
            hooks = f"http://{HOST}:{self.ports['hooks']}/hooks/github"
            http = stack.enter_context(httpx.Client(timeout=30))
            forge = Forge(self.clone, hooks, self.release.secret, http)
            forge.start(f"git://{HOST}:{self.ports['git']}/{REPOSITORY}.git")
            yield forge

    def _load(self, *arguments: str) -> tuple[str, ...]:
        return ("exec", "-i", "--namespace", NAMESPACE, "deployment/load", "--", *LOAD, *arguments)

    def _pod(self, selector: str, namespace: str) -> str:
        found = self.context.get("pods", "--selector", selector, "--namespace", namespace)["items"]
        return str(found[0]["metadata"]["name"])

    def _await(self, what: str, namespace: str) -> None:
        where = ("--namespace", namespace, f"--timeout={PATIENCE}")
        self.context.kubectl("rollout", "status", what, *where)


@dataclass
class Forge:
    """The team's side: branches that are pushed, and the deliveries about them."""

    clone: Path
    hooks: str
    secret: str
    http: httpx.Client
    heads: dict[str, str] = field(default_factory=dict)

    def start(self, url: str) -> None:
        """The repository's first commit."""
        self.clone.mkdir()
        git(self.clone, "init", "--quiet", "--initial-branch=main")
        git(self.clone, "config", "user.name", "Bench")
        git(self.clone, "config", "user.email", "bench@example.invalid")
        git(self.clone, "remote", "add", "origin", url)
        self._commit("Start")
        git(self.clone, "push", "--quiet", "origin", "main")

    def branches(self, names: Sequence[str]) -> None:
        """Pushes branches that change `idle`."""
        for name in names:
            git(self.clone, "switch", "--quiet", "--create", name, "main")
            self._commit(f"Change {name}")
            self.heads[name] = git(self.clone, "rev-parse", "HEAD").strip()
        git(self.clone, "push", "--quiet", "origin", *names)

    def open(self, number: int, branch: str) -> None:
        """The delivery that a pull request was opened; returns when it was accepted."""
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        about = payloads.Repository(REPOSITORY, f"git://git.{NAMESPACE}/{REPOSITORY}.git", "main", now)
        said = payloads.pull_request("opened", payloads.Pull(number, branch, self.heads[branch]), about)
        headers, body = payloads.signed(said, self.secret, str(uuid4()))
        self.http.post(self.hooks, content=body, headers=headers).raise_for_status()

    def _commit(self, message: str) -> None:
        place = self.clone / "idle" / "what.txt"
        with contextlib.suppress(FileExistsError):
            place.parent.mkdir()
        place.write_text(message)
        git(self.clone, "add", "--all")
        git(self.clone, "commit", "--quiet", "--message", message)


def chain(image: str) -> Json:
    """The chain file; a copy runs the image that its original runs."""
    services = {
        name: {"paths": [f"{name}/**"], "workload": f"Deployment/{name}", "image": image}
        for name in ("echo", "idle")
    }
    return {
        "chain": CHAIN,
        "namespace": NAMESPACE,
        "repositories": [{"url": f"git://git.{NAMESPACE}/{REPOSITORY}.git", "name": REPOSITORY}],
        "services": services,
        "lifecycle": {"max_lanes": 500, "idle": "never"},
    }


def baseline(image: str) -> list[Json]:
    """The two services as everybody uses them, the Service around the router, the git server, the load."""
    serve = [*LOAD, "serve", str(PORT)]
    rest = ["sleep", "infinity"]

    def run(name: str, command: Sequence[str], port: int = 0) -> Json:
        return parts.deployment(name, NAMESPACE, image, command, port)

    return [
        run("echo", serve, PORT),
        run("idle", rest),
        run("git", ["sh", "-c", GIT_SERVER], GIT_PORT),
        run("load", rest),
        parts.service("echo", NAMESPACE, "echo", PORT),
        parts.service("direct", NAMESPACE, "echo", PORT),
        parts.service("idle", NAMESPACE, "idle", PORT),
        parts.service("git", NAMESPACE, "git", GIT_PORT),
    ]


def envoys() -> str:
    """The name of the chain's router Deployment."""
    return f"laneway-router-{CHAIN}"


def processes_of(pod: Json) -> str:
    """Which of Laneway's processes a pod is; empty when it is none."""
    labels = pod["metadata"].get("labels", {})
    if labels.get("laneway.dev/role") == "router":
        return "envoy"
    named = labels.get("app.kubernetes.io/instance") == RELEASE
    return str(labels.get("app.kubernetes.io/component", "")) if named else ""

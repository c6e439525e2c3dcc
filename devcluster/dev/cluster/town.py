"""The whole of it, step by step: the shop, what is outside, Laneway by its chart, and the ways in.

`up` may run again on what an interrupted run left; `down` removes everything, the namespaces last.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from devcluster.dev import manifests, ports, repository
from devcluster.dev.cluster import images, neighbours, outside, shop, tunnel, volumes
from devcluster.dev.cluster.context import Context
from devcluster.dev.cluster.installation import SYSTEM, VOLUME, Installation
from devcluster.dev.cluster.neighbours import OUTSIDE, Pipeline
from devcluster.dev.ports import HOST
from devcluster.dev.system import EXAMPLE
from provisioner import labels
from provisioner.chain.grammar import parse

Json = dict[str, Any]

PATIENCE = "120s"
POD = "outside"


@dataclass
class Town:
    """The example on one cluster. `folder` is this run's own."""

    context: Context
    folder: Path
    # ports of this machine that lead to the entry, to the git server and to the API
    ports: dict[str, int] = field(default_factory=lambda: ports.settle(("entry", "git", "api"), {}))

    @cached_property
    def built(self) -> dict[str, str]:
        """The images of this checkout, in the cluster."""
        return images.product(self._builder)

    @cached_property
    def installation(self) -> Installation:
        return Installation(self.context, self.folder, self.built)

    @cached_property
    def pipeline(self) -> Pipeline:
        return Pipeline(self._builder, self.built["example"])

    @cached_property
    def chain(self) -> Json:
        """The chain file."""
        original: Json = yaml.safe_load((EXAMPLE / "laneway.yaml").read_text())
        url = f"http://{original['entry']['host']}:{self.ports['entry']}"
        return shop.chain(original, neighbours.REPOSITORY, neighbours.NAME, images.SHOP, url)

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    @cached_property
    def _builder(self) -> images.Builder:
        return images.builder(self.context)

    def up(self) -> Iterator[tuple[str, float]]:
        """Brings everything up; says each step when it is done, with its seconds."""
        steps = (
            ("images built and loaded", lambda: self.built),
            ("Laneway installed by its chart", self._install),
            ("repository, forge and a way in, in a pod", self._outside),
            ("four services in two namespaces, as everybody uses them", self._baseline),
            ("router attached in front of the chain", lambda: self.installation.job("attach", "attach")),
        )
        for text, act in steps:
            began = time.monotonic()
            act()
            yield text, time.monotonic() - began

    def down(self) -> None:
        """Takes Laneway out, which restores the chain's Services, then everything else."""
        self.context.kubectl(
            "delete", "lanes", "--selector", f"{labels.CHAIN}={self.chain['chain']}", "--wait"
        )
        self.installation.uninstall()
        self.remove()

    def remove(self) -> None:
        """The namespaces, and what the queue kept."""
        self.context.kubectl("delete", "namespace", *NAMESPACES, "--ignore-not-found", "--timeout", PATIENCE)
        volumes.remove(self.context, VOLUME)

    @contextmanager
    def reached(self) -> Iterator[Json]:
        """The ways in, open; what the story has to know of them."""
        ways = {self.ports["entry"]: outside.ENTRY_PORT, self.ports["git"]: outside.GIT_PORT}
        with ExitStack() as stack:
            stack.enter_context(tunnel.to_pod(self.context, OUTSIDE, POD, ways))
            api = stack.enter_context(tunnel.to_api(self.context, self.ports["api"]))
            entry = parse(yaml.safe_dump(self.chain), "laneway.yaml").entry
            yield {
                "api": api,
                "chain": self.chain["chain"],
                "entry": f"http://{HOST}:{self.ports['entry']}",
                "kubeconfig": str(self.context.kubeconfig),
                "namespace": shop.BACK,
                "preview": entry.url_of("{lane}"),
                "repository": f"git://{HOST}:{self.ports['git']}/{neighbours.NAME}.git",
            }

    def _install(self) -> None:
        self.context.apply(*(shop.namespace(name) for name in (shop.FRONT, shop.BACK, OUTSIDE)))
        self.installation.install(self.chain)

    def _outside(self) -> None:
        made = self.installation
        self.context.kubectl("delete", "pod", POD, "--namespace", OUTSIDE, "--ignore-not-found")
        self.context.apply(*neighbours.pod(self.built["laneway"], made.hooks, made.secret))
        self.context.kubectl(
            *("wait", f"pod/{POD}", "--namespace", OUTSIDE, "--for=condition=Ready"), f"--timeout={PATIENCE}"
        )

    def _baseline(self) -> None:
        """The repository's first commit, its image, and the services that run it."""
        image = self._first_commit()
        objects = shop.baseline(manifests.read(EXAMPLE / "manifests"), image, replicas=2)
        self.context.apply(*objects)
        for name, place in shop.PLACES.items():
            where = ("--namespace", place, f"--timeout={PATIENCE}")
            self.context.kubectl("rollout", "status", f"deployment/{name}", *where)

    def _first_commit(self) -> str:
        shutil.rmtree(self.clone, ignore_errors=True)
        shutil.copytree(EXAMPLE, self.clone, ignore=shutil.ignore_patterns("__pycache__"))
        repository.git(self.clone, "init", "--quiet", f"--initial-branch={repository.MAIN}")
        repository.git(self.clone, "add", "--all")
        repository.git(self.clone, "commit", "--quiet", "--message", "Start the shop")
        image = self.pipeline.build(self.clone, repository.MAIN)
        with tunnel.to_pod(self.context, OUTSIDE, POD, {self.ports["git"]: outside.GIT_PORT}):
            url = f"git://{HOST}:{self.ports['git']}/{neighbours.NAME}.git"
            repository.git(self.clone, "remote", "add", "origin", url)
            repository.git(self.clone, "push", "--quiet", "--set-upstream", "origin", repository.MAIN)
        return image


NAMESPACES = (shop.FRONT, shop.BACK, OUTSIDE, SYSTEM)

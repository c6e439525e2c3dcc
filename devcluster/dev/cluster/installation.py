"""Laneway on a cluster as a team would install it: the chart, with values; and the same way out.

The release lies in a namespace of its own that refuses pods below the `restricted` level.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from devcluster.dev.cluster import volumes
from devcluster.dev.cluster.context import Context
from devcluster.dev.cluster.images import CHECKOUT
from devcluster.dev.cluster.shop import namespace

Json = dict[str, Any]

CHART = CHECKOUT / "charts" / "laneway"
RELEASE = "laneway-demo"  # beside another installation in the same cluster
SYSTEM = "laneway-demo"
VOLUME = f"{RELEASE}-valkey"
PROCESSES = ("serve", "worker", "beat", "router")
PATIENCE = "300s"


@dataclass
class Installation:
    """One release of the chart, in a namespace of its own: `system`. `folder` keeps its values; deliveries
    are signed with `secret`. Without a `volume` the queue is lost with its pod."""

    context: Context
    folder: Path
    images: Mapping[str, str]
    secret: str = field(default_factory=lambda: secrets.token_hex(20))
    release: str = RELEASE
    system: str = SYSTEM
    volume: str = VOLUME

    @property
    def hooks(self) -> str:
        """What forges post to, within the cluster."""
        return f"http://{self.release}-serve.{self.system}/hooks"

    def install(self, chain: Json, more: Json | None = None) -> None:
        """Installs, or upgrades, with a chain; returns when every pod is ready."""
        values = self._written(chain, more)
        self.context.apply(namespace(self.system))
        if self.volume:
            volumes.provide(self.context, self.volume)
        self._define()
        self.context.helm(
            *("upgrade", "--install", self.release, str(CHART), "--namespace", self.system),
            *("--values", str(values), "--skip-crds", "--wait", "--timeout", PATIENCE),
        )

    def rendered(self, chain: Json, more: Json | None = None) -> str:
        """The chart as a tool applies it that has no Helm: all objects but the definition of Lanes."""
        values = self._written(chain, more)
        where = ("--namespace", self.system, "--no-hooks", "--skip-crds")
        return self.context.helm("template", self.release, str(CHART), *where, "--values", str(values))

    def uninstall(self) -> None:
        """Takes the chart out, which detaches every chain first."""
        where = ("--namespace", self.system, "--ignore-not-found")
        self.context.helm("uninstall", self.release, *where, "--wait", "--timeout", PATIENCE)

    def job(self, template: str, name: str) -> str:
        """Runs a CronJob's Job now, as the chart's notes say; what it printed."""
        where = ("--namespace", self.system)
        self.context.kubectl("create", "job", name, f"--from=cronjob/{self.release}-{template}", *where)
        self.context.kubectl(
            "wait", f"job/{name}", "--for=condition=Complete", f"--timeout={PATIENCE}", *where
        )
        said = self.context.kubectl("logs", f"job/{name}", *where)
        self.context.kubectl("delete", "job", name, *where)
        return said

    def restart(self, workload: str) -> None:
        """A rolling restart, to its end."""
        where = ("--namespace", self.system)
        self.context.kubectl("rollout", "restart", workload, *where)
        self.context.kubectl("rollout", "status", workload, f"--timeout={PATIENCE}", *where)

    def _written(self, chain: Json, more: Json | None) -> Path:
        values = self.folder / "values.yaml"
        values.write_text(yaml.safe_dump({**self._values(chain), **(more or {})}))
        return values

    def _define(self) -> None:
        """Makes the definitions that are not there: Helm would fight over the others with whoever applied
        them before."""
        there = self.context.kubectl("get", "crd", "--output", "name").split()
        for file in sorted((CHART / "crds").glob("*.yaml")):
            name = yaml.safe_load(file.read_text())["metadata"]["name"]
            if f"customresourcedefinition.apiextensions.k8s.io/{name}" not in there:
                self.context.kubectl("create", "--filename", str(file))

    def _values(self, chain: Json) -> Json:
        kept: Json = {"size": volumes.SIZE} if self.volume else {"enabled": False}
        return {
            "chains": {str(chain["chain"]): yaml.safe_dump(chain, sort_keys=False)},
            "webhooks": {"github": {"secret": self.secret}},
            "image": _image(self.images["laneway"]),
            "envoy": {"image": _named(self.images["envoy"]), "replicas": 2},
            "valkey": {"image": _image(self.images["valkey"]), "persistence": kept},
        }


def _named(image: str) -> Json:
    repository, _, tag = image.rpartition(":")
    return {"repository": repository, "tag": tag}


def _image(image: str) -> Json:
    return {**_named(image), "pullPolicy": "IfNotPresent"}

"""A devcluster in a process of its own, for tests that need a Kubernetes API."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from provisioner.cluster import Cluster, connect
from tests.support import web
from tests.support.commands import program
from tests.support.waiting import until

CRDS = Path(__file__).parents[2] / "charts" / "laneway" / "crds"


@dataclass(frozen=True)
class Devcluster:
    """A running devcluster: its kubeconfig, a client, and its administrative address."""

    kubeconfig: Path
    cluster: Cluster
    admin: str
    process: subprocess.Popen[bytes]

    def requests(self, *, reset: bool = False) -> list[dict[str, Any]]:
        """The requests that it answered since the last reset."""
        answer = web.get(f"{self.admin}/requests", params={"reset": str(reset).lower()})
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["requests"]
        return found


@contextmanager
def devcluster(state: Path, *options: str) -> Iterator[Devcluster]:
    """Starts one with its state in a folder, installs Laneway's resources, and ends it afterwards."""
    command = [sys.executable, "-m", "devcluster", "--state", str(state), *options]
    with (
        (state / "devcluster.log").open("wb") as log,
        program(command, stdout=log, stderr=log) as process,
    ):
        address = state / "apiserver.json"
        until(lambda: address.exists() or process.poll() is not None, "devcluster is up")
        assert process.poll() is None, (state / "devcluster.log").read_text()
        cluster = connect(str(state / "kubeconfig"))
        install(cluster)
        yield Devcluster(state / "kubeconfig", cluster, json.loads(address.read_text())["admin"], process)


def install(cluster: Cluster) -> None:
    """Laneway's resources and its namespace."""
    for file in sorted(CRDS.glob("*.yaml")):
        cluster.apply(yaml.safe_load(file.read_text()), force=True)
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "laneway-system"}}, force=True
    )
    until(lambda: _serves_lanes(cluster), "Lanes are served")


def _serves_lanes(cluster: Cluster) -> bool:
    found = cluster.get("CustomResourceDefinition", "lanes.laneway.dev")
    conditions = (found or {}).get("status", {}).get("conditions", [])
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)

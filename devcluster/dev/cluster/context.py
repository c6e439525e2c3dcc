"""One cluster, named by its context: kubectl and helm on it, and nothing on any other.

What the context needs is copied into a kubeconfig of its own, so that no later change of the user's current
context, and no variable of the environment, can lead a command elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from devcluster.dev import processes
from provisioner.errors import LanewayError

Json = dict[str, Any]

# where the test cluster keeps what it built, helm among it
TEST_CLUSTER = Path(os.environ.get("TESTCLUSTER_HOME") or Path.home() / ".cache" / "laneway-testcluster")


class ClusterError(LanewayError):
    """The cluster, or a tool that acts on it, did not do what it was told."""

    reason = "RealCluster"


@dataclass(frozen=True)
class Context:
    """A cluster. `kubeconfig` holds this one context and is its current one."""

    name: str
    kubeconfig: Path

    @property
    def server(self) -> str:
        """The URL of its API."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        return str(config["clusters"][0]["cluster"]["server"])

    def kubectl(self, *arguments: str, given: str = "") -> str:
        """What kubectl prints; `given` is its standard input. Raises ClusterError with its words."""
        return self._run([str(processes.BIN / "kubectl"), *arguments], given)

    def helm(self, *arguments: str) -> str:
        """What helm prints. Raises ClusterError with its words, or when there is no helm."""
        return self._run([helm(), *arguments], "")

    def get(self, *arguments: str) -> Json:
        """An object, or a list of them, as JSON."""
        found: Json = json.loads(self.kubectl("get", *arguments, "--output", "json"))
        return found

    def apply(self, *objects: Json) -> None:
        """Applies objects server-side."""
        documents = yaml.safe_dump_all(objects)
        self.kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", given=documents)

    def environment(self) -> dict[str, str]:
        """Ours, with this cluster as the only one."""
        return {**processes.clean(), "KUBECONFIG": str(self.kubeconfig)}

    def _run(self, command: list[str], given: str) -> str:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, input=given, env=self.environment()
        )
        if done.returncode:
            told = (done.stderr or done.stdout).strip()[-2000:]
            raise ClusterError(
                f"{Path(command[0]).name} {' '.join(command[1:])[:200]}: {told}", where=self.name
            )
        return done.stdout


def choose(name: str, folder: Path) -> Context:
    """The cluster of a context in the user's kubeconfig, copied into `folder`. ClusterError when there is no
    such context."""
    kubectl = [
        str(processes.BIN / "kubectl"),
        "config",
        "view",
        "--minify",
        "--flatten",
        "--raw",
        "--context",
    ]
    done = subprocess.run([*kubectl, name], check=False, capture_output=True, text=True)
    if not name or done.returncode:
        raise ClusterError(
            f"there is no such context: {done.stderr.strip()}; `kubectl config get-contexts` lists yours, "
            "and KUBECONFIG names other files",
            where=f"CLUSTER={name}",
        )
    place = folder / "kubeconfig"
    place.touch(mode=0o600)
    place.write_text(done.stdout)
    return Context(name, place)


def helm() -> str:
    """The path of helm: on PATH, else where the test cluster has built it."""
    built = TEST_CLUSTER / "bin" / "helm"
    found = shutil.which("helm") or (str(built) if built.is_file() else None)
    if found is None:
        raise ClusterError("helm is not installed; https://helm.sh/docs/intro/install says how", where="helm")
    return found

"""The page about installing, as a new user takes it: its own commands, from top to bottom, on a real cluster.

What stands for the reader's own names is replaced, so that nothing else in the cluster is touched.
"""

from __future__ import annotations

import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devcluster.dev import processes
from devcluster.dev.cluster import context, images, shop
from devcluster.dev.cluster.context import Context
from devcluster.dev.cluster.parts import PYTHON
from provisioner import labels
from tests.support import ownparts
from tests.support.ownparts import PORT

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "install.md").read_text()
ATTACHING = ROOT / "docs" / "attaching.md"
RELEASE = "laneway-page"
SECONDS = 600


@dataclass(frozen=True)
class Reader:
    """Somebody who reads the page, with a cluster, a folder and images of their own."""

    cluster: Context
    folder: Path
    built: dict[str, str]
    mark: str

    @property
    def system(self) -> str:
        return f"{RELEASE}-{self.mark}"

    @property
    def chain(self) -> str:
        return f"page-{self.mark}"

    def types(self, heading: str, *, without: str = "") -> str:
        """Types in the commands below a heading, up to the next one; what they print."""
        commands = "\n".join(one for one in blocks(heading) if not without or without not in one)
        return self.runs(self._own(commands))

    def runs(self, script: str) -> str:
        done = subprocess.run(
            ["bash", "-c", f"set -euxo pipefail\n{script}"],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self._environment(),
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def _own(self, commands: str) -> str:
        """The commands with the reader's names in them."""
        laneway, envoy, valkey = (self.built[name].rpartition(":") for name in ("laneway", "envoy", "valkey"))
        ours = (
            f"image.repository={laneway[0]},image.tag={laneway[2]},"
            f"envoy.image.repository={envoy[0]},envoy.image.tag={envoy[2]},"
            f"valkey.image.repository={valkey[0]},valkey.image.tag={valkey[2]},"
            "valkey.persistence.enabled=false"  # a cluster for tests may have no volumes to give
        )
        for pattern, replacement in (
            (r"~/\.kube/config", str(self.cluster.kubeconfig)),
            (r"image\.repository=REGISTRY/laneway,envoy\.image\.repository=REGISTRY/envoy", ours),
            (r"\blaneway-system\b", self.system),
            (r"\b(helm \w+) laneway ", rf"\1 {RELEASE} "),
            (r"\bcronjob/laneway-", f"cronjob/{RELEASE}-"),
            (r"\bshop\b", self.chain),
        ):
            commands = re.sub(pattern, replacement, commands)
        return commands

    def _environment(self) -> dict[str, str]:
        found = self.folder / "bin"
        if not found.exists():
            found.mkdir()
            (found / "helm").symlink_to(context.helm())
        path = f"{found}:{processes.BIN}:{os.environ['PATH']}"
        return {**self.cluster.environment(), "PATH": path}


def blocks(heading: str) -> list[str]:
    """The commands below a heading, one string each, comments and all."""
    below = PAGE.partition(f"\n{heading}\n")[2]
    section = re.split(r"^#+ ", below, maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line.strip() for line in section.splitlines() if re.match(r" {4,}\S", line)]
    return re.split(r"(?<!\\)\n", "\n".join(lines))


@pytest.fixture(scope="module")
def reader(real: Context, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Whose namespace runs one service."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "charts").symlink_to(ROOT / "charts")
    found = Reader(real, folder, images.product(images.builder(real)), uuid.uuid4().hex[:6])
    command = [PYTHON, "-m", "http.server", str(PORT)]
    try:
        real.apply(
            shop.namespace(found.chain),
            *ownparts.served("web", found.chain, found.built["laneway"], command, PORT),
        )
        real.kubectl("rollout", "status", "deployment/web", "--namespace", found.chain, "--timeout=300s")
        yield found
    finally:
        real.helm("uninstall", RELEASE, "--namespace", found.system, "--ignore-not-found", "--wait")
        real.kubectl("delete", "namespace", found.system, found.chain, "--ignore-not-found", "--wait=false")


def test_the_page_installs_laneway_and_attaches_the_chain(reader: Reader) -> None:
    said = reader.types("## Install", without="describe lane")
    assert "web" in said  # what attaching said in its log
    service = reader.cluster.get("service", "web", "--namespace", reader.chain)
    assert service["spec"]["selector"][labels.ROLE] == "router"


def test_the_page_upgrades(reader: Reader) -> None:
    said = reader.types("## Upgrade")
    assert f'Release "{RELEASE}" has been upgraded' in said


def test_kubectl_alone_restores_while_nothing_of_laneway_runs(reader: Reader) -> None:
    """By the commands of the page about attaching."""
    where = ("--namespace", reader.system)
    reader.cluster.kubectl("scale", "deployment", "--all", "--replicas=0", *where)
    gone = ("--for=delete", "--timeout=300s", "--selector", "app.kubernetes.io/component in (router, worker)")
    reader.cluster.kubectl("wait", "pod", *gone, *where)
    (script,) = re.findall(r"^```sh\n(.*?)^```$", ATTACHING.read_text(), re.MULTILINE | re.DOTALL)
    names = f"chain={reader.chain} namespace={reader.chain}"
    reader.runs(script.replace("chain=shop namespace=shop", names))
    service = reader.cluster.get("service", "web", "--namespace", reader.chain)
    assert service["spec"]["selector"] == {"app": "web"}
    assert labels.ORIGINAL not in service["metadata"].get("annotations", {})
    assert ours(reader) == ["web"]


def test_the_page_uninstalls(reader: Reader) -> None:
    said = reader.types("## Uninstall")
    assert f'release "{RELEASE}" uninstalled' in said
    assert ours(reader) == ["web"]


def ours(reader: Reader) -> list[str]:
    """What there is in the chain's namespace of what attaching may have made, by name."""
    kinds = "deployments,services,poddisruptionbudgets,networkpolicies"
    found = reader.cluster.get(kinds, "--namespace", reader.chain)["items"]
    return sorted({one["metadata"]["name"] for one in found})

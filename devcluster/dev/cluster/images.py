"""How images come into a cluster: built from this checkout, and loaded the way that the cluster takes them.

Two kinds are known: the test cluster, whose own tool builds without a container engine, and kind, with
Docker. Others are refused by name.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from devcluster.dev.cluster import layer
from devcluster.dev.cluster.context import TEST_CLUSTER, ClusterError, Context

CHECKOUT = Path(__file__).parents[3]
TARGETS = ("laneway", "envoy", "valkey", "example")
SHOP = "docker.io/library/shop"  # the example's images, one tag a commit
AT_ONCE = 2  # builds


class Builder(Protocol):
    """Builds an image and brings it into one cluster."""

    def target(self, name: str) -> str:
        """The image of one of the Dockerfile's targets; its name with its tag."""

    def commit(self, example: str, folder: Path, sha: str) -> str:
        """What the team's CI would build of a commit: `example` with the commit's files in it."""


def builder(context: Context) -> Builder:
    """The way into this cluster. ClusterError when none is known."""
    if context.name.startswith("kind-") and shutil.which("docker"):
        return Kind(context.name.removeprefix("kind-"))
    if _is_test_cluster(context):
        return TestCluster(TEST_CLUSTER)
    raise ClusterError(
        "no way is known to bring images into this cluster; there is one for kind (contexts kind-...) where "
        "docker runs, and for the test cluster on its own machine",
        where=context.name,
    )


def product(builder: Builder) -> dict[str, str]:
    """The image of each target."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return dict(zip(TARGETS, threads.map(builder.target, TARGETS), strict=True))


def _is_test_cluster(context: Context) -> bool:
    config = TEST_CLUSTER / "kubeconfig"
    return config.is_file() and Context("", config).server == context.server


@dataclass(frozen=True)
class TestCluster:
    """The test cluster's own containerd; `home` is its folder."""

    __test__ = False  # no test, whatever its name begins with

    home: Path

    def target(self, name: str) -> str:
        image = _run([str(CHECKOUT / "deploy" / "image"), name]).decode().split()[-1]
        self._keep(image)
        return image

    def _keep(self, image: str) -> None:
        """Lets the kubelet take neither this image away nor the one that every pod begins with, when the disk
        is nearly full: there is nowhere to pull them from. Earlier builds of the image may go."""
        listed = self._containerd("images", "ls", "--quiet").decode().split()
        for one in listed:
            if one.rpartition(":")[0] == image.rpartition(":")[0]:
                self._label(one, "pinned" if one == image else "")
            elif "/pause:" in one:
                self._label(one, "pinned")

    def _label(self, image: str, pinned: str) -> None:
        self._containerd("images", "label", image, f"io.cri-containerd.pinned={pinned}")

    def commit(self, example: str, folder: Path, sha: str) -> str:
        name = f"{SHOP}:{sha}"
        with tempfile.NamedTemporaryFile(suffix=".tar") as file:
            file.write(layer.archive(self._image(example), folder, "shop", name))
            file.flush()
            self._containerd("images", "import", file.name)
        return name

    def _image(self, name: str) -> layer.Image:
        listed = self._containerd("images", "ls", f"name=={name}").decode().splitlines()[1:]
        if not listed:
            raise ClusterError("the image is not in the cluster", where=name)
        manifest = json.loads(self._content(listed[0].split()[2]))
        return layer.Image(manifest, json.loads(self._content(manifest["config"]["digest"])))

    def _content(self, digest: str) -> bytes:
        return self._containerd("content", "get", digest)

    def _containerd(self, *arguments: str) -> bytes:
        socket = self.home / "run" / "containerd.sock"
        return _run(["ctr", "--address", str(socket), "--namespace", "k8s.io", *arguments])


@dataclass(frozen=True)
class Kind:
    """A kind cluster: Docker builds, `kind load` brings the image onto the nodes."""

    cluster: str

    def target(self, name: str) -> str:
        image = f"docker.io/library/laneway-{name}:test"
        self._build(image, ["--target", name, str(CHECKOUT)])
        return image

    def commit(self, example: str, folder: Path, sha: str) -> str:
        image = f"{SHOP}:{sha}"
        dockerfile = f"FROM {example}\nCOPY . /shop\n"
        with tempfile.NamedTemporaryFile("w", suffix=".Dockerfile") as file:
            file.write(dockerfile)
            file.flush()
            self._build(image, ["--file", file.name, str(folder)])
        return image

    def _build(self, image: str, arguments: list[str]) -> None:
        _run(["docker", "build", "--quiet", "--tag", image, *arguments], {"DOCKER_BUILDKIT": "1"})
        _run(["kind", "load", "docker-image", image, "--name", self.cluster])


def _run(command: list[str], more: dict[str, str] | None = None) -> bytes:
    environment = {**os.environ, **(more or {})}
    done = subprocess.run(command, check=False, capture_output=True, env=environment, cwd=CHECKOUT)
    if done.returncode:
        told = (done.stderr or done.stdout).decode(errors="replace").strip()[-2000:]
        raise ClusterError(f"{' '.join(command)[:200]}: {told}", where="images")
    return done.stdout

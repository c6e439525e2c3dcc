"""What the shop on a cluster needs around it: the pod `outside` with the repository, its forge and a way to
the entry, and the CI that makes an image of each commit."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster.dev.cluster.images import SHOP, Builder
from devcluster.dev.cluster.outside import ENTRY_PORT, GIT_PORT
from devcluster.dev.cluster.shop import FRONT, POD_SECURITY, PORT, RESTRICTED

Json = dict[str, Any]

OUTSIDE = "laneway-demo-outside"  # the namespace, and its one pod is called `outside`
NAME = "acme/shop"  # what deliveries call the repository
REPOSITORY = f"git://outside.{OUTSIDE}/{NAME}.git"


def pod(image: str, hooks: str, secret: str) -> tuple[Json, Json]:
    """The pod and the Service by which Laneway reaches its git server."""
    labels = {"app": "outside"}
    environment = {
        "HOME": "/tmp",
        "OUTSIDE_STATE": "/tmp/state",
        "OUTSIDE_HOOKS": hooks,
        "OUTSIDE_SECRET": secret,
        "OUTSIDE_NAME": NAME,
        "OUTSIDE_ENTRY": f"frontend.{FRONT}:{PORT}",
    }
    container = {
        "name": "outside",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/opt/laneway/bin/python", "-m", "devcluster.dev.cluster.outside"],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "ports": [{"name": "git", "containerPort": GIT_PORT}, {"name": "entry", "containerPort": ENTRY_PORT}],
        "readinessProbe": {"tcpSocket": {"port": "git"}, "periodSeconds": 1},
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    metadata = {"name": "outside", "namespace": OUTSIDE, "labels": labels}
    spec = {
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "securityContext": POD_SECURITY,
        "terminationGracePeriodSeconds": 2,
        "automountServiceAccountToken": False,
    }
    service = {"selector": labels, "ports": [{"name": "git", "port": GIT_PORT, "targetPort": "git"}]}
    return (
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
    )


@dataclass(frozen=True)
class Pipeline:
    """A team's CI: an image for a commit. `example` is the image that the commit's files are laid over."""

    builder: Builder
    example: str

    def build(self, clone: Path, revision: str) -> str:
        """The image of a revision in a clone; its name with its tag, the whole commit."""
        sha = _git(clone, "rev-parse", f"{revision}^{{commit}}").decode().strip()
        with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile() as packed:
            packed.write(_git(clone, "archive", "--format=tar", sha))
            packed.seek(0)
            with tarfile.open(fileobj=packed) as tar:
                tar.extractall(scratch, filter="data")
            made = self.builder.commit(self.example, Path(scratch), sha)
        assert made == f"{SHOP}:{sha}"
        return made


def _git(clone: Path, *arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(clone), *arguments], check=True, capture_output=True)
    return done.stdout

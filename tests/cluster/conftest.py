"""A real cluster for the tests of this folder: the context that LANEWAY_CLUSTER names, and no other.

`make test-cluster CLUSTER=CONTEXT` sets it. Every test here is marked `cluster`; without a context each is
skipped, and says so.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.dev.cluster import context
from devcluster.dev.cluster.context import Context
from provisioner.cluster import Cluster, connect

CRDS = Path(__file__).parents[2] / "charts" / "laneway" / "crds"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            # a kubeconfig may say that the server's certificate is not to be verified
            item.add_marker(pytest.mark.filterwarnings("ignore:Unverified HTTPS request"))


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """The cluster under test, for kubectl and helm; Lanes are known to it."""
    name = os.environ.get("LANEWAY_CLUSTER", "")
    if not name:
        pytest.skip("LANEWAY_CLUSTER names no context: make test-cluster CLUSTER=CONTEXT")
    chosen = context.choose(name, tmp_path_factory.mktemp("cluster"))
    chosen.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=helm", "-f", str(CRDS))
    chosen.kubectl("wait", "--for=condition=Established", "crd/lanes.laneway.dev", "--timeout=60s")
    return chosen


@pytest.fixture(scope="session")
def cluster(real: Context) -> Cluster:
    """The same cluster as Laneway sees it, with an administrator's rights."""
    return connect(str(real.kubeconfig))


@pytest.fixture
def namespace(real: Context) -> Iterator[str]:
    """A namespace of the test's own, which enforces the `restricted` Pod Security level."""
    name = f"laneway-test-{uuid.uuid4().hex[:8]}"
    real.apply(labelled(name))
    yield name
    real.kubectl("delete", "namespace", name, "--wait=false")


def labelled(name: str) -> dict[str, object]:
    """A namespace that refuses pods below the `restricted` level."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}

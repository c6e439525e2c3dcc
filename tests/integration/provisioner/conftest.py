from __future__ import annotations

from collections.abc import Iterator

import pytest

from provisioner.cluster import Cluster
from tests.support.devcluster import Devcluster, devcluster


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devcluster]:
    """An API server without a node: what is written stays as it is written."""
    with devcluster(tmp_path_factory.mktemp("devcluster"), "--no-node") as running:
        yield running


@pytest.fixture
def cluster(dev: Devcluster) -> Cluster:
    return dev.cluster

"""Fixtures: one API server for the tests of a module, without a node. What is written stays as it is written.

A folder of tests takes them over in its conftest.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from provisioner.cluster import Cluster
from tests.support.devcluster import Devcluster, devcluster


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devcluster]:
    with devcluster(tmp_path_factory.mktemp("devcluster"), "--no-node") as running:
        yield running


@pytest.fixture
def cluster(dev: Devcluster) -> Cluster:
    return dev.cluster

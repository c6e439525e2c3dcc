from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.devcluster import Devcluster, devcluster
from tests.support.shop import Shop, open_shop


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devcluster]:
    """An API server without a node."""
    with devcluster(tmp_path_factory.mktemp("devcluster"), "--no-node") as running:
        yield running


@pytest.fixture
def shop(tmp_path: Path, dev: Devcluster) -> Shop:
    return open_shop(tmp_path, dev.cluster, f"shop-{uuid4().hex[:8]}")

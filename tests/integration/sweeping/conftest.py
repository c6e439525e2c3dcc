from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from provisioner.cluster import Cluster
from tests.support.nodeless import cluster, dev
from tests.support.shop import Shop, open_shop

__all__ = ["cluster", "dev", "shop"]


@pytest.fixture
def shop(tmp_path: Path, cluster: Cluster) -> Iterator[Shop]:
    """A shop of its own. The lanes that a test leaves go afterwards, since a sweep looks at all."""
    yield open_shop(tmp_path, cluster, f"shop-{uuid4().hex[:8]}")
    for found in cluster.list("Lane"):
        cluster.merge("Lane", found["metadata"]["name"], {"metadata": {"finalizers": None}})
        cluster.delete("Lane", found["metadata"]["name"])

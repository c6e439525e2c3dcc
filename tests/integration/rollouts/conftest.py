from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from provisioner.cluster import Cluster
from tests.support.nodeless import cluster, dev
from tests.support.rolloutshop import RolloutShop, open_rollouts

__all__ = ["cluster", "dev"]


@pytest.fixture
def shop(cluster: Cluster, tmp_path: Path) -> RolloutShop:
    return open_rollouts(tmp_path, cluster, f"shop-{uuid4().hex[:8]}")

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.devcluster import Devcluster
from tests.support.nodeless import dev
from tests.support.shop import Shop, open_shop

__all__ = ["dev", "shop"]


@pytest.fixture
def shop(tmp_path: Path, dev: Devcluster) -> Shop:
    return open_shop(tmp_path, dev.cluster, f"shop-{uuid4().hex[:8]}")

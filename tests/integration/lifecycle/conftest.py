from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.devcluster import Devcluster, devcluster
from tests.support.valkeys import valkey


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lifecycle")


@pytest.fixture(scope="module")
def dev(folder: Path) -> Iterator[Devcluster]:
    """An API server without a node."""
    state = folder / "devcluster"
    state.mkdir()
    with devcluster(state, "--no-node") as running:
        yield running


@pytest.fixture(scope="module")
def redis_url(folder: Path) -> Iterator[str]:
    with valkey(folder / "valkey") as url:
        yield url

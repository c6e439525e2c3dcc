from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.support.devcluster import Devcluster, devcluster
from tests.support.stage import Stage, furnished
from tests.support.valkeys import valkey


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of runs log what matters only."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.configure(**before)


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


@pytest.fixture(scope="module")
def stage(dev: Devcluster, redis_url: str, folder: Path) -> Stage:
    return furnished(dev, redis_url, folder)

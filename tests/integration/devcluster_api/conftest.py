"""A devcluster of the module's own, serving the API alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.apiserver import Server, started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(tmp_path_factory.mktemp("devcluster")) as found:
        yield found


@pytest.fixture(autouse=True)
def clean(server: Server) -> Iterator[None]:
    """No fault outlives its case."""
    yield
    server.cluster.delete("/devcluster/faults", expect=200)
    server.cluster.delete("/devcluster/requests", expect=200)

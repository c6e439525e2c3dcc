"""A rolling restart of any part of Laneway fails no request and leads none another way."""

from __future__ import annotations

from typing import Any

import pytest

from devcluster.dev.cluster import shop
from devcluster.dev.cluster.installation import PROCESSES, RELEASE
from devcluster.dev.cluster.town import Town
from tests.cluster.town.load import Lanes, load

Json = dict[str, Any]


@pytest.mark.parametrize("process", PROCESSES)
def test_restarting_a_process_fails_no_request(town: Town, ways: Json, steady: Lanes, process: str) -> None:
    with load(town, steady) as seen:
        town.installation.restart(f"deployment/{RELEASE}-{process}")
    assert seen.wrong == {}


@pytest.mark.parametrize("place", [shop.FRONT, shop.BACK])
def test_restarting_the_envoys_fails_no_request(town: Town, ways: Json, steady: Lanes, place: str) -> None:
    name, where = f"deployment/laneway-router-{shop.CHAIN}", ("--namespace", place)
    with load(town, steady) as seen:
        town.context.kubectl("rollout", "restart", name, *where)
        town.context.kubectl("rollout", "status", name, *where, "--timeout=180s")
    assert seen.wrong == {}

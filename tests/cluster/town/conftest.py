"""One installation of the example for all cases of this folder, which run in the order of their files' names:
the story, restarts, deaths, an outage, an upgrade, and the way out."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from devcluster.dev.cluster import play
from devcluster.dev.cluster.context import Context
from devcluster.dev.cluster.stage import ClusterStage
from devcluster.dev.cluster.town import Town
from devcluster.dev.demo.tell import Tell
from tests.cluster.town.acting import answers, push, services
from tests.cluster.town.load import PATIENCE, Lanes, lasts
from tests.support.waiting import until

Json = dict[str, Any]
STEADY = ("steady", ("frontend", "payment"))


@pytest.fixture(scope="package")
def before() -> dict[str, Json]:
    """The chain's Services as they were before the router was attached."""
    return {}


@pytest.fixture(scope="package")
def town(real: Context, before: dict[str, Json], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The example, installed; removed afterwards, unless a case has done so."""
    made = Town(real, tmp_path_factory.mktemp("town"))
    try:
        for text, seconds in made.up():
            print(f"{seconds:6.1f} s  {text}")
            if "four services" in text:
                before.update(services(real))
        yield made
    finally:
        made.down()


@pytest.fixture(scope="package")
def ways(town: Town) -> Iterator[Json]:
    with town.reached() as found:
        play.identify(town)
        yield found


@pytest.fixture(scope="package")
def stage(town: Town, ways: Json) -> Iterator[ClusterStage]:
    silent = Tell(Console(file=StringIO(), soft_wrap=True))
    made = ClusterStage(ways, town.clone, silent, pipeline=town.pipeline)
    yield made
    made.close()


@pytest.fixture(scope="package")
def steady(town: Town, stage: ClusterStage) -> Lanes:
    """A lane that answers through each Envoy, with its services; no case changes it."""
    branch, members = STEADY
    push(stage, branch, "steady", *members)
    until(lambda: answers(stage, branch, "steady"), "the steady lane answers", PATIENCE)
    until(lambda: lasts(town, {branch: members}), "it does so again and again", PATIENCE)
    return {branch: members}

"""The definition of Releases knows all that is written: a cluster drops what it does not know."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner.chain.releasing import KEYS
from provisioner.chain.strategy import Analysis, Audience, Metric, Provider, Step, Sticky, Strategy
from provisioner.lane.model import Fixed, Lane, Mode
from provisioner.release.model import Phase
from tests.unit.release.world import world

Json = dict[str, Any]
CRDS = Path(__file__).parents[3] / "charts" / "laneway" / "crds"
FULL = Strategy(
    steps=(Step(0, manual=True), Step(100, analysis=Analysis().interval)),
    sticky=Sticky(header="x-user"),
    audience=Audience("x-beta", "yes", "tester", "1"),
    analysis=Analysis(
        provider=Provider.PROMETHEUS,
        url="http://prometheus:9090",
        metrics=(Metric("own", "up", "down", 0.1, 0.9, 0.5), Metric("latency", maximum=1.0)),
    ),
    max_surge=2,
    notify=("https://hooks.example.com",),
)


@cache
def schema(name: str) -> Json:
    found: Json = yaml.safe_load((CRDS / f"{name}.yaml").read_text())
    return dict(found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"])


def dropped(known: Json, data: Any, path: str = "") -> list[str]:
    """What of the data is nowhere in a schema."""
    if isinstance(data, list):
        return [lost for one in data for lost in dropped(known["items"], one, f"{path}[]")]
    if not isinstance(data, dict):
        return []
    properties = known.get("properties", {})
    open_ended = known.get("x-kubernetes-preserve-unknown-fields", False)
    lost = [f"{path}.{key}" for key in data if key not in properties and not open_ended]
    return lost + [
        below
        for key, value in data.items()
        if key in properties
        for below in dropped(properties[key], value, f"{path}.{key}")
    ]


def test_a_cluster_keeps_all_of_a_release_that_is_written() -> None:
    assert dropped(schema("releases")["spec"], world(FULL).release.spec()) == []


def test_the_strategy_has_the_keys_of_the_chain_file_and_no_others() -> None:
    assert set(schema("releases")["spec"]["properties"]["strategy"]["properties"]) == set(KEYS)


def test_every_phase_is_known() -> None:
    assert schema("releases")["status"]["properties"]["phase"]["enum"] == [one.value for one in Phase]


def test_a_cluster_keeps_all_of_a_release_lane_that_is_written() -> None:
    lane = Lane(
        "shop", "v2", mode=Mode.MEMBERS, release="v2", fixed=(Fixed("orders", "acme/orders:2", 3, "r1"),)
    )
    assert dropped(schema("lanes")["spec"], lane.spec()) == []


@pytest.mark.parametrize("stage", [Phase.PROGRESSING, Phase.FINISHING, Phase.SUCCEEDED])
def test_a_status_says_what_its_definition_does(stage: Phase) -> None:
    shop = world(Strategy(steps=(Step(50), Step(100))), most=10, least=1)
    shop.to(stage)
    known = schema("releases")["status"]["properties"]
    assert {"phase", "reason", "message", "at", "weight"} <= known.keys() & shop.status.keys()
    for key in known.keys() & shop.status.keys():
        assert dropped(known[key], shop.status[key]) == [], key

"""The chart's values: nothing that is not listed, and Laneway's settings by the names that they have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from provisioner.settings import Settings

Json = dict[str, Any]
CHART = Path(__file__).parents[3] / "charts" / "laneway"
# what the chart decides by values of its own, or by what it renders
DECIDED = {
    *("redis_url", "chains", "namespace", "kubeconfig", "github_secrets", "github_token_file", "github_api"),
    *("link_keys_file", "responder_host", "responder_port", "responder_grpc_port", "responder_service"),
    *("hooks_host", "hooks_port", "mirrors", "discovery_host", "discovery_port", "discovery_address"),
    *("envoy_image", "envoy_replicas", "metrics_host", "metrics_port", "notify_key_file"),
}


def schema() -> Json:
    found: Json = json.loads((CHART / "values.schema.json").read_text())
    return found


def test_every_setting_that_the_chart_does_not_decide_can_be_given() -> None:
    assert set(schema()["properties"]["settings"]["properties"]) == set(Settings.model_fields) - DECIDED


def test_every_value_has_its_place_in_the_schema_and_the_other_way_round() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    listed = set(schema()["properties"]) - {"global"}  # Helm adds it where the chart is part of another

    assert set(values) == listed
    parts = ("valkey", "serve", "worker", "monitoring", "hooks", "previews", "attach", "sweep")
    for key in (*parts, "links", "notices"):
        assert set(values[key]) == set(schema()["properties"][key]["properties"]), key


def test_no_object_of_the_schema_takes_what_it_does_not_know() -> None:
    """Free are only lists of Kubernetes' own objects and maps whose keys are anybody's names."""
    for path, one in objects(schema(), "values"):
        if "properties" in one and "required" not in one:
            assert one.get("additionalProperties") is False, path


def objects(node: Any, path: str) -> Iterator[tuple[str, Json]]:
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield path, node
        for key, value in node.items():
            yield from objects(value, f"{path}.{key}")

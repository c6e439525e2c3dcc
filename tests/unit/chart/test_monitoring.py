"""Queries that Prometheus takes, and a page that says of every alert what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

Json = dict[str, Any]
ROOT = Path(__file__).parents[3]
FILES = ROOT / "charts" / "laneway" / "files"
OPERATIONS = ROOT / "docs" / "operations.md"
VARIABLES = {"$chain": ".*", "$__rate_interval": "1m", "$__interval": "1m", "$__range": "1h"}  # Grafana's


def rules() -> list[Json]:
    alerts: Json = yaml.safe_load((FILES / "alerts.yaml").read_text())
    return [rule for group in alerts["groups"] for rule in group["rules"]]


def panels() -> Iterator[tuple[str, str]]:
    for panel in json.loads((FILES / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_is_a_rule_that_prometheus_takes(rule: Json) -> None:
    """By its grammar and its types: a rate of what is no range is refused."""
    promql_parser.parse(rule["expr"])
    if "for" in rule:
        assert promql_parser.parse_duration(rule["for"]).total_seconds() > 0
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}


@pytest.mark.parametrize(("title", "query"), list(panels()))
def test_a_panel_asks_what_prometheus_understands(title: str, query: str) -> None:
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    promql_parser.parse(query)


def test_the_page_about_operations_says_of_every_alert_what_to_do() -> None:
    described = re.findall(r"^\| `(Laneway\w+)` \| .+ \| .+ \|$", OPERATIONS.read_text(), re.MULTILINE)
    assert described == [rule["alert"] for rule in rules()]

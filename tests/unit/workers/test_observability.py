"""The documents, the dashboard and the alerts speak of exactly the metrics that there are."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PACKAGES = ("provisioner", "workers", "webhooks")
FILES = ROOT / "charts" / "laneway" / "files"
SUFFIXES = {"Counter": ("_total",), "Gauge": ("",), "Histogram": ("_bucket", "_count", "_sum")}
# labels that scrapers put on every series; one of a metric's own is renamed to exported_...
TAKEN = {"job", "instance", "namespace", "pod", "container", "endpoint", "service", "node"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Metric:
    """A metric as the code defines it."""

    name: str
    kind: str
    labels: frozenset[str]

    @property
    def series(self) -> tuple[str, ...]:
        return tuple(f"{self.name}{suffix}" for suffix in SUFFIXES[self.kind])

    @property
    def documented(self) -> str:
        """As docs/metrics.md writes it, without labels."""
        return f"{self.name}_total" if self.kind == "Counter" else self.name


def defined() -> list[Metric]:
    return [
        metric
        for package in PACKAGES
        for file in sorted((ROOT / package).rglob("*.py"))
        for metric in in_code(ast.parse(file.read_text()))
    ]


def in_code(tree: ast.AST) -> Iterator[Metric]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SUFFIXES:
            texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
            if texts and str(texts[0]).startswith("laneway_"):
                lists = [one for one in node.args if isinstance(one, ast.List)]
                labels = [ast.literal_eval(one) for one in lists]
                yield Metric(
                    str(texts[0]), node.func.id, frozenset(label for some in labels for label in some)
                )


METRICS = defined()
BY_SERIES = {series: metric for metric in METRICS for series in metric.series}


def expressions() -> list[tuple[str, str]]:
    """Where each query stands, and what it is."""
    dashboard: Json = json.loads((FILES / "dashboard.json").read_text())
    alerts: Json = yaml.safe_load((FILES / "alerts.yaml").read_text())
    panels = [
        (panel["title"], target["expr"])
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]
    rules = [(rule["alert"], rule["expr"]) for group in alerts["groups"] for rule in group["rules"]]
    return [*panels, *rules]


def test_the_documents_list_every_metric_with_its_labels_and_no_other() -> None:
    rows = re.findall(
        r"^\| `(laneway_\w+)(?:\{([\w,]+)\})?` \|", (ROOT / "docs" / "metrics.md").read_text(), re.M
    )
    listed = {name: frozenset(filter(None, labels.split(","))) for name, labels in rows}
    assert len(rows) == len(listed)
    assert listed == {metric.documented: metric.labels for metric in METRICS}


def test_no_metric_has_a_label_that_scrapers_take_for_themselves() -> None:
    assert {metric.name: metric.labels & TAKEN for metric in METRICS if metric.labels & TAKEN} == {}


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_a_query_asks_for_metrics_and_labels_that_exist(where: str, expression: str) -> None:
    names = set(re.findall(r"\blaneway_\w+", expression))
    assert names
    assert names <= BY_SERIES.keys()
    known = {"le"}.union(*(BY_SERIES[name].labels for name in names))
    grouped = {
        label.strip() for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(",")
    }
    matched = set(re.findall(r"[{,](\w+)=~?\"", expression))
    assert grouped | matched <= known


def test_the_dashboard_shows_every_metric() -> None:
    shown = {name for _, expression in expressions() for name in re.findall(r"\blaneway_\w+", expression)}
    assert {BY_SERIES[name] for name in shown} == set(METRICS)


def test_every_alert_says_what_is_wrong_and_where_to_look() -> None:
    alerts: Json = yaml.safe_load((FILES / "alerts.yaml").read_text())
    rules = [rule for group in alerts["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in ("info", "warning", "critical"), rule["alert"]
        assert rule["annotations"].keys() == {"summary", "description"}, rule["alert"]


def test_what_an_alert_names_of_its_labels_its_query_keeps() -> None:
    alerts: Json = yaml.safe_load((FILES / "alerts.yaml").read_text())
    for rule in (rule for group in alerts["groups"] for rule in group["rules"]):
        named = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        kept = {
            one.strip() for group in re.findall(r"by \(([^)]*)\)", rule["expr"]) for one in group.split(",")
        }
        assert named <= kept, rule["alert"]


def test_the_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    panels = json.loads((FILES / "dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24

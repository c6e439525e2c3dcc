"""Reads the `analysis` of a `release` section: what is measured of a release, and when that is good. Pure."""

from __future__ import annotations

from datetime import timedelta

from provisioner.chain import spans, syntax
from provisioner.chain.document import Fields, Value, suggest
from provisioner.chain.model import Driver
from provisioner.chain.strategy import LATENCY, METRICS, SUCCESS_RATE, Analysis, Metric, Provider

KEYS = ("provider", "url", "interval", "window", "failures", "inconclusive", "requests", "metrics")
METRIC_KEYS = ("name", "query", "baseline", "minimum", "maximum", "worse", "quantile")
BUILT_IN = (SUCCESS_RATE, LATENCY)
SHORTEST, LONGEST = timedelta(seconds=1), timedelta(days=1)
BOUNDS = "from 1s to 24h,"
MOST = 1_000_000
MOST_METRICS = 50


def read(value: Value | None, driver: Driver | None) -> Analysis | None:
    """The analysis of a release that has one, else None."""
    if value is None:
        return None
    fields, usual = value.fields(*KEYS), Analysis()
    provider = fields.choice("provider", Provider, usual.provider)
    found = Analysis(
        provider=provider,
        url=_url(fields, provider),
        interval=_span(fields, "interval") or usual.interval,
        window=_span(fields, "window") or usual.window,
        failures=fields.integer("failures", usual.failures, least=0, most=MOST),
        inconclusive=fields.integer("inconclusive", usual.inconclusive, least=0, most=MOST),
        requests=fields.integer("requests", usual.requests, least=0, most=MOST),
        metrics=_metrics(fields, provider, driver),
    )
    if found.window < found.interval:
        value.fail("its window is shorter than its interval: what happens in between is never looked at")
    if provider is Provider.ENVOY and driver not in (None, Driver.ENVOY):
        value.fail(
            f"there are no counters of Laneway's router with driver: {driver}; write provider: prometheus"
        )
    return found


def _url(fields: Fields, provider: Provider) -> str:
    if provider is Provider.PROMETHEUS:
        return fields.required_text("url", syntax.called_url)
    if value := fields.get("url"):
        value.fail("has an effect with provider: prometheus alone; take it away")
    return ""


def _metrics(fields: Fields, provider: Provider, driver: Driver | None) -> tuple[Metric, ...]:
    value = fields.get("metrics")
    if value is None:
        return METRICS
    items = value.items()
    if value.is_list and not 1 <= len(items) <= MOST_METRICS:
        value.fail(f"must list from 1 to {MOST_METRICS} metrics, or be left out for the usual ones")
    found: dict[str, Metric] = {}
    for item in items:
        metric = _metric(item, provider, driver)
        if metric.name and metric.name in found:
            item.fail(f"{metric.name} is listed twice")
        found[metric.name] = metric
    return tuple(found.values())


def _metric(value: Value, provider: Provider, driver: Driver | None) -> Metric:
    fields = value.fields(*METRIC_KEYS)
    query = fields.text("query", syntax.query)
    found = Metric(
        name=fields.required_text("name", syntax.label),
        query=query,
        baseline=fields.text("baseline", syntax.query),
        minimum=_number(fields, "minimum"),
        maximum=_number(fields, "maximum"),
        worse=_number(fields, "worse"),
        quantile=_quantile(fields),
    )
    _means(value, fields, found)
    _asks(value, fields, found, provider, driver)
    return found


def _means(value: Value, fields: Fields, found: Metric) -> None:
    """Notes what leaves open when the metric is good."""
    if not any(fields.get(key) for key in ("minimum", "maximum", "worse")):
        value.fail("says nothing of when it is good: give it minimum, maximum or worse")
    if found.minimum is not None and found.maximum is not None and found.minimum > found.maximum:
        value.fail(f"can never be good: its minimum {found.minimum:g} is above its maximum {found.maximum:g}")
    if found.name and found.name not in BUILT_IN and not found.query:
        value.fail(f"needs a query, or to be one that needs none{suggest(found.name, BUILT_IN)}")


def _asks(value: Value, fields: Fields, found: Metric, provider: Provider, driver: Driver | None) -> None:
    """Notes queries that nobody answers, or that are missing."""
    query, baseline, quantile = (fields.get(key) for key in ("query", "baseline", "quantile"))
    if query and provider is Provider.ENVOY:
        query.fail("is asked by provider: prometheus alone")
    if baseline and not query:
        baseline.fail("is the baseline's query, and the metric has none of its own")
    if query and found.worse is not None and not baseline:
        value.fail("has `worse`, but no `baseline`: the query that measures the baseline")
    if quantile and (query or found.name != LATENCY):
        quantile.fail("has an effect for latency without a query alone; take it away")
    if driver is Driver.GATEWAY_API and provider is Provider.PROMETHEUS and not query:
        value.fail("needs a query: what implements the Gateway API names its own metrics")


def _number(fields: Fields, key: str) -> float | None:
    value = fields.get(key)
    found = value.number() if value else None
    if value and key == "worse" and found is not None and found < 0:
        value.fail("must not be negative: it says by how much the lane may be worse")
    return None if found is None else float(found)


def _quantile(fields: Fields) -> float:
    value = fields.get("quantile")
    found = value.number() if value else None
    if value and found is not None and not 0 < found < 1:
        value.fail(f"must be between 0 and 1, such as 0.99, not {found:g}")
    return Metric.quantile if found is None else float(found)


def _span(fields: Fields, key: str) -> timedelta | None:
    value = fields.get(key)
    return spans.read(value, SHORTEST, LONGEST, BOUNDS) if value else None

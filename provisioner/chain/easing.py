"""Reads the `routing` section of a chain file: the driver, how new endpoints are eased in, failover. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from provisioner.chain import spans
from provisioner.chain.document import Fields, Value
from provisioner.chain.model import Driver, Warmup

KEYS = ("driver", "warmup", "failover")
WARMUP_KEYS = ("duration", "minimumPercent", "aggression")
LEAST, MOST = timedelta(seconds=1), timedelta(hours=1)
LEAST_AGGRESSION, MOST_AGGRESSION = 0.1, 10.0


@dataclass(frozen=True)
class Routing:
    """`warmup` is None where new endpoints get their full share at once. `failover`: whether the data plane
    itself goes from a lane's copy back to the baseline; the built-in router always does."""

    driver: Driver
    warmup: Warmup | None
    failover: bool


def read(fields: Fields) -> Routing:
    driver = fields.choice("driver", Driver, Driver.ENVOY)
    return Routing(driver, _warmup(fields, driver), _failover(fields, driver))


def _failover(fields: Fields, driver: Driver) -> bool:
    value = fields.get("failover")
    if value is not None and driver is not Driver.ISTIO:
        value.fail("has an effect with driver: istio alone; take it away")
    return fields.flag("failover", default=False)


def _warmup(fields: Fields, driver: Driver) -> Warmup | None:
    value = fields.get("warmup")
    if value is None:
        return None
    if driver is Driver.GATEWAY_API:
        value.fail("has no effect: the Gateway API has no warm-up; take it away, or use envoy or istio")
    given = value.fields(*WARMUP_KEYS)
    duration = given.required("duration")
    return Warmup(
        (spans.read(duration, LEAST, MOST, "from 1s to 1h,") if duration else None) or LEAST,
        given.integer("minimumPercent", Warmup.minimum_percent, least=1, most=100),
        _aggression(given.get("aggression")),
    )


def _aggression(value: Value | None) -> float:
    found = value.number() if value else None
    if value and found is not None and not LEAST_AGGRESSION <= found <= MOST_AGGRESSION:
        value.fail(f"must be from {LEAST_AGGRESSION:g} to {MOST_AGGRESSION:g}, not {found:g}")
    return Warmup.aggression if found is None else found

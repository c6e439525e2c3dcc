"""How a chain file says that new endpoints are eased in."""

from __future__ import annotations

from datetime import timedelta

from provisioner.chain.grammar import parse
from provisioner.chain.model import Chain, Driver, Warmup

FILE = """\
chain: shop
namespace: shop
repositories: [{url: https://github.com/acme/shop.git}]
services:
  payment: {paths: [payment/**], workload: Deployment/payment, image: "acme/payment:{sha}"}
"""


def chain(routing: str) -> Chain:
    return parse(f"{FILE}{routing}\n", "laneway.yaml")


def test_nothing_is_eased_in_unless_it_is_asked_for() -> None:
    assert chain("").warmup is None
    assert chain("routing: {driver: gateway-api}").warmup is None


def test_a_duration_is_enough() -> None:
    assert chain("routing: {warmup: {duration: 30s}}").warmup == Warmup(timedelta(seconds=30), 10, 1.0)


def test_seconds_percent_and_aggression_are_taken_as_written() -> None:
    found = chain("routing: {driver: istio, warmup: {duration: 90, minimumPercent: 25, aggression: 1.5}}")
    assert (found.driver, found.warmup) == (Driver.ISTIO, Warmup(timedelta(seconds=90), 25, 1.5))


def test_a_whole_number_is_an_aggression_too() -> None:
    found = chain("routing: {warmup: {duration: 1m, aggression: 2}}").warmup
    assert found is not None and found.aggression == 2.0


def test_the_file_is_another_one_with_it() -> None:
    assert chain("").revision != chain("routing: {warmup: {duration: 30s}}").revision

"""Which PromQL is asked for a metric."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.chain.model import WorkloadRef
from provisioner.chain.strategy import Metric
from provisioner.release.analysis.queries import asked, filled
from provisioner.release.model import Change, Release
from tests.support.analysed import shop

MINUTE = timedelta(minutes=1)
RELEASE = Release("shop", "pr-4", (Change("payment", "example/payment:2"),))


def test_placeholders_are_put_in_and_every_other_brace_is_promqls_own() -> None:
    query = 'rate(x{lane="{lane}",chain="{chain}",ns="{namespace}",other="{other}"}[{window}]) {'

    found = asked(Metric("own", query), RELEASE, shop("envoy"), timedelta(seconds=90))

    wanted = 'rate(x{lane="pr-4",chain="shop",ns="shop-ns",other="{other}"}[1m30s]) {'
    assert found is not None and found.lane == wanted


@given(st.text())
def test_a_query_without_placeholders_stays_as_it_is(query: str) -> None:
    values = {name: name for name in ("chain", "lane", "namespace", "window")}
    if not any(f"{{{name}}}" in query for name in values):
        assert filled(query, values) == query


@pytest.mark.parametrize("driver", ["envoy", "gateway-api"])
def test_prometheus_knows_the_built_in_metrics_of_istio_alone(driver: str) -> None:
    assert asked(Metric("success-rate"), RELEASE, shop(driver), MINUTE) is None


def test_in_istio_the_copies_of_the_released_services_are_beside_their_baselines() -> None:
    found = asked(Metric("success-rate"), RELEASE, shop("istio"), MINUTE)

    assert found is not None
    assert 'destination_workload=~"payment--pr-4"' in found.lane
    assert 'destination_workload=~"payment"' in found.baseline
    assert 'destination_workload_namespace=~"shop-ns"' in found.lane
    assert "frontend" not in " ".join(found)


def test_copies_are_called_as_they_are_in_the_cluster() -> None:
    chain = shop("istio")
    name = "a.name-of-51-characters-which-has-a-dot-in-it-already"
    services = [replace(one, workload=WorkloadRef("StatefulSet", name)) for one in chain.services]
    found = asked(Metric("latency"), RELEASE, replace(chain, services=tuple(services)), MINUTE)

    assert found is not None
    copy = found.lane.partition('destination_workload=~"')[2].partition('"')[0]
    assert len(copy) <= 52, "as the copies of StatefulSets are"
    assert "a[.]name-of" in found.baseline

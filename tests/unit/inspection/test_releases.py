"""What `laneway check` says of how a chain is released."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provisioner.chain.model import Chain, Entry
from provisioner.chain.strategy import Finish, Strategy
from provisioner.inspection import releases
from provisioner.inspection.findings import Finding, Severity
from provisioner.inspection.gather import Seen
from tests.support.routing import chain

Json = dict[str, Any]
OWN = Strategy(on_push=True)


def shop(strategy: Strategy = OWN, entry: str = "payment") -> Chain:
    return replace(chain(), release=strategy, entry=Entry(service=entry))


def cluster(port: Json | None = None, **metadata: Any) -> Seen:
    """A Service and a workload of each of the chain's services; `metadata` is that of the workloads."""
    one = port or {"name": "http", "port": 80}
    objects: dict[tuple[str, str], tuple[Json, ...]] = {}
    for service in chain().services:
        named = {"name": service.name, "namespace": service.namespace}
        made = {"metadata": {"name": service.workload.name, **metadata}}
        objects[service.namespace, "Service"] = (
            *objects.get((service.namespace, "Service"), ()),
            {"metadata": named, "spec": {"ports": [one]}},
        )
        key = (service.namespace, service.workload.kind)
        objects[key] = (*objects.get(key, ()), made)
    return Seen(objects)


def found(wanted: Chain, seen: Seen) -> list[Finding]:
    return list(releases.findings(wanted, seen))


def reasons(wanted: Chain, seen: Seen) -> set[str]:
    return {one.reason for one in found(wanted, seen)}


def test_a_chain_that_can_be_released_is_told_nothing() -> None:
    assert found(shop(), cluster()) == []


def test_a_release_is_decided_at_the_entry_so_there_has_to_be_one() -> None:
    one = found(shop(entry=""), cluster())[0]
    assert (one.severity, one.reason) == (Severity.ERROR, "NoEntry")
    assert "entry.service" in one.message


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        ({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/payment"}}, "Argo CD"),
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, "Argo CD"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}, "Flux"),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "shop"}}, "Flux"),
    ],
)
def test_a_workload_that_another_tool_owns_is_better_left_to_it(metadata: Json, owner: str) -> None:
    one = found(shop(), cluster(**metadata))[0]
    assert (one.severity, one.reason) == (Severity.WARNING, "OwnedByAnother")
    assert owner in one.message
    assert "finish: wait" in one.message


def test_where_the_release_waits_for_that_tool_nothing_is_said_of_it() -> None:
    waits = replace(OWN, finish=Finish.WAIT)
    assert found(shop(waits), cluster(labels={"helm.toolkit.fluxcd.io/name": "shop"})) == []


def test_a_service_without_http_gets_its_new_version_all_at_once() -> None:
    assert reasons(shop(), cluster({"name": "tcp-redis", "port": 6379})) == {"NotLed"}


def test_who_says_nothing_of_releases_is_told_nothing_of_them() -> None:
    owned = cluster({"name": "tcp-x", "port": 1}, labels={"helm.toolkit.fluxcd.io/name": "shop"})
    assert found(shop(Strategy(), entry=""), owned) == []

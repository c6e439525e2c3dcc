"""$(VAR), Service variables and the downward API."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devcluster.kubelet.environment import (
    ConfigError,
    Sources,
    environment,
    expand,
    quantity,
    service_variables,
)

Object = dict[str, Any]

POD: Object = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"a/b": "c"}},
    "spec": {"containers": [], "nodeName": "devcluster"},
}
SERVICE: Object = {
    "metadata": {"name": "orders-db"},
    "spec": {"clusterIP": "127.96.0.1", "ports": [{"name": "sql-main", "port": 5432}, {"port": 81}]},
}


def sources(objects: dict[tuple[str, str], Object] | None = None, **spec: Any) -> Sources:
    pod = {**POD, "spec": {**POD["spec"], **spec}}
    return Sources(pod, "127.128.0.1", "127.0.0.1", [SERVICE], lambda *key: (objects or {}).get(key))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("x$(A)$(A)y", "x11y"),
        ("$(B)", "$(B)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $", "$A ${A} $"),
        ("$(A", "$(A"),
        ("$$", "$"),
    ],
)
def test_references_are_replaced_as_kubernetes_does(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected


@given(st.text(alphabet="ab $()"))
def test_without_variables_only_double_dollars_change(text: str) -> None:
    assert expand(text, {}) == text.replace("$$", "$") or "$(" in text


def test_a_variable_sees_only_those_before_it() -> None:
    wanted = [
        {"name": "EARLY", "value": "$(LATE)"},
        {"name": "LATE", "value": "1"},
        {"name": "EARLY2", "value": "$(LATE)"},
    ]
    found = environment({"name": "c", "env": wanted}, sources())
    assert (found["EARLY"], found["EARLY2"]) == ("$(LATE)", "1")


def test_services_have_host_port_and_link_variables() -> None:
    found = service_variables([SERVICE])
    assert found["ORDERS_DB_SERVICE_HOST"] == "127.96.0.1"
    assert found["ORDERS_DB_SERVICE_PORT"] == found["ORDERS_DB_SERVICE_PORT_SQL_MAIN"] == "5432"
    assert found["ORDERS_DB_PORT"] == found["ORDERS_DB_PORT_5432_TCP"] == "tcp://127.96.0.1:5432"
    assert found["ORDERS_DB_PORT_81_TCP_PORT"] == "81"


def test_headless_services_and_pods_that_want_no_links_get_none() -> None:
    headless = {**SERVICE, "spec": {**SERVICE["spec"], "clusterIP": "None"}}
    assert service_variables([headless]) == {}
    assert environment({"name": "c"}, sources(enableServiceLinks=False)) == {}


def test_the_pods_own_variables_win_over_services() -> None:
    entry = {"name": "ORDERS_DB_SERVICE_HOST", "value": "elsewhere"}
    assert environment({"name": "c", "env": [entry]}, sources())["ORDERS_DB_SERVICE_HOST"] == "elsewhere"


def test_a_missing_key_names_the_key_and_the_object() -> None:
    objects: dict[tuple[str, str], Object] = {("configmaps", "s"): {"data": {"a": "1"}}}
    entry = {"name": "X", "valueFrom": {"configMapKeyRef": {"name": "s", "key": "b"}}}
    with pytest.raises(ConfigError, match="key b in configmap n/s"):
        environment({"name": "c", "env": [entry]}, sources(objects))
    with pytest.raises(ConfigError, match='secret "t" not found'):
        environment({"name": "c", "envFrom": [{"secretRef": {"name": "t"}}]}, sources(objects))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "p"),
        ("metadata.labels['a/b']", "c"),
        ("metadata.annotations['none']", ""),
        ("spec.serviceAccountName", "default"),
        ("status.podIP", "127.128.0.1"),
        ("status.hostIP", "127.0.0.1"),
    ],
)
def test_fields_of_the_pod_can_be_had(path: str, expected: str) -> None:
    entry = {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}
    assert environment({"name": "c", "env": [entry]}, sources())["X"] == expected


def test_resources_are_given_in_units_of_the_divisor_rounded_up() -> None:
    limits = {"limits": {"cpu": "1500m", "memory": "1Gi"}}
    wanted = [
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    found = environment({"name": "c", "env": wanted, "resources": limits}, sources())
    assert (found["CPU"], found["MEM"]) == ("2", "1024")


@pytest.mark.parametrize(
    ("text", "number"), [("250m", 0.25), ("1Ki", 1024), ("2", 2), ("1e3", 1000), ("1G", 1e9)]
)
def test_quantities(text: str, number: float) -> None:
    assert quantity(text) == number

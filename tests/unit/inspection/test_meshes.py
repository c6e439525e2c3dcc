"""What `laneway check` finds for chains of a mesh, each on a cluster that is right but for one thing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provisioner.chain.model import Driver, WhenFull
from provisioner.inspection import meshes
from provisioner.inspection.findings import Severity
from provisioner.inspection.gather import Seen
from tests.support import drivers as cases

Json = dict[str, Any]

CASE: Json = {
    "chain": {"services": ["payment"]},
    "services": {"payment": [{"name": "http", "port": 80}]},
    "lanes": {},
}
SIDECAR = {"name": "istio-proxy"}
ROUTE: Json = {
    "kind": "HTTPRoute",
    "metadata": {"name": "mine", "namespace": "shop"},
    "spec": {
        "parentRefs": [{"group": "", "kind": "Service", "name": "payment", "port": 80}],
        "rules": [{"matches": [{"path": {"type": "RegularExpression", "value": "/v.*"}}]}],
    },
}
BOTH = pytest.mark.parametrize("driver", sorted(meshes.drivers.MESHES))


def pod(*containers: Json, **annotations: str) -> Json:
    metadata = {"name": "payment-1", "namespace": "shop", "labels": {"app": "payment"}}
    spec = {"containers": [{"name": "app"}, *containers]}
    return {"kind": "Pod", "metadata": {**metadata, "annotations": annotations}, "spec": spec}


def seen(*more: Json, port: Json | None = None, unserved: frozenset[str] = frozenset()) -> Seen:
    case = CASE if port is None else {**CASE, "services": {"payment": [port]}}
    found: dict[tuple[str, str], tuple[Json, ...]] = {("shop", "Service"): cases.services(case)}
    for one in more or (pod(SIDECAR),):
        key = ("shop", one["kind"])
        found[key] = (*found.get(key, ()), one)
    return Seen(found, unserved=set(unserved))


def reasons(there: Seen, driver: Driver = Driver.GATEWAY_API) -> list[str]:
    return [one.reason for one in meshes.findings(cases.chain(CASE, driver.value), there)]


@BOTH
def test_nothing_is_said_of_a_chain_that_fits(driver: Driver) -> None:
    assert reasons(seen(), driver) == []


def test_nothing_is_said_of_a_chain_of_the_built_in_router() -> None:
    assert reasons(seen(pod()), Driver.ENVOY) == []
    assert meshes.kinds([cases.chain(CASE, "envoy")]) == ()


def test_a_mesh_that_is_not_installed_is_said_with_the_definition_and_its_version() -> None:
    there = seen(unserved=frozenset({"HTTPRoute", "VirtualService"}))
    found = list(meshes.findings(cases.chain(CASE, "gateway-api"), there))
    assert [(one.reason, one.severity) for one in found] == [("MeshNotInstalled", Severity.ERROR)]
    assert "httproutes.v1.gateway.networking.k8s.io" in found[0].message
    assert reasons(there, Driver.ISTIO) == ["MeshNotInstalled"]


def test_a_pod_without_a_sidecar_is_said_by_name() -> None:
    found = list(meshes.findings(cases.chain(CASE, "istio"), seen(pod())))
    assert [one.reason for one in found] == ["NoSidecar"] and "payment-1" in found[0].message


def test_a_pod_whose_node_has_the_proxy_needs_no_sidecar() -> None:
    assert reasons(seen(pod(**{"ambient.istio.io/redirection": "enabled"}))) == []


@pytest.mark.parametrize(
    ("port", "wanted"),
    [
        ({"port": 80}, ["NoProtocol"]),
        ({"name": "web", "port": 80}, ["NoProtocol"]),
        ({"name": "web", "port": 80, "appProtocol": "http"}, []),
        ({"name": "grpc-pay", "port": 80}, []),
        ({"name": "tcp-pay", "port": 80}, []),
        ({"port": 5432}, []),
        ({"name": "https", "port": 443}, ["HiddenInTls"]),
        ({"port": 443, "appProtocol": "https"}, ["HiddenInTls"]),
    ],
)
def test_a_port_of_which_a_mesh_cannot_tell_the_protocol_is_said(port: Json, wanted: list[str]) -> None:
    assert reasons(seen(port=port)) == wanted


def test_a_users_route_that_keeps_lanes_out_is_an_error() -> None:
    found = list(meshes.findings(cases.chain(CASE, "gateway-api"), seen(pod(SIDECAR), ROUTE)))
    assert [(one.reason, one.severity) for one in found] == [("PathExpression", Severity.ERROR)]


def test_sleeping_to_make_room_is_said_to_have_no_effect() -> None:
    chain = cases.chain(CASE, "istio")
    sleepy = replace(chain, lifecycle=replace(chain.lifecycle, when_full=WhenFull.SLEEP))
    assert [one.reason for one in meshes.findings(sleepy, seen())] == ["NeverSleeps"]


def test_two_chains_on_one_host_are_said_unless_the_built_in_router_has_both() -> None:
    one = cases.chain(CASE, "envoy")
    for driver, wanted in (("envoy", []), ("istio", ["TwoChains"]), ("gateway-api", ["TwoChains"])):
        other = replace(cases.chain(CASE, driver), name="other")
        assert [found.reason for found in meshes.shared_hosts([one, other])] == wanted


def test_routes_that_leave_no_room_for_a_release_are_said_where_the_chain_is_released() -> None:
    match = {"headers": [{"name": "x-forwarded-proto", "value": "https"}]}
    to = {"backendRefs": [{"name": "payment", "port": 80}], "matches": [match]}
    there = seen(pod(SIDECAR), {**ROUTE, "spec": {**ROUTE["spec"], "rules": [to]}})
    for section, wanted in (({}, []), ({"release": {"sticky": "none"}}, ["ShareNotRouted"])):
        case = {**CASE, "chain": {**CASE["chain"], "entry": {"service": "payment"}, **section}}
        found = list(meshes.findings(cases.chain(case, "gateway-api"), there))
        assert [(one.reason, one.severity) for one in found] == [(one, Severity.WARNING) for one in wanted]

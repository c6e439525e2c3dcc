"""EndpointSlices from pods, and proxy backends from EndpointSlices."""

from __future__ import annotations

from typing import Any

from devcluster.controllers.endpointslice import wanted_slices
from devcluster.kubelet.services import backends, served

Object = dict[str, Any]

SERVICE: Object = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "s", "namespace": "n", "uid": "u", "labels": {"team": "x"}},
    "spec": {"clusterIP": "127.96.0.1", "ports": [{"name": "http", "port": 80, "targetPort": "web"}]},
}


def pod(number: int = 1, port: int = 8080, *, ready: bool = True, **metadata: Any) -> Object:
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T00:00:00Z"}
    container = {"name": "c", "ports": [{"name": "web", "containerPort": port}]}
    return {
        "metadata": {"name": f"p{number}", "namespace": "n", "uid": str(number), **metadata},
        "spec": {"containers": [container], "nodeName": "devcluster"},
        "status": {"podIP": f"127.128.0.{number}", "phase": "Running", "conditions": [condition]},
    }


def flags(slices: list[Object]) -> list[tuple[bool, bool, bool]]:
    found = [e["conditions"] for s in slices for e in s["endpoints"]]
    return [(c["ready"], c["serving"], c["terminating"]) for c in found]


def test_conditions_follow_readiness_and_deletion() -> None:
    ending = pod(3, deletionTimestamp="now")
    slices = wanted_slices(SERVICE, [pod(1), pod(2, ready=False), ending])
    assert flags(slices) == [(True, True, False), (False, False, False), (False, True, True)]


def test_not_ready_addresses_are_published_where_wanted() -> None:
    eager = {**SERVICE, "spec": {**SERVICE["spec"], "publishNotReadyAddresses": True}}
    assert flags(wanted_slices(eager, [pod(ready=False)])) == [(True, False, False)]


def test_named_ports_are_resolved_by_pod() -> None:
    slices = wanted_slices(SERVICE, [pod(1, 8080), pod(2, 9090), pod(3, 8080)])
    ports = {s["ports"][0]["port"]: len(s["endpoints"]) for s in slices}
    assert ports == {8080: 2, 9090: 1}


def test_a_slice_carries_the_services_labels_and_is_never_missing() -> None:
    (empty,) = wanted_slices(SERVICE, [])
    assert empty["endpoints"] == []
    assert empty["metadata"]["labels"] == {
        "team": "x",
        "kubernetes.io/service-name": "s",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }


def test_a_slice_holds_a_hundred_endpoints() -> None:
    slices = wanted_slices(SERVICE, [pod(n) for n in range(1, 251)])
    assert [len(s["endpoints"]) for s in slices] == [100, 100, 50]


def test_pods_without_address_or_at_their_end_are_no_endpoints() -> None:
    waiting, done = pod(1), pod(2)
    del waiting["status"]["podIP"]
    done["status"]["phase"] = "Succeeded"
    assert flags(wanted_slices(SERVICE, [waiting, done])) == []


def test_the_proxy_serves_ready_endpoints_by_port_name() -> None:
    slices = wanted_slices(SERVICE, [pod(1), pod(2, 9090), pod(3, ready=False)])
    assert backends("http", slices) == [["127.128.0.1", 8080], ["127.128.0.2", 9090]]
    assert backends("other", slices) == []


def test_where_none_is_ready_those_that_end_still_serve() -> None:
    slices = wanted_slices(SERVICE, [pod(1, ready=False), pod(2, deletionTimestamp="now")])
    assert backends("http", slices) == [["127.128.0.2", 8080]]


def test_headless_and_udp_ports_are_not_served() -> None:
    headless = {**SERVICE, "spec": {**SERVICE["spec"], "clusterIP": "None"}}
    assert served(headless, []) == {}
    udp = {**SERVICE, "spec": {"clusterIP": "127.96.0.1", "ports": [{"port": 53, "protocol": "UDP"}]}}
    assert served(udp, []) == {}


def test_session_affinity_is_passed_on() -> None:
    sticky = {**SERVICE, "spec": {**SERVICE["spec"], "sessionAffinity": "ClientIP"}}
    assert served(sticky, [])[("127.96.0.1", 80)]["sticky"] == 10800

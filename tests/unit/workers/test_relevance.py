"""Which changes matter, and to whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provisioner import labels
from provisioner.chain.model import Chain, Driver, Service, WorkloadRef
from tests.support.deliveries import changed
from workers.relevance import AllLanes, Holders, OneLane, concerned, is_news, serves, settled, view

PAYMENT = Service(
    "payment", WorkloadRef("Deployment", "pay"), "image:{sha}", "shop", ("services/payment/**",)
)
SHOP = Chain("shop", (), (PAYMENT,))
BAKERY = Chain("bakery", (), ())


def deployment(name: str = "pay", lane: str = "") -> dict[str, Any]:
    marks = labels.of_lane("shop", lane) if lane else {"app": "pay"}
    return {
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "generation": 1,
            "resourceVersion": "1",
            "labels": marks,
        },
        "spec": {},
        "status": {"observedGeneration": 1, "readyReplicas": 0, "conditions": []},
    }


def test_what_a_lane_owns_concerns_that_lane() -> None:
    assert concerned(deployment("pay-euro", "euro"), [SHOP]) == (OneLane("shop", "euro"),)


def test_what_a_lane_owns_concerns_it_also_without_labels() -> None:
    owner = {"apiVersion": labels.API_VERSION, "kind": "Lane", "name": "shop.euro", "uid": "1"}
    bare = changed(deployment("pay-euro"), metadata__labels={}, metadata__ownerReferences=[owner])
    assert concerned(bare, [SHOP]) == (OneLane("shop", "euro"),)


def test_a_baseline_workload_concerns_the_lanes_that_have_a_copy_of_it() -> None:
    assert concerned(deployment(), [BAKERY, SHOP]) == (Holders("shop", frozenset({"payment"})),)


def test_a_workload_of_no_chain_concerns_nobody() -> None:
    assert concerned(deployment("other"), [BAKERY, SHOP]) == ()


def test_a_service_beside_a_chain_concerns_it_since_it_may_select_its_pods() -> None:
    service = {"kind": "Service", "metadata": {"name": "any", "namespace": "shop"}}
    assert concerned(service, [SHOP, BAKERY]) == (AllLanes("shop"),)


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata__generation": 2},
        {"metadata__labels": {}},
        {"metadata__deletionTimestamp": "2026-01-02T03:04:05Z"},
        {"status__readyReplicas": 1},
        {"status__conditions": [{"type": "Progressing", "status": "False", "reason": "TooLong"}]},
        {"status__conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "Quota"}]},
    ],
)
def test_a_change_of_a_copy_that_its_lane_s_status_shows_matters(changes: dict[str, Any]) -> None:
    copy = deployment("pay-euro", "euro")
    assert is_news(view(copy), view(changed(copy, **changes)))


def test_a_baseline_s_readiness_does_not_matter_but_its_template_does() -> None:
    assert not is_news(view(deployment()), view(changed(deployment(), status__readyReplicas=1)))
    assert is_news(view(deployment()), view(changed(deployment(), metadata__generation=2)))


def test_what_laneway_applied_itself_is_no_news() -> None:
    copy = deployment("pay-euro", "euro")
    applied = changed(copy, metadata__generation=2, metadata__annotations={labels.SPEC_HASH: "new"})
    assert not is_news(view(copy), view(applied))


def test_a_copy_on_its_way_is_no_news() -> None:
    copy = deployment("pay-euro", "euro")
    unavailable = {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable"}
    assert not is_news(view(copy), view(changed(copy, status__replicas=1, status__conditions=[unavailable])))


def test_a_new_resource_version_alone_does_not_matter() -> None:
    for one in (deployment(), deployment("pay-euro", "euro")):
        assert not is_news(view(one), view(changed(one, metadata__resourceVersion="2")))


def pod(**status: Any) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": "p", "labels": labels.of_lane("shop", "euro")},
        "status": status,
    }


def test_a_pod_s_reason_for_waiting_matters_and_its_heartbeat_does_not() -> None:
    waiting = {
        "name": "main",
        "ready": False,
        "state": {"waiting": {"reason": "ContainerCreating", "message": "1"}},
    }
    other = changed(waiting, state={"waiting": {"reason": "CrashLoopBackOff"}})
    ready = {"type": "Ready", "status": "False", "lastProbeTime": "1"}
    before = pod(phase="Pending", containerStatuses=[waiting], conditions=[ready])
    assert is_news(view(before), view(pod(phase="Pending", containerStatuses=[other], conditions=[ready])))
    probed = pod(phase="Pending", containerStatuses=[waiting], conditions=[changed(ready, lastProbeTime="2")])
    assert not is_news(view(probed), view(before))


def lane(generation: int, observed: int | None) -> dict[str, Any]:
    status = {} if observed is None else {"observedGeneration": observed}
    metadata = {"name": "shop.euro", "generation": generation, "labels": labels.of_lane("shop", "euro")}
    return {"kind": "Lane", "metadata": metadata, "spec": {"chain": "shop", "lane": "euro"}, "status": status}


@pytest.mark.parametrize(("observed", "expected"), [(2, True), (1, False), (None, False)])
def test_a_lane_is_settled_when_its_status_is_about_its_spec(observed: int | None, expected: bool) -> None:
    assert settled(lane(2, observed)) is expected


def test_a_lane_without_its_labels_is_not_settled() -> None:
    assert not settled(changed(lane(2, 2), metadata__labels={}))


@pytest.mark.parametrize(
    "more",
    [
        {"phase": "Ready"},
        {"admittedAt": "2026-01-02T03:04:05Z"},
        {"services": [{"name": "payment", "inLane": True}]},
    ],
)
def test_what_other_lanes_may_wait_for_matters(more: dict[str, Any]) -> None:
    before = lane(2, 2)
    assert is_news(view(before), view(changed(before, status={**before["status"], **more})))


def test_a_longer_timeline_does_not_matter() -> None:
    before = lane(2, 2)
    more = {**before["status"], "timeline": [{"event": "Opened"}]}
    assert not is_news(view(before), view(changed(before, status=more)))


def test_a_lane_that_is_being_deleted_is_not_settled() -> None:
    assert not settled(changed(lane(2, 2), metadata__deletionTimestamp="2026-01-02T03:04:05Z"))


MESHED = replace(SHOP, driver=Driver.GATEWAY_API)


def httproute(*, lane: str = "", to: str = "payment", spec: bool = True) -> dict[str, Any]:
    return {
        "kind": "HTTPRoute",
        "metadata": {
            "name": "any",
            "namespace": "shop",
            "generation": 1,
            "labels": labels.of_lane("shop", lane) if lane else {},
        },
        **({"spec": {"rules": [{"backendRefs": [{"name": to, "port": 80}]}]}} if spec else {}),
        "status": {
            "parents": [{"conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted"}]}]
        },
    }


def endpoints(*, ready: bool, lane: str = "euro") -> dict[str, Any]:
    return {
        "kind": "EndpointSlice",
        "metadata": {
            "name": "any",
            "namespace": "shop",
            "generation": 1,
            "labels": labels.of_copy("shop", lane, "payment"),
        },
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": ready}}],
    }


def test_a_users_route_to_a_service_concerns_all_lanes_of_a_chain_that_a_mesh_routes() -> None:
    assert concerned(httproute(), [SHOP, BAKERY]) == ()
    assert concerned(httproute(), [MESHED, BAKERY]) == (AllLanes("shop"),)
    assert concerned(httproute(to="other"), [MESHED]) == ()


def test_a_users_route_that_is_gone_concerns_them_whatever_it_said() -> None:
    assert concerned(httproute(spec=False), [MESHED]) == (AllLanes("shop"),)


def test_what_a_mesh_says_of_a_lanes_route_is_news_and_of_a_users_is_not() -> None:
    for lane, news in (("euro", True), ("", False)):
        before = httproute(lane=lane)
        after = changed(before, status__parents=[{"conditions": [{"type": "Accepted", "status": "False"}]}])
        assert is_news(view(before), view(after)) is news


def test_that_a_copy_gets_or_loses_its_last_ready_pod_is_news() -> None:
    assert is_news(view(endpoints(ready=True)), view(endpoints(ready=False)))
    another = changed(endpoints(ready=True), metadata__generation=2)
    assert not is_news(view(endpoints(ready=True)), view(another))
    assert serves(endpoints(ready=True)) and not serves(endpoints(ready=False))


def test_another_port_at_which_a_ready_copy_can_be_reached_is_news() -> None:
    """Its routes by that port were left out as long as the copy did not have it."""
    before = endpoints(ready=True)
    more = changed(before, ports=[*before["ports"], {"name": "grpc", "port": 9090}])
    assert is_news(view(before), view(more))
    assert not is_news(view(endpoints(ready=False)), view(changed(more, endpoints=[])))


def test_a_refusal_of_a_later_version_of_a_lanes_route_is_news_although_it_reads_as_before() -> None:
    def refused(generation: int) -> dict[str, Any]:
        said = {"type": "Accepted", "status": "False", "reason": "X", "observedGeneration": generation}
        return changed(httproute(lane="euro"), status__parents=[{"conditions": [said]}])

    def taken(generation: int) -> dict[str, Any]:
        said = {"type": "Accepted", "status": "True", "reason": "X", "observedGeneration": generation}
        return changed(httproute(lane="euro"), status__parents=[{"conditions": [said]}])

    assert is_news(view(refused(1)), view(refused(2)))
    assert not is_news(view(taken(1)), view(taken(2)))


def gateway(*, programmed: bool, routes: int = 0) -> dict[str, Any]:
    said = {"type": "Programmed", "status": str(programmed), "reason": "Programmed"}
    return {
        "kind": "Gateway",
        "metadata": {"name": "entry", "namespace": "shop", "generation": 1},
        "spec": {"gatewayClassName": "any", "listeners": []},
        "status": {"conditions": [said], "listeners": [{"attachedRoutes": routes}]},
    }


def test_whether_a_gateway_runs_is_news_to_all_lanes_and_its_number_of_routes_is_not() -> None:
    assert concerned(gateway(programmed=True), [MESHED, SHOP, BAKERY]) == (AllLanes("shop"),)
    assert is_news(view(gateway(programmed=False)), view(gateway(programmed=True)))
    assert not is_news(view(gateway(programmed=True)), view(gateway(programmed=True, routes=7)))


def test_what_istiod_finds_wrong_with_what_a_lane_owns_is_news_and_with_a_users_is_not() -> None:
    for lane, news in (("euro", True), ("", False)):
        before = changed(httproute(lane=lane), kind="VirtualService", status={})
        told = [{"type": {"code": "IST0101"}, "level": "ERROR"}]
        after = changed(before, status={"validationMessages": told})
        assert is_news(view(before), view(after)) is news
        warned = changed(before, status={"validationMessages": [{**told[0], "level": "WARNING"}]})
        assert not is_news(view(before), view(warned))

"""Requests go wrong as asked, and are counted."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.support.apiserver import Server, config_map

MAPS = "/api/v1/namespaces/default/configmaps"


def inject(server: Server, **rule: Any) -> dict[str, Any]:
    found: dict[str, Any] = server.cluster.post("/devcluster/faults", rule)
    return found


def test_a_request_fails_as_often_as_asked(server: Server) -> None:
    inject(server, action="fail", method="POST", path="/configmaps$", count=2, status=503, retry_after=7)
    for _ in range(2):
        answer = server.cluster.send("POST", MAPS, config_map("failing"), expect=503)
        assert answer.headers["retry-after"] == "7"
        assert answer.json()["kind"] == "Status"
    server.cluster.get(f"{MAPS}/failing", expect=404)
    server.cluster.post(MAPS, config_map("failing"))


def test_a_right_is_refused_in_the_words_of_rbac(server: Server) -> None:
    inject(server, action="fail", status=403, verb="create", resource="configmaps", count=1)
    answer = server.cluster.post(MAPS, config_map("refused"), expect=403)
    assert (answer["kind"], answer["reason"], answer["code"]) == ("Status", "Forbidden", 403)
    assert answer["message"] == (
        'configmaps is forbidden: User "laneway" cannot create resource "configmaps" in API group "" '
        'in the namespace "default"'
    )


def test_a_dropped_request_has_no_effect(server: Server) -> None:
    inject(server, action="drop", verb="create", resource="configmaps", count=1)
    with pytest.raises(httpx.TransportError):
        server.cluster.post(MAPS, config_map("dropped"))
    server.cluster.get(f"{MAPS}/dropped", expect=404)


def test_a_cut_request_has_taken_effect(server: Server) -> None:
    inject(server, action="cut", verb="create", resource="configmaps", count=1)
    with pytest.raises(httpx.TransportError):
        server.cluster.post(MAPS, config_map("cut"))
    server.cluster.get(f"{MAPS}/cut")


def test_a_stalled_request_is_late(server: Server) -> None:
    inject(server, action="stall", method="GET", path="/stalled$", seconds=0.3, count=1)
    begin = time.monotonic()
    server.cluster.get(f"{MAPS}/stalled", expect=404)
    assert time.monotonic() - begin >= 0.3


def test_everything_can_be_stalled(server: Server) -> None:
    server.cluster.post("/devcluster/stall", {"seconds": 0.3}, expect=200)
    begin = time.monotonic()
    server.cluster.get(MAPS)
    assert time.monotonic() - begin >= 0.2


def test_one_client_can_be_singled_out(server: Server) -> None:
    inject(server, action="fail", user_agent="unlucky")
    server.cluster.get(MAPS)
    server.cluster.get(MAPS, headers={"user-agent": "unlucky/1.0"}, expect=500)


def test_rules_are_listed_and_removed(server: Server) -> None:
    first, second = inject(server, action="drop", path="/never"), inject(server, action="drop", path="/never")
    server.cluster.delete(f"/devcluster/faults/{first['number']}", expect=200)
    listed = server.cluster.get("/devcluster/faults")["faults"]
    assert [(rule["number"], rule["hits"]) for rule in listed] == [(second["number"], 0)]


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"action": "explode"},
        {"action": "fail", "colour": 1},
        {"action": "fail", "path": "("},
        {"action": "fail", "count": "x"},
    ],
)
def test_a_malformed_rule_is_refused(server: Server, rule: dict[str, Any]) -> None:
    assert server.cluster.post("/devcluster/faults", rule, expect=400)["reason"] == "BadRequest"


def test_compaction_makes_old_versions_too_old(server: Server) -> None:
    old = server.cluster.post(MAPS, config_map("before-compaction"))["metadata"]["resourceVersion"]
    server.cluster.post(MAPS, config_map("after-compaction"))
    server.cluster.post("/devcluster/compact", {}, expect=200)
    with server.cluster.watch(MAPS, resourceVersion=old) as events:
        assert next(events)["object"]["code"] == 410


def test_requests_are_counted_by_what_they_are(server: Server) -> None:
    mine = {"user-agent": "counted/1.0"}
    server.cluster.delete("/devcluster/requests", expect=200)
    server.cluster.get(MAPS, headers=mine)
    server.cluster.get(f"{MAPS}/absent", headers=mine, expect=404)
    server.cluster.get("/apis/coordination.k8s.io/v1/leases", headers=mine)
    server.cluster.get("/api/v1/pods")
    report = server.cluster.get("/devcluster/requests", user_agent="counted", reset="1")
    assert (report["calls"], report["apart"]) == (2, 1)
    seen = [(entry["verb"], entry["resource"], entry["name"], entry["code"]) for entry in report["requests"]]
    assert seen == [
        ("list", "configmaps", "", 200),
        ("get", "configmaps", "absent", 404),
        ("list", "leases.coordination.k8s.io", "", 200),
    ]
    assert server.cluster.get("/devcluster/requests")["requests"] == []

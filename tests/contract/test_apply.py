"""Server-side apply: ownership, conflicts, and what follows when somebody stops wanting something."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.apiserver import APPLY, Cluster, config_map, deployment, service


def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def web(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/web"


def owners(obj: dict[str, Any]) -> dict[tuple[str, str, str], Any]:
    """FieldsV1 of each owner: (manager, operation, subresource)."""
    entries = obj["metadata"].get("managedFields", [])
    return {(e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"] for e in entries}


def test_apply_creates_what_is_absent_and_owns_what_it_says(cluster: Cluster, namespace: str) -> None:
    path = f"{maps(namespace)}/a"
    made = cluster.apply(path, config_map("a", x="1"), "one", expect=201)
    assert owners(made) == {("one", "Apply", ""): {"f:data": {"f:x": {}}}}
    entry = made["metadata"]["managedFields"][0]
    assert (entry["apiVersion"], entry["fieldsType"]) == ("v1", "FieldsV1")
    cluster.apply(path, config_map("a", x="1"), "one", expect=200)


def test_applying_the_same_again_changes_nothing(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services/web"
    first = cluster.apply(path, service(), "one")
    again = cluster.apply(path, service(), "one")
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_keyed_lists_are_owned_item_by_item(cluster: Cluster, namespace: str) -> None:
    made = cluster.apply(web(namespace), deployment(paused=True), "one")
    container = {".": {}, "f:image": {}, "f:name": {}}
    container["f:ports"] = {'k:{"containerPort":8080,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}}
    template = {
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {"f:containers": {'k:{"name":"app"}': container}},
    }
    spec = {"f:paused": {}, "f:replicas": {}, "f:selector": {}, "f:template": template}
    assert owners(made) == {("one", "Apply", ""): {"f:spec": spec}}


def test_a_field_that_another_set_is_a_conflict(cluster: Cluster, namespace: str) -> None:
    cluster.apply(web(namespace), deployment(paused=True), "one")
    wanted = deployment(paused=True, replicas=3)
    status = cluster.apply(web(namespace), wanted, "two", expect=409)
    assert status["reason"] == "Conflict"
    assert status["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".spec.replicas"}
    ]
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "one": .spec.replicas'


def test_every_conflict_is_named(cluster: Cluster, namespace: str) -> None:
    cluster.post(maps(namespace), config_map("a", x="1", y="1"), fieldManager="writer")
    status = cluster.apply(f"{maps(namespace)}/a", config_map("a", x="2", y="2"), "one", expect=409)
    assert [cause["field"] for cause in status["details"]["causes"]] == [".data.x", ".data.y"]
    assert status["details"]["causes"][0]["message"] == 'conflict with "writer" using v1'
    assert status["message"] == (
        'Apply failed with 2 conflicts: conflicts with "writer" using v1:\n- .data.x\n- .data.y'
    )


def test_force_takes_the_field_over(cluster: Cluster, namespace: str) -> None:
    path = f"{maps(namespace)}/a"
    cluster.apply(path, config_map("a", x="1", y="1"), "one")
    taken = cluster.apply(path, config_map("a", x="2"), "two", force="true")
    assert taken["data"] == {"x": "2", "y": "1"}
    assert owners(taken) == {
        ("one", "Apply", ""): {"f:data": {"f:y": {}}},
        ("two", "Apply", ""): {"f:data": {"f:x": {}}},
    }


def test_the_same_value_is_shared(cluster: Cluster, namespace: str) -> None:
    path = f"{maps(namespace)}/a"
    cluster.apply(path, config_map("a", x="1"), "one")
    shared = cluster.apply(path, config_map("a", x="1"), "two")
    assert set(owners(shared)) == {("one", "Apply", ""), ("two", "Apply", "")}
    after = cluster.apply(path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}, "one")
    assert after["data"] == {"x": "1"}
    assert set(owners(after)) == {("two", "Apply", "")}


def test_what_is_no_longer_applied_is_removed(cluster: Cluster, namespace: str) -> None:
    first = deployment(paused=True)
    container = first["spec"]["template"]["spec"]["containers"][0]
    container |= {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    container |= {"readinessProbe": {"httpGet": {"path": "/", "port": 8080}}}
    cluster.apply(web(namespace), first, "one")
    second = deployment(paused=True)
    second["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "B", "value": "2"}]
    (after,) = cluster.apply(web(namespace), second, "one")["spec"]["template"]["spec"]["containers"]
    assert after["env"] == [{"name": "B", "value": "2"}]
    assert "readinessProbe" not in after


def test_what_others_added_stays(cluster: Cluster, namespace: str) -> None:
    cluster.apply(web(namespace), deployment(paused=True), "one")
    cluster.patch(web(namespace), {"metadata": {"labels": {"theirs": "yes"}}}, fieldManager="other")
    after = cluster.apply(web(namespace), deployment(paused=True, minReadySeconds=1), "one")
    assert after["metadata"]["labels"] == {"theirs": "yes"}
    assert owners(after)[("other", "Update", "")] == {"f:metadata": {"f:labels": {".": {}, "f:theirs": {}}}}


def test_an_update_takes_ownership_of_what_it_changes(cluster: Cluster, namespace: str) -> None:
    path = f"{maps(namespace)}/a"
    cluster.apply(path, config_map("a", x="1", y="1"), "one")
    after = cluster.patch(path, {"data": {"x": "2"}}, fieldManager="other")
    assert owners(after) == {
        ("one", "Apply", ""): {"f:data": {"f:y": {}}},
        ("other", "Update", ""): {"f:data": {"f:x": {}}},
    }
    assert cluster.apply(path, config_map("a", x="1", y="1"), "one", expect=409)["reason"] == "Conflict"


def test_who_takes_an_owner_out_of_the_list_gives_its_fields_up(cluster: Cluster, namespace: str) -> None:
    path = f"{maps(namespace)}/a"
    cluster.apply(path, config_map("a", x="1"), "one")
    taken = cluster.patch(path, {"data": {"x": "2"}}, fieldManager="two")
    others = [one for one in taken["metadata"]["managedFields"] if one["manager"] != "two"]
    assert others == []
    given = {"metadata": {"managedFields": [{**taken["metadata"]["managedFields"][0], "manager": "three"}]}}
    cluster.patch(path, given, fieldManager="two")
    conflict = cluster.apply(path, config_map("a", x="3"), "one", expect=409)
    assert '"three"' in conflict["message"]
    more = cluster.patch(path, {"data": {"y": "1"}}, fieldManager="four")
    kept = [one for one in more["metadata"]["managedFields"] if one["manager"] == "four"]
    cluster.patch(path, {"metadata": {"managedFields": kept}}, fieldManager="two")
    assert cluster.apply(path, config_map("a", x="3"), "one")["data"] == {"x": "3", "y": "1"}


def test_a_field_that_is_removed_has_no_owner(cluster: Cluster, namespace: str) -> None:
    path = f"{maps(namespace)}/a"
    cluster.apply(path, config_map("a", x="1", y="1"), "one")
    after = cluster.patch(path, {"data": {"x": None}}, fieldManager="other")
    assert owners(after) == {("one", "Apply", ""): {"f:data": {"f:y": {}}}}


def test_set_lists_are_shared_member_by_member(cluster: Cluster, namespace: str) -> None:
    path = f"{maps(namespace)}/a"
    for manager in ("one", "two"):
        body = {**config_map("a"), "metadata": {"name": "a", "finalizers": [f"example.com/{manager}"]}}
        made = cluster.apply(path, body, manager)
    assert made["metadata"]["finalizers"] == ["example.com/one", "example.com/two"]
    assert owners(made)[("two", "Apply", "")] == {"f:metadata": {"f:finalizers": {'v:"example.com/two"': {}}}}
    after = cluster.apply(path, config_map("a"), "one")
    assert after["metadata"]["finalizers"] == ["example.com/two"]
    cluster.patch(path, {"metadata": {"finalizers": None}})


def test_atomic_parts_have_one_owner(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services/web"
    cluster.apply(path, service(), "one")
    status = cluster.apply(path, service(selector={"app": "web", "tier": "x"}), "two", expect=409)
    assert [cause["field"] for cause in status["details"]["causes"]] == [".spec.selector"]


def test_ports_are_merged_by_port_and_protocol(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services/web"
    cluster.apply(path, service(ports=[{"port": 80, "name": "a"}]), "one")
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"ports": [{"port": 81, "name": "b"}]},
    }
    after = cluster.apply(path, body, "two")
    assert [port["port"] for port in after["spec"]["ports"]] == [80, 81]
    after = cluster.apply(path, service(ports=[{"port": 82, "name": "c"}]), "one")
    assert sorted(port["port"] for port in after["spec"]["ports"]) == [81, 82]


def test_status_is_owned_apart(cluster: Cluster, namespace: str) -> None:
    path = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/b"
    head = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"}}
    spec = {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"nobody": "matches"}}}}
    cluster.apply(path, {**head, **spec}, "one")
    body = {**head, "status": {"conditions": [_condition()]}}
    after = cluster.apply(f"{path}/status", body, "one")
    assert after["spec"]["minAvailable"] == 1
    fields = owners(after)[("one", "Apply", "status")]
    assert list(fields) == ["f:status"]
    assert list(fields["f:status"]["f:conditions"]) == ['k:{"type":"Checked"}']


def _condition() -> dict[str, str]:
    since = {"lastTransitionTime": "2026-01-01T00:00:00Z"}
    return {"type": "Checked", "status": "True", "reason": "Tested", "message": "", **since}


def test_apply_needs_a_manager_and_a_kind(cluster: Cluster, namespace: str) -> None:
    path = f"{maps(namespace)}/a"
    answer = cluster.send("PATCH", path, config_map("a"), type_="application/apply-patch+yaml")
    assert answer.status_code in (400, 422)
    assert "fieldManager" in answer.json()["message"]
    cluster.apply(path, {"metadata": {"name": "a"}}, "one", expect=400)


def test_apply_takes_no_managed_fields(cluster: Cluster, namespace: str) -> None:
    body = cluster.apply(f"{maps(namespace)}/a", config_map("a"), "one")
    body["metadata"]["managedFields"] = [
        {"manager": "x", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {}}
    ]
    cluster.apply(f"{maps(namespace)}/a", body, "one", expect=400)


def test_apply_to_another_uid_or_version_is_a_conflict(cluster: Cluster, namespace: str) -> None:
    path = f"{maps(namespace)}/a"
    first = cluster.apply(path, config_map("a", x="1"), "one")
    cluster.patch(path, {"data": {"y": "1"}})
    stale = config_map("a", x="1")
    stale["metadata"]["resourceVersion"] = first["metadata"]["resourceVersion"]
    assert cluster.apply(path, stale, "one", expect=409)["reason"] == "Conflict"


def test_apply_reads_yaml(cluster: Cluster, namespace: str) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n"
    assert cluster.apply(f"{maps(namespace)}/a", body, "one")["data"] == {"x": "1"}


def test_a_forced_dry_run_shows_and_changes_nothing(cluster: Cluster, namespace: str) -> None:
    path = f"{maps(namespace)}/a"
    cluster.apply(path, config_map("a", x="1"), "one")
    shown = cluster.apply(path, config_map("a", x="2"), "two", force="true", dryRun="All")
    assert shown["data"] == {"x": "2"}
    assert cluster.get(path)["data"] == {"x": "1"}


def test_apply_cannot_bring_back_what_had_another_uid(cluster: Cluster, namespace: str) -> None:
    body = config_map("a", x="1")
    body["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555"
    assert cluster.apply(f"{maps(namespace)}/a", body, "one", expect=409)["reason"] == "Conflict"


@pytest.mark.parametrize("validation", ["Strict", "Warn", "Ignore"])
def test_what_the_type_does_not_declare_cannot_be_applied(
    cluster: Cluster, namespace: str, validation: str
) -> None:
    for value in (1, None):  # as of `{description: one, two}` without quotes, which is two fields
        body = {**config_map("a", x="1"), "two": value}
        told = cluster.apply(f"{maps(namespace)}/a", body, "one", fieldValidation=validation, expect=500)
        assert ".two: field not declared in schema" in told["message"]
        assert told["message"].startswith("failed to create typed patch object")
    body = deployment(paused=True)
    body["spec"]["template"]["spec"] |= {"volumez": []}
    told = cluster.apply(web(namespace), body, "one", fieldValidation=validation, expect=500)
    assert ".spec.template.spec.volumez: field not declared in schema" in told["message"]


def test_a_key_given_twice_in_yaml_is_refused_when_strict(cluster: Cluster, namespace: str) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1', x: '2'}\n"
    path, said = f"{maps(namespace)}/a", 'line 4: key "x" already set in map'
    assert said in cluster.apply(path, body, "one", fieldValidation="Strict", expect=400)["message"]
    options = {"fieldManager": "one", "fieldValidation": "Warn"}
    answer = cluster.send("PATCH", path, body, type_=APPLY, expect=201, **options)
    assert "already set in map" in answer.headers["warning"]

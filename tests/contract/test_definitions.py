"""CustomResourceDefinitions: schema, defaults, pruning, status, scale, versions and columns."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.apiserver import APPLY, STRATEGIC, Cluster, fields, wait_for

SPEC = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 9},
        "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "code": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 4},
        "replicas": {"type": "integer"},
        "target": {"x-kubernetes-int-or-string": True},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "parts": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "count": {"type": "integer", "default": 1}},
            },
        },
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "fixed": {
            "type": "string",
            "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "fixed cannot change"}],
        },
    },
}
STATUS = {
    "type": "object",
    "properties": {
        "phase": {"type": "string"},
        "replicas": {"type": "integer"},
        "selector": {"type": "string"},
    },
}


def definition(group: str) -> dict[str, Any]:
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
        {"name": "Code", "type": "string", "jsonPath": ".spec.code", "priority": 1},
    ]
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}, "scale": scale},
        "additionalPrinterColumns": columns,
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "required": ["spec"],
                "properties": {"spec": SPEC, "status": STATUS},
            }
        },
    }
    names = {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "shortNames": ["gd"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gadgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": names,
            "versions": [version, {**version, "name": "v1beta1", "storage": False}],
        },
    }


DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="module")
def group(cluster: Cluster) -> Iterator[str]:
    """A group that serves gadgets."""
    name = f"g{uuid.uuid4().hex[:8]}.example.com"
    cluster.post(DEFINITIONS, definition(name))

    def served() -> bool:
        return cluster.send("GET", f"/apis/{name}/v1/gadgets").status_code == 200

    wait_for(served, "gadgets to be served")
    yield name
    cluster.delete(f"{DEFINITIONS}/gadgets.{name}", expect=200)


@pytest.fixture
def path(group: str, namespace: str) -> str:
    return f"/apis/{group}/v1/namespaces/{namespace}/gadgets"


def gadget(group_path: str, name: str = "g", **spec: Any) -> dict[str, Any]:
    api_version = "/".join(group_path.split("/")[2:4])
    return {
        "apiVersion": api_version,
        "kind": "Gadget",
        "metadata": {"name": name},
        "spec": {"size": 1, **spec},
    }


def test_a_definition_is_established(cluster: Cluster, group: str) -> None:
    found = cluster.get(f"{DEFINITIONS}/gadgets.{group}")
    conditions = {c["type"]: c["status"] for c in found["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert found["status"]["storedVersions"] == ["v1"]
    assert found["spec"]["names"]["listKind"] == "GadgetList"


def test_discovery_tells_of_the_kind(cluster: Cluster, group: str) -> None:
    listed = {r["name"]: r for r in cluster.get(f"/apis/{group}/v1")["resources"]}
    assert set(listed) == {"gadgets", "gadgets/status", "gadgets/scale"}
    assert (listed["gadgets"]["shortNames"], listed["gadgets"]["namespaced"]) == (["gd"], True)


def test_defaults_fill_and_unknown_fields_go(cluster: Cluster, path: str) -> None:
    made = cluster.post(path, gadget(path, parts=[{"name": "a"}], unknown=1, free={"any": {"thing": 1}}))
    assert made["spec"] == {
        "size": 1,
        "color": "red",
        "parts": [{"name": "a", "count": 1}],
        "free": {"any": {"thing": 1}},
    }
    assert made["metadata"]["generation"] == 1


def test_unknown_fields_are_refused_when_strict(cluster: Cluster, path: str) -> None:
    status = cluster.post(path, gadget(path, unknown=1), fieldValidation="Strict", expect=400)
    assert 'unknown field "spec.unknown"' in status["message"]


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ({"size": 0}, ["spec.size"]),
        ({"size": 10}, ["spec.size"]),
        ({"size": "big"}, ["spec.size"]),
        ({"size": None}, ["spec.size"]),
        ({"color": "green"}, ["spec.color"]),
        ({"code": "ABC"}, ["spec.code"]),
        ({"code": "x"}, ["spec.code"]),
        ({"code": "toolong"}, ["spec.code"]),
        ({"target": True}, ["spec.target"]),
        ({"parts": [{"count": 1}]}, ["spec.parts[0].name"]),
        ({"parts": [{"name": "a"}, {"name": "a"}]}, ["spec.parts[1]"]),
        ({"tags": ["x", "x"]}, ["spec.tags[1]"]),
        ({"size": 0, "color": "green"}, ["spec.color", "spec.size"]),
    ],
)
def test_the_schema_is_enforced(cluster: Cluster, path: str, spec: dict[str, Any], wrong: list[str]) -> None:
    status = cluster.post(path, gadget(path, **spec), expect=422)
    assert sorted(set(fields(status)) - {""}) == wrong


def test_the_refusal_says_what_the_schema_wants(cluster: Cluster, path: str) -> None:
    message = cluster.post(path, gadget(path, size=0), expect=422)["message"]
    assert "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1" in message
    message = cluster.post(path, gadget(path, color="green"), expect=422)["message"]
    assert 'spec.color: Unsupported value: "green": supported values: "red", "blue"' in message


def test_a_missing_spec_is_refused(cluster: Cluster, path: str) -> None:
    body = gadget(path)
    del body["spec"]
    assert fields(cluster.post(path, body, expect=422)) == ["spec"]


def test_rules_of_change_are_enforced(cluster: Cluster, path: str) -> None:
    cluster.post(path, gadget(path, fixed="a"))
    status = cluster.patch(f"{path}/g", {"spec": {"fixed": "b"}}, expect=422)
    assert fields(status) == ["spec.fixed"]
    assert "fixed cannot change" in status["message"]


def test_status_is_a_subresource(cluster: Cluster, path: str) -> None:
    made = cluster.post(path, {**gadget(path), "status": {"phase": "Early"}})
    assert "status" not in made
    after = cluster.patch(f"{path}/g/status", {"status": {"phase": "Ready"}, "spec": {"size": 5}})
    assert (after["status"], after["spec"]["size"], after["metadata"]["generation"]) == (
        {"phase": "Ready"},
        1,
        1,
    )
    after = cluster.patch(f"{path}/g", {"status": {"phase": "Late"}, "spec": {"size": 5}})
    assert (after["status"], after["spec"]["size"], after["metadata"]["generation"]) == (
        {"phase": "Ready"},
        5,
        2,
    )
    assert fields(cluster.patch(f"{path}/g/status", {"status": {"replicas": "x"}}, expect=422)) == [
        "status.replicas"
    ]


def test_scale_goes_by_the_paths_of_the_definition(cluster: Cluster, path: str) -> None:
    cluster.post(path, gadget(path, replicas=1))
    assert cluster.patch(f"{path}/g/scale", {"spec": {"replicas": 3}})["spec"] == {"replicas": 3}
    assert cluster.get(f"{path}/g")["spec"]["replicas"] == 3


def test_the_table_has_the_columns_of_the_definition(cluster: Cluster, path: str) -> None:
    cluster.post(path, gadget(path, size=4, code="ab"))
    table = cluster.get(path, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert [(c["name"], c["priority"]) for c in table["columnDefinitions"]] == [
        ("Name", 0),
        ("Size", 0),
        ("Phase", 0),
        ("Code", 1),
    ]
    assert [row["cells"] for row in table["rows"]] == [["g", 4, None, "ab"]]


def test_every_served_version_shows_the_same_object(cluster: Cluster, path: str) -> None:
    cluster.post(path, gadget(path, size=4))
    other = cluster.get(f"{path.replace('/v1/', '/v1beta1/', 1)}/g")
    assert (other["apiVersion"].rpartition("/")[2], other["spec"]["size"]) == ("v1beta1", 4)


def test_an_update_needs_a_version(cluster: Cluster, path: str) -> None:
    cluster.post(path, gadget(path))
    status = cluster.put(f"{path}/g", gadget(path, size=2), expect=422)
    assert fields(status) == ["metadata.resourceVersion"]


def test_strategic_merge_is_for_built_in_kinds(cluster: Cluster, path: str) -> None:
    cluster.post(path, gadget(path))
    cluster.patch(f"{path}/g", {"spec": {"size": 2}}, STRATEGIC, expect=415)


def test_apply_merges_lists_as_the_schema_says(cluster: Cluster, path: str) -> None:
    cluster.apply(f"{path}/g", gadget(path, parts=[{"name": "a"}], tags=["x"]), "one", expect=201)
    body = gadget(path, parts=[{"name": "b", "count": 2}], tags=["y"])
    after = cluster.apply(f"{path}/g", body, "two", expect=200)
    assert after["spec"]["parts"] == [{"name": "a", "count": 1}, {"name": "b", "count": 2}]
    assert after["spec"]["tags"] == ["x", "y"]
    after = cluster.apply(f"{path}/g", gadget(path, tags=["x"]), "one")
    assert after["spec"]["parts"] == [{"name": "b", "count": 2}]


def test_apply_by_two_managers_of_status_and_spec(cluster: Cluster, path: str) -> None:
    cluster.apply(f"{path}/g", gadget(path), "one", expect=201)
    body = {key: value for key, value in gadget(path).items() if key != "spec"} | {
        "status": {"phase": "Ready"}
    }
    answer = cluster.send("PATCH", f"{path}/g/status", body, type_=APPLY, fieldManager="two", expect=200)
    entries = {
        (e["manager"], e.get("subresource", "")): e["fieldsV1"]
        for e in answer.json()["metadata"]["managedFields"]
    }
    assert entries[("two", "status")] == {"f:status": {"f:phase": {}}}


def test_a_definition_takes_its_objects_along(cluster: Cluster, namespace: str) -> None:
    name = f"h{uuid.uuid4().hex[:8]}.example.com"
    cluster.post(DEFINITIONS, definition(name))
    path = f"/apis/{name}/v1/namespaces/{namespace}/gadgets"
    wait_for(
        lambda: cluster.send("POST", path, gadget(path)).status_code in (201, 409), "gadgets to be served"
    )
    cluster.delete(f"{DEFINITIONS}/gadgets.{name}", expect=200)
    cluster.await_gone(f"{DEFINITIONS}/gadgets.{name}")
    wait_for(lambda: cluster.send("GET", f"/apis/{name}/v1/gadgets").status_code == 404, "gadgets to be gone")


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"scope": "Everywhere"}, "spec.scope"),
        ({"names": {"plural": "others", "kind": "Other"}}, "metadata.name"),
    ],
)
def test_a_bad_definition_is_refused(cluster: Cluster, change: dict[str, Any], wrong: str) -> None:
    body = definition("bad.example.com")
    body["spec"] |= change
    assert wrong in fields(cluster.post(DEFINITIONS, body, expect=422))


@pytest.mark.parametrize("meta", [{"name": "g", "labels": {"x": 1}}, {"name": "g", "finalizers": "x"}])
def test_metadata_of_the_wrong_type_is_refused(cluster: Cluster, path: str, meta: dict[str, Any]) -> None:
    answer = cluster.send("POST", path, {**gadget(path), "metadata": meta})
    assert answer.status_code in (400, 422)
    assert answer.json()["kind"] == "Status"

"""Lists with selectors and pages, and watches that miss nothing."""

from __future__ import annotations

from itertools import takewhile

import pytest

from tests.support.apiserver import Cluster, config_map, pod, service

END_OF_INITIAL = "k8s.io/initial-events-end"


def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def labelled(name: str, **labels: str) -> dict[str, object]:
    return {"metadata": {"name": name, "labels": labels}}


def names(listed: dict[str, list[dict[str, dict[str, str]]]]) -> list[str]:
    return [
        item["metadata"]["name"] for item in listed["items"] if item["metadata"]["name"] != "kube-root-ca.crt"
    ]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("tier=web", ["a", "b"]),
        ("tier==web,env=dev", ["a"]),
        ("tier!=web,env", ["d"]),
        ("env in (dev,live)", ["a", "d"]),
        ("tier,env notin (dev)", ["b", "c"]),
        ("!tier,env", ["d"]),
        ("tier=web,!env", ["b"]),
    ],
)
def test_lists_select_by_label(cluster: Cluster, namespace: str, selector: str, expected: list[str]) -> None:
    for name, labels in {
        "a": {"tier": "web", "env": "dev"},
        "b": {"tier": "web"},
        "c": {"tier": "db"},
        "d": {"env": "live"},
    }.items():
        cluster.post(maps(namespace), labelled(name, **labels))
    assert names(cluster.get(maps(namespace), labelSelector=selector)) == expected


def test_a_malformed_selector_is_a_bad_request(cluster: Cluster, namespace: str) -> None:
    assert cluster.get(maps(namespace), labelSelector="a in b", expect=400)["reason"] == "BadRequest"
    assert cluster.get(maps(namespace), fieldSelector="data.x=1", expect=400)["reason"] == "BadRequest"


def test_lists_select_by_field(cluster: Cluster, namespace: str) -> None:
    for name in ("a", "b"):
        cluster.post(maps(namespace), config_map(name))
    assert names(cluster.get(maps(namespace), fieldSelector="metadata.name=b")) == ["b"]
    cluster.post(f"/api/v1/namespaces/{namespace}/pods", pod())
    pods = f"/api/v1/namespaces/{namespace}/pods"
    assert names(cluster.get(pods, fieldSelector="spec.nodeName=")) == ["p"]
    assert names(cluster.get(pods, fieldSelector="status.phase!=Pending")) == []


def test_pages_show_one_moment(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services"
    for number in range(5):
        cluster.post(path, service(f"s{number}"))
    first = cluster.get(path, limit=2)
    assert (names(first), first["metadata"]["remainingItemCount"]) == (["s0", "s1"], 3)
    cluster.delete(f"{path}/s3", expect=200)
    second = cluster.get(path, limit=2, **{"continue": first["metadata"]["continue"]})
    assert names(second) == ["s2", "s3"]
    last = cluster.get(path, limit=2, **{"continue": second["metadata"]["continue"]})
    assert (names(last), last["metadata"].get("continue", "")) == (["s4"], "")
    assert {page["metadata"]["resourceVersion"] for page in (first, second, last)} == {
        first["metadata"]["resourceVersion"]
    }


def test_a_list_names_its_kind_and_moment(cluster: Cluster, namespace: str) -> None:
    listed = cluster.get(maps(namespace))
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert listed["metadata"]["resourceVersion"].isdigit()


def test_a_table_has_the_printed_columns(cluster: Cluster, namespace: str) -> None:
    cluster.post(f"/api/v1/namespaces/{namespace}/services", service())
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    table = cluster.get(f"/api/v1/namespaces/{namespace}/services", accept=accept)
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    shown = [(column["name"], column["priority"]) for column in table["columnDefinitions"]]
    head = ("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age")
    assert shown == [*((name, 0) for name in head), ("Selector", 1)]
    (row,) = table["rows"]
    assert [row["cells"][index] for index in (0, 1, 3, 4, 6)] == [
        "web",
        "ClusterIP",
        "<none>",
        "80/TCP",
        "app=web",
    ]
    assert row["object"]["kind"] == "PartialObjectMetadata"


@pytest.mark.parametrize(
    ("path", "columns"),
    [
        ("/api/v1/pods", "Name Ready Status Restarts Age IP Node|Nominated Node|Readiness Gates"),
        ("/apis/apps/v1/deployments", "Name Ready Up-to-date Available Age Containers Images Selector"),
        ("/apis/apps/v1/replicasets", "Name Desired Current Ready Age Containers Images Selector"),
        ("/apis/apps/v1/statefulsets", "Name Ready Age Containers Images"),
        (
            "/apis/apps/v1/daemonsets",
            "Name Desired Current Ready Up-to-date Available Node|Selector Age Containers Images Selector",
        ),
        ("/apis/batch/v1/jobs", "Name Status Completions Duration Age Containers Images Selector"),
        (
            "/apis/batch/v1/cronjobs",
            "Name Schedule Timezone Suspend Active Last|Schedule Age Containers Images Selector",
        ),
        ("/apis/discovery.k8s.io/v1/endpointslices", "Name AddressType Ports Endpoints Age"),
        (
            "/apis/autoscaling/v2/horizontalpodautoscalers",
            "Name Reference Targets MinPods MaxPods Replicas Age",
        ),
        (
            "/apis/policy/v1/poddisruptionbudgets",
            "Name Min|Available Max|Unavailable Allowed|Disruptions Age",
        ),
        ("/apis/networking.k8s.io/v1/ingresses", "Name Class Hosts Address Ports Age"),
        ("/apis/networking.k8s.io/v1/networkpolicies", "Name Pod-Selector Age"),
        ("/apis/coordination.k8s.io/v1/leases", "Name Holder Age"),
        ("/api/v1/namespaces", "Name Status Age"),
        (
            "/api/v1/nodes",
            "Name Status Roles Age Version Internal-IP External-IP OS-Image Kernel-Version Container-Runtime",
        ),
        ("/api/v1/configmaps", "Name Data Age"),
        ("/api/v1/secrets", "Name Type Data Age"),
        ("/api/v1/serviceaccounts", "Name Age"),
        ("/api/v1/events", "Last|Seen Type Reason Object Subobject Source Message First|Seen Count Name"),
        (
            "/api/v1/persistentvolumeclaims",
            "Name Status Volume Capacity Access|Modes StorageClass VolumeAttributesClass Age VolumeMode",
        ),
    ],
)
def test_tables_have_the_columns_of_the_real_printers(cluster: Cluster, path: str, columns: str) -> None:
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    table = cluster.get(path, accept=accept, limit=1)
    shown = "|".join(column["name"].replace(" ", "|") for column in table["columnDefinitions"])
    assert shown == columns.replace(" ", "|")


def test_partial_metadata_is_metadata_alone(cluster: Cluster, namespace: str) -> None:
    cluster.post(maps(namespace), config_map("a", x="1"))
    accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    partial = cluster.get(f"{maps(namespace)}/a", accept=accept)
    assert (partial["kind"], sorted(partial)) == ("PartialObjectMetadata", ["apiVersion", "kind", "metadata"])
    listed = cluster.get(
        maps(namespace), accept="application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    )
    assert listed["kind"] == "PartialObjectMetadataList"


def test_json_is_answered_where_protobuf_is_only_preferred(cluster: Cluster, namespace: str) -> None:
    answer = cluster.send("GET", maps(namespace), accept="application/x-unknown,application/json")
    assert answer.headers["content-type"] == "application/json"
    assert cluster.send("GET", maps(namespace), accept="application/x-unknown").status_code == 406


def test_a_watch_tells_every_change_after_a_version(cluster: Cluster, namespace: str) -> None:
    start = cluster.get(maps(namespace))["metadata"]["resourceVersion"]
    cluster.post(maps(namespace), config_map("a", x="1"))
    cluster.patch(f"{maps(namespace)}/a", {"data": {"x": "2"}})
    cluster.delete(f"{maps(namespace)}/a", expect=200)
    with cluster.watch(maps(namespace), resourceVersion=start) as events:
        seen = [next(events) for _ in range(3)]
    assert [event["type"] for event in seen] == ["ADDED", "MODIFIED", "DELETED"]
    assert [event["object"]["data"]["x"] for event in seen] == ["1", "2", "2"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert versions == sorted(set(versions))


def test_a_watch_resumes_in_the_middle(cluster: Cluster, namespace: str) -> None:
    middle = cluster.post(maps(namespace), config_map("a"))["metadata"]["resourceVersion"]
    cluster.post(maps(namespace), config_map("b"))
    with cluster.watch(maps(namespace), resourceVersion=middle) as events:
        assert next(events)["object"]["metadata"]["name"] == "b"


def test_a_watch_from_any_version_begins_with_what_is_there(cluster: Cluster, namespace: str) -> None:
    cluster.post(f"/api/v1/namespaces/{namespace}/services", service())
    with cluster.watch(f"/api/v1/namespaces/{namespace}/services", resourceVersion="0") as events:
        first = next(events)
        assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "web")
        cluster.patch(f"/api/v1/namespaces/{namespace}/services/web", {"metadata": {"labels": {"x": "y"}}})
        assert next(events)["type"] == "MODIFIED"


def test_a_watch_of_a_selection_tells_of_entering_and_leaving(cluster: Cluster, namespace: str) -> None:
    start = cluster.get(maps(namespace))["metadata"]["resourceVersion"]
    cluster.post(maps(namespace), labelled("a"))
    for label in ("web", "web", "db"):
        cluster.patch(f"{maps(namespace)}/a", {"metadata": {"labels": {"tier": label}}, "data": {"x": label}})
    cluster.patch(f"{maps(namespace)}/a", {"metadata": {"labels": {"tier": "web"}}})
    cluster.delete(f"{maps(namespace)}/a", expect=200)
    with cluster.watch(maps(namespace), resourceVersion=start, labelSelector="tier=web") as events:
        assert [next(events)["type"] for _ in range(4)] == ["ADDED", "DELETED", "ADDED", "DELETED"]


def test_a_watch_of_one_object_by_name(cluster: Cluster, namespace: str) -> None:
    start = cluster.get(maps(namespace))["metadata"]["resourceVersion"]
    for name in ("a", "b"):
        cluster.post(maps(namespace), config_map(name))
    with cluster.watch(maps(namespace), resourceVersion=start, fieldSelector="metadata.name=b") as events:
        assert next(events)["object"]["metadata"]["name"] == "b"


def test_initial_events_end_with_a_bookmark(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services"
    for name in ("a", "b"):
        cluster.post(path, service(name))
    asked = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    with cluster.watch(path, **asked) as events:
        initial = list(takewhile(lambda event: event["type"] != "BOOKMARK", events))
    if "RequestWatchProgress" in str(initial):
        pytest.skip("the store behind this API server is too old to say where initial events end")
    assert [event["type"] for event in initial] == ["ADDED", "ADDED"]
    with cluster.watch(path, **asked) as events:
        bookmark = next(event for event in events if event["type"] == "BOOKMARK")
    assert bookmark["object"]["kind"] == "Service"
    assert bookmark["object"]["metadata"]["annotations"] == {END_OF_INITIAL: "true"}
    assert bookmark["object"]["metadata"]["resourceVersion"].isdigit()


def test_a_version_too_old_is_gone(cluster: Cluster, namespace: str) -> None:
    with cluster.watch(maps(namespace), resourceVersion="1") as events:
        event = next(events)
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_a_watch_ends_after_its_time(cluster: Cluster, namespace: str) -> None:
    start = cluster.get(maps(namespace))["metadata"]["resourceVersion"]
    with cluster.watch(maps(namespace), resourceVersion=start, timeoutSeconds=1) as events:
        assert list(events) == []

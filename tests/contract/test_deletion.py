"""Deleting: finalizers, propagation, owners, preconditions and namespaces."""

from __future__ import annotations

from typing import Any

from tests.support.apiserver import Cluster, config_map, pod, wait_for


def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def owned(name: str, owner: dict[str, Any], **reference: Any) -> dict[str, Any]:
    meta = owner["metadata"]
    return owned_by_uid(name, meta["name"], meta["uid"], **reference)


def owned_by_uid(name: str, owner: str, uid: str, **reference: Any) -> dict[str, Any]:
    whole = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": uid, **reference}
    return {"metadata": {"name": name, "ownerReferences": [whole]}}


def test_what_is_deleted_is_gone(cluster: Cluster, namespace: str) -> None:
    made = cluster.post(maps(namespace), config_map("a"))
    status = cluster.delete(f"{maps(namespace)}/a", expect=200)
    assert (status["kind"], status["status"]) == ("Status", "Success")
    assert status["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert cluster.delete(f"{maps(namespace)}/a", expect=404)["reason"] == "NotFound"


def test_a_finalizer_holds_an_object_until_it_is_taken_off(cluster: Cluster, namespace: str) -> None:
    cluster.post(maps(namespace), {"metadata": {"name": "a", "finalizers": ["example.com/hold"]}})
    path = f"{maps(namespace)}/a"
    held = cluster.delete(path, expect=200)
    assert (held["kind"], held["metadata"]["deletionGracePeriodSeconds"]) == ("ConfigMap", 0)
    assert "deletionTimestamp" in held["metadata"]
    grown = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    assert cluster.patch(path, grown, expect=422)["details"]["causes"][0]["field"] == "metadata.finalizers"
    cluster.patch(path, {"metadata": {"finalizers": []}})
    cluster.get(path, expect=404)


def test_preconditions_guard_a_deletion(cluster: Cluster, namespace: str) -> None:
    made = cluster.post(maps(namespace), config_map("a"))
    path = f"{maps(namespace)}/a"
    assert cluster.delete(path, {"preconditions": {"uid": "another"}}, expect=409)["reason"] == "Conflict"
    cluster.patch(path, {"data": {"x": "1"}})
    stale = {"preconditions": {"resourceVersion": made["metadata"]["resourceVersion"]}}
    assert cluster.delete(path, stale, expect=409)["reason"] == "Conflict"
    cluster.delete(path, {"preconditions": {"uid": made["metadata"]["uid"]}}, expect=200)


def test_a_deletion_is_rehearsed_by_its_body_or_by_its_query_without_one(
    cluster: Cluster, namespace: str
) -> None:
    cluster.post(maps(namespace), config_map("a"))
    path = f"{maps(namespace)}/a"
    cluster.delete(path, {"dryRun": ["All"]}, expect=200)
    cluster.delete(path, expect=200, dryRun="All")
    cluster.get(path)


def test_beside_a_body_the_query_of_a_deletion_is_not_looked_at(cluster: Cluster, namespace: str) -> None:
    cluster.post(maps(namespace), config_map("a"))
    path = f"{maps(namespace)}/a"
    cluster.delete(path, {"propagationPolicy": "Background"}, expect=200, dryRun="All")
    cluster.get(path, expect=404)


def test_an_unknown_propagation_is_refused(cluster: Cluster, namespace: str) -> None:
    cluster.post(maps(namespace), config_map("a"))
    assert cluster.delete(f"{maps(namespace)}/a", {"propagationPolicy": "Sideways"}).get("code") in (400, 422)


def test_dependents_follow_their_owner(cluster: Cluster, namespace: str) -> None:
    owner = cluster.post(maps(namespace), config_map("owner"))
    child = cluster.post(maps(namespace), owned("child", owner))
    cluster.post(maps(namespace), owned("grandchild", child))
    cluster.delete(f"{maps(namespace)}/owner", expect=200)
    cluster.await_gone(f"{maps(namespace)}/child")
    cluster.await_gone(f"{maps(namespace)}/grandchild")


def test_a_dependent_stays_while_it_has_another_owner(cluster: Cluster, namespace: str) -> None:
    first = cluster.post(maps(namespace), config_map("first"))
    second = cluster.post(maps(namespace), config_map("second"))
    shared = owned("shared", first)
    shared["metadata"]["ownerReferences"] += owned("shared", second)["metadata"]["ownerReferences"]
    cluster.post(maps(namespace), shared)
    cluster.delete(f"{maps(namespace)}/first", expect=200)

    def owners() -> list[str]:
        found = cluster.get(f"{maps(namespace)}/shared")["metadata"]["ownerReferences"]
        return [reference["name"] for reference in found]

    wait_for(lambda: owners() == ["second"], "the first owner to be forgotten")
    cluster.delete(f"{maps(namespace)}/second", expect=200)
    cluster.await_gone(f"{maps(namespace)}/shared")


def test_orphans_lose_their_owner_and_stay(cluster: Cluster, namespace: str) -> None:
    owner = cluster.post(maps(namespace), config_map("owner"))
    cluster.post(maps(namespace), owned("child", owner))
    cluster.delete(f"{maps(namespace)}/owner", {"propagationPolicy": "Orphan"}, expect=200)
    cluster.await_gone(f"{maps(namespace)}/owner")
    assert "ownerReferences" not in cluster.get(f"{maps(namespace)}/child")["metadata"]


def test_in_the_foreground_the_owner_goes_last(cluster: Cluster, namespace: str) -> None:
    owner = cluster.post(maps(namespace), config_map("owner"))
    child = owned("child", owner, blockOwnerDeletion=True)
    child["metadata"]["finalizers"] = ["example.com/hold"]
    cluster.post(maps(namespace), child)
    marked = cluster.delete(f"{maps(namespace)}/owner", {"propagationPolicy": "Foreground"}, expect=200)
    assert marked["metadata"]["finalizers"] == ["foregroundDeletion"]
    wait_for(
        lambda: "deletionTimestamp" in cluster.get(f"{maps(namespace)}/child")["metadata"],
        "the child's deletion",
    )
    cluster.get(f"{maps(namespace)}/owner")
    cluster.patch(f"{maps(namespace)}/child", {"metadata": {"finalizers": None}})
    cluster.await_gone(f"{maps(namespace)}/child")
    cluster.await_gone(f"{maps(namespace)}/owner")


def test_an_owner_that_does_not_exist_owns_nothing_for_long(cluster: Cluster, namespace: str) -> None:
    cluster.post(maps(namespace), owned_by_uid("child", "nobody", "11111111-2222-3333-4444-555555555555"))
    cluster.await_gone(f"{maps(namespace)}/child")


def test_a_cluster_scoped_owner_takes_its_dependents_along(cluster: Cluster, namespace: str) -> None:
    role = cluster.post(
        "/apis/rbac.authorization.k8s.io/v1/clusterroles", {"metadata": {"name": namespace}, "rules": []}
    )
    reference = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    child = owned("child", role, **reference)
    cluster.post(maps(namespace), child)
    cluster.delete(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{namespace}", expect=200)
    cluster.await_gone(f"{maps(namespace)}/child")


def test_a_collection_is_deleted_by_selector(cluster: Cluster, namespace: str) -> None:
    for name, tier in (("a", "web"), ("b", "web"), ("c", "db")):
        cluster.post(maps(namespace), {"metadata": {"name": name, "labels": {"tier": tier}}})
    cluster.delete(maps(namespace), labelSelector="tier=web", expect=200)
    left = cluster.get(maps(namespace), labelSelector="tier")["items"]
    assert [item["metadata"]["name"] for item in left] == ["c"]


def test_a_pod_that_no_node_runs_goes_at_once(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    cluster.post(path, pod())
    gone = cluster.delete(f"{path}/p", expect=200)
    assert (gone["kind"], gone["metadata"]["name"]) == ("Pod", "p")
    cluster.get(f"{path}/p", expect=404)


def test_a_namespace_takes_its_contents_along(cluster: Cluster, namespace: str) -> None:
    cluster.post(maps(namespace), {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}})
    ending = cluster.delete(f"/api/v1/namespaces/{namespace}", expect=200)
    assert ending["status"]["phase"] == "Terminating"
    status = cluster.post(maps(namespace), config_map("late"), expect=403)
    assert status["reason"] == "Forbidden"
    assert "because it is being terminated" in status["message"]
    wait_for(
        lambda: "deletionTimestamp" in cluster.get(f"{maps(namespace)}/held")["metadata"],
        "its contents to go",
    )
    cluster.patch(f"{maps(namespace)}/held", {"metadata": {"finalizers": None}})
    cluster.await_gone(f"/api/v1/namespaces/{namespace}")


def test_the_default_namespace_cannot_be_deleted(cluster: Cluster) -> None:
    assert cluster.delete("/api/v1/namespaces/default", expect=403)["reason"] == "Forbidden"

"""StatefulSets, DaemonSets and Jobs on a real node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.nodecluster import NodeCluster, workload
from tests.support.waiting import until

Object = dict[str, Any]
Web = Callable[..., Object]

SETS = "statefulsets.apps"


def stateful(container: Object, **spec: Any) -> Object:
    return workload("db", container, **{"serviceName": "db", "replicas": 2, **spec})


def names(cluster: NodeCluster) -> list[str]:
    return sorted(pod["metadata"]["name"] for pod in cluster.pods("db"))


def complete(cluster: NodeCluster) -> bool:
    found = cluster.get(SETS, "db") or {}
    status = found.get("status", {})
    seen = status.get("observedGeneration") == found["metadata"]["generation"]
    counts = [status.get(name) for name in ("updatedReplicas", "readyReplicas", "replicas")]
    current = status.get("currentRevision") == status.get("updateRevision")
    return seen and current and counts == [found["spec"]["replicas"]] * 3


def test_pods_are_made_in_order_and_keep_their_claims(cluster: NodeCluster, web: Web) -> None:
    size = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    made = stateful(web(), volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": size}])
    cluster.create(SETS, made)
    seen = []

    def filled() -> bool:
        seen.append((len(names(cluster)), len(cluster.ready_pods("db"))))
        return complete(cluster)

    until(filled, "both pods are ready")
    assert all(pods <= ready + 1 for pods, ready in seen)
    assert names(cluster) == ["db-0", "db-1"]
    claims = {c["metadata"]["name"]: c["status"]["phase"] for c in cluster.list("persistentvolumeclaims")}
    assert claims == {"data-db-0": "Bound", "data-db-1": "Bound"}
    before = [pod["metadata"]["uid"] for pod in cluster.pods("db")]
    cluster.delete("pods", "db-0")
    until(lambda: complete(cluster) and names(cluster) == ["db-0", "db-1"], "db-0 is back")
    until(lambda: before[0] not in [p["metadata"]["uid"] for p in cluster.pods("db")], "as another pod")
    assert len(cluster.list("persistentvolumeclaims")) == 2


def test_an_update_goes_from_the_last_pod_to_the_first(cluster: NodeCluster, web: Web) -> None:
    cluster.create(SETS, stateful(web(), podManagementPolicy="Parallel"))
    until(lambda: complete(cluster), "both pods are ready")
    order: list[str] = []

    def updated() -> bool:
        for pod in cluster.pods("db"):
            version = next(e["value"] for e in pod["spec"]["containers"][0]["env"] if e["name"] == "VERSION")
            if version == "2" and pod["metadata"]["name"] not in order:
                order.append(pod["metadata"]["name"])
        return complete(cluster) and len(order) == 2

    cluster.patch(SETS, "db", {"spec": {"template": {"spec": {"containers": [web("2")]}}}})
    until(updated, "both pods are new")
    assert order == ["db-1", "db-0"]
    assert len(cluster.list("controllerrevisions.apps")) == 2


def test_scaling_down_removes_the_last_pod(cluster: NodeCluster, web: Web) -> None:
    cluster.create(SETS, stateful(web(), podManagementPolicy="Parallel"))
    until(lambda: complete(cluster), "both pods are ready")
    cluster.patch(SETS, "db", {"spec": {"replicas": 1}})
    until(lambda: names(cluster) == ["db-0"], "the last is gone")


def test_a_daemon_set_runs_one_pod_and_rolls(cluster: NodeCluster, web: Web) -> None:
    made = workload("agent", web())
    del made["spec"]["replicas"]
    cluster.create("daemonsets.apps", made)
    (first,) = until(lambda: cluster.ready_pods("agent"), "it runs")
    cluster.patch("daemonsets.apps", "agent", {"spec": {"template": {"spec": {"containers": [web("2")]}}}})

    def rolled() -> bool:
        status = (cluster.get("daemonsets.apps", "agent") or {})["status"]
        ready = [pod["metadata"]["uid"] for pod in cluster.ready_pods("agent")]
        return (
            status["updatedNumberScheduled"] == 1
            and len(ready) == 1
            and first["metadata"]["uid"] not in ready
        )

    until(rolled, "the new pod runs")


def job(text: str, **spec: Any) -> Object:
    container = {"name": "main", "image": "host", "command": ["python", "-c", text]}
    template = {"spec": {"containers": [container], "restartPolicy": "Never"}}
    return {"metadata": {"name": "work"}, "spec": {"template": template, **spec}}


def finished(cluster: NodeCluster) -> set[str]:
    conditions = (cluster.get("jobs.batch", "work") or {}).get("status", {}).get("conditions", [])
    return {c["type"] for c in conditions if c["status"] == "True"}


def test_a_job_completes_when_enough_pods_succeeded(cluster: NodeCluster) -> None:
    cluster.create("jobs.batch", job("pass", completions=3, parallelism=2))
    until(lambda: "Complete" in finished(cluster), "the job is complete")
    assert (cluster.get("jobs.batch", "work") or {})["status"]["succeeded"] == 3


def test_a_job_fails_when_too_many_pods_failed(cluster: NodeCluster) -> None:
    cluster.create("jobs.batch", job("raise SystemExit(1)", backoffLimit=1))
    until(lambda: "Failed" in finished(cluster), "the job failed")
    assert (cluster.get("jobs.batch", "work") or {})["status"]["failed"] == 2

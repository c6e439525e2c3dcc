"""Deployments on a real node: pods are processes, Services answer, rollouts stay within their bounds."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.nodecluster import NodeCluster, condition, fetch, service, workload
from tests.support.waiting import until

Object = dict[str, Any]
Web = Callable[..., Object]

DEPLOYMENTS = "deployments.apps"


def test_a_deployment_becomes_a_ready_endpoint_that_answers(cluster: NodeCluster, web: Web) -> None:
    cluster.create("services", service("shop"))
    cluster.create(DEPLOYMENTS, workload("shop", web()))
    addresses = until(lambda: cluster.ready_addresses("shop"), "the Service has an endpoint")
    assert '"version": "1"' in fetch(f"http://{addresses[0]}:8080/")


def test_a_service_passes_requests_to_its_pods(cluster: NodeCluster, web: Web) -> None:
    url = running_shop(cluster, web(), replicas=2)
    answers = {answer(url)["pod"] for _ in range(4)}
    assert answers == {pod["metadata"]["name"] for pod in cluster.pods("shop")}


def test_a_roll_replaces_all_pods_and_fails_no_request(cluster: NodeCluster, web: Web) -> None:
    url = running_shop(cluster, web(), replicas=3)
    old = names(cluster.pods("shop"))
    with under_load(url) as failures:
        cluster.patch(DEPLOYMENTS, "shop", containers(web("2")))
        until(lambda: complete(cluster, "shop"), "the rollout is complete")
        until(lambda: not old & names(cluster.pods("shop")), "the old pods are gone")
    assert failures == []
    assert answer(url)["version"] == "2"


def test_a_roll_stays_between_unavailable_and_surge(cluster: NodeCluster, web: Web) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}}
    running_shop(cluster, web(), replicas=4, strategy=strategy)
    seen: list[tuple[int, int]] = []

    def rolled() -> bool:
        wanted = sum(s["spec"]["replicas"] for s in cluster.list("replicasets.apps"))
        seen.append((wanted, len(cluster.ready_addresses("shop"))))
        return complete(cluster, "shop")

    cluster.patch(DEPLOYMENTS, "shop", containers(web("2")))
    until(rolled, "the rollout is complete")
    assert max(wanted for wanted, _ in seen) <= 5
    assert min(ready for _, ready in seen) >= 3


def test_recreate_starts_new_pods_only_when_the_old_are_gone(cluster: NodeCluster, web: Web) -> None:
    running_shop(cluster, web(), replicas=2, strategy={"type": "Recreate", "rollingUpdate": None})
    old = names(cluster.pods("shop"))
    mixed = []

    def rolled() -> bool:
        present = names(cluster.pods("shop"))
        mixed.append(bool(present & old) and bool(present - old))
        return complete(cluster, "shop") and not present & old

    cluster.patch(DEPLOYMENTS, "shop", containers(web("2")))
    until(rolled, "the new pods run")
    assert not any(mixed)


def test_a_broken_version_leaves_the_old_pods_and_says_so(cluster: NodeCluster, web: Web) -> None:
    url = running_shop(cluster, web(), replicas=2, progressDeadlineSeconds=1)
    cluster.patch(DEPLOYMENTS, "shop", containers(web("2", command=["python", "-c", "raise SystemExit(3)"])))
    until(lambda: condition(get(cluster, "shop"), "Progressing") == "False", "the deadline is exceeded")
    assert answer(url)["version"] == "1"
    assert condition(get(cluster, "shop"), "Available") == "True"


def test_going_back_uses_the_old_replica_set_with_a_new_revision(cluster: NodeCluster, web: Web) -> None:
    running_shop(cluster, web())
    first = names(cluster.list("replicasets.apps"))
    for version in ("2", "1"):
        cluster.patch(DEPLOYMENTS, "shop", containers(web(version)))
        until(lambda: complete(cluster, "shop"), f"version {version} is rolled out")
    sets = {s["metadata"]["name"]: s for s in cluster.list("replicasets.apps")}
    assert len(sets) == 2
    back = sets[first.pop()]
    assert back["spec"]["replicas"] == 1
    assert back["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


def test_a_paused_deployment_scales_but_does_not_roll(cluster: NodeCluster, web: Web) -> None:
    running_shop(cluster, web())
    changed = containers(web("2"))
    changed["spec"] |= {"paused": True, "replicas": 2}
    cluster.patch(DEPLOYMENTS, "shop", changed)
    until(lambda: len(cluster.ready_addresses("shop")) == 2, "it has a second pod")
    assert len(cluster.list("replicasets.apps")) == 1
    cluster.patch(DEPLOYMENTS, "shop", {"spec": {"paused": None}})
    until(lambda: complete(cluster, "shop"), "it rolls once resumed")
    assert len(cluster.list("replicasets.apps")) == 2


def test_scaling_to_zero_refuses_connections_and_back_answers(cluster: NodeCluster, web: Web) -> None:
    url = running_shop(cluster, web())
    cluster.patch(DEPLOYMENTS, "shop", {"spec": {"replicas": 0}})
    until(lambda: not answers(url) and not cluster.pods("shop"), "nothing answers")
    cluster.patch(DEPLOYMENTS, "shop", {"spec": {"replicas": 1}})
    until(lambda: answers(url), "it answers again")


def test_pods_left_by_a_deployment_are_adopted_by_its_successor(cluster: NodeCluster, web: Web) -> None:
    running_shop(cluster, web())
    pods = names(cluster.pods("shop"))
    cluster.delete(DEPLOYMENTS, "shop", propagation="Orphan")
    until(lambda: cluster.get(DEPLOYMENTS, "shop") is None, "the Deployment is gone")
    until(lambda: not owners(cluster.list("replicasets.apps")), "its ReplicaSet is an orphan")
    cluster.create(DEPLOYMENTS, workload("shop", web()))
    until(lambda: complete(cluster, "shop"), "the new Deployment is complete")
    assert names(cluster.pods("shop")) == pods


def test_a_refused_pod_is_told_in_the_conditions(cluster: NodeCluster, web: Web) -> None:
    made = workload("shop", web())
    made["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "fast"}
    cluster.create(DEPLOYMENTS, made)
    until(lambda: any(unschedulable(pod) for pod in cluster.pods("shop")), "the pod cannot be scheduled")
    cluster.do(
        lambda: cluster.api.patch("nodes", "", "devcluster", {"metadata": {"labels": {"disk": "fast"}}})
    )
    until(lambda: cluster.ready_pods("shop"), "it runs once the node has the label")


def test_an_address_that_is_taken_is_told_and_tried_again(cluster: NodeCluster, web: Web) -> None:
    made = cluster.create("services", service("shop"))
    address = made["spec"]["clusterIP"]
    with socket.create_server((address, 18080)):
        cluster.create(DEPLOYMENTS, workload("shop", web()))
        until(lambda: "ProxyFailed" in cluster.reasons(), "an Event says that the address is taken")
    until(lambda: answers(f"http://{address}:18080/"), "the Service answers")


def running_shop(cluster: NodeCluster, container: Object, **spec: Any) -> str:
    """Run it behind a Service, whose URL this is."""
    made = cluster.create("services", service("shop"))
    cluster.create(DEPLOYMENTS, workload("shop", container, **spec))
    until(lambda: complete(cluster, "shop"), "the Deployment is complete")
    url = f"http://{made['spec']['clusterIP']}:18080/"
    until(lambda: answers(url), "the Service answers")
    return url


def containers(*wanted: Object) -> Object:
    return {"spec": {"template": {"spec": {"containers": list(wanted)}}}}


def get(cluster: NodeCluster, name: str) -> Object:
    found = cluster.get(DEPLOYMENTS, name)
    assert found is not None
    return found


def complete(cluster: NodeCluster, name: str) -> bool:
    """As `kubectl rollout status` decides it."""
    deployment = get(cluster, name)
    status, wanted = deployment.get("status") or {}, deployment["spec"]["replicas"]
    seen = status.get("observedGeneration") == deployment["metadata"]["generation"]
    counts = [status.get(f, 0) for f in ("updatedReplicas", "replicas", "availableReplicas")]
    return seen and counts == [wanted] * 3


def names(objects: list[Object]) -> set[str]:
    return {obj["metadata"]["name"] for obj in objects}


def owners(objects: list[Object]) -> list[Object]:
    return [reference for obj in objects for reference in obj["metadata"].get("ownerReferences", [])]


def unschedulable(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c["type"] == "PodScheduled" and c.get("reason") == "Unschedulable" for c in conditions)


def answer(url: str) -> Object:
    found: Object = json.loads(fetch(url))
    return found


def answers(url: str) -> bool:
    try:
        fetch(url)
    except OSError:  # refused, or reset
        return False
    return True


@contextmanager
def under_load(url: str) -> Iterator[list[str]]:
    """Sends requests one after the other until the end; what failed."""
    failures: list[str] = []
    over = threading.Event()

    def send() -> None:
        while not over.is_set():
            try:
                fetch(url)
            except OSError as error:
                failures.append(repr(error))

    thread = threading.Thread(target=send)
    thread.start()
    yield failures
    over.set()
    thread.join()

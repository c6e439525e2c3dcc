from __future__ import annotations

import json
import urllib.error
from collections.abc import Callable
from typing import Any

from tests.support.nodecluster import NodeCluster, fetch, service, workload
from tests.support.waiting import until

Object = dict[str, Any]


def test_a_deployment_becomes_a_ready_endpoint_that_answers(
    cluster: NodeCluster, web: Callable[..., Object]
) -> None:
    cluster.create("services", service("shop"))
    cluster.create("deployments.apps", workload("shop", web()))
    addresses = until(lambda: cluster.ready_addresses("shop"), "the Service has an endpoint")
    assert '"version": "1"' in fetch(f"http://{addresses[0]}:8080/")


def test_a_service_passes_requests_to_its_pods(cluster: NodeCluster, web: Callable[..., Object]) -> None:
    made = cluster.create("services", service("shop"))
    cluster.create("deployments.apps", workload("shop", web(), replicas=2))
    until(lambda: len(cluster.ready_addresses("shop")) == 2, "both pods are endpoints")
    url = f"http://{made['spec']['clusterIP']}:18080/"
    until(lambda: answered_by(url) is not None, "the Service answers")
    answers = {answered_by(url) for _ in range(4)}
    assert answers == {pod["metadata"]["name"] for pod in cluster.pods("shop")}


def answered_by(url: str) -> str | None:
    """The pod that answers; None when the connection is refused."""
    try:
        return str(json.loads(fetch(url))["pod"])
    except urllib.error.URLError:
        return None

from __future__ import annotations

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

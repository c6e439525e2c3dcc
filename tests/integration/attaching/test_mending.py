"""A tool applies its manifest to an attached Service; the router's process leads it back."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner import labels
from provisioner.cluster import Cluster
from provisioner.routing.router import attach as attaching
from provisioner.routing.router import attachment
from provisioner.routing.router.attach import Work
from provisioner.routing.router.attachment import Attachment
from provisioner.routing.router.deployment import RouterSettings
from provisioner.routing.router.mending import Mending
from tests.integration.attaching.conftest import NAMESPACE, service
from tests.support.devcluster import Devcluster, devcluster
from tests.support.loops import LoopThread
from tests.support.routing import ChainFiles, chain, wait_until

Json = dict[str, Any]
KUBECTL = Path(sys.executable).with_name("kubectl")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devcluster]:
    with devcluster(tmp_path_factory.mktemp("cluster"), "--no-node") as found:
        found.cluster.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, force=True
        )
        thread = LoopThread()
        mending = thread.run(_begin(found.cluster))
        yield found
        thread.run(_end(mending))
        thread.close()


async def _begin(cluster: Cluster) -> asyncio.Task[None]:
    return asyncio.create_task(Mending(cluster, ChainFiles(chain())).run())


async def _end(mending: asyncio.Task[None]) -> None:
    assert not mending.done(), mending.exception()
    mending.cancel()
    await asyncio.wait({mending})


def applied(server: Devcluster, wanted: Json) -> Json:
    """The Service after `kubectl apply` of a manifest."""
    command = [str(KUBECTL), "--kubeconfig", str(server.kubeconfig), "apply", "-f", "-"]
    subprocess.run(command, input=json.dumps(wanted), text=True, check=True, capture_output=True, timeout=60)
    return read(server, wanted["metadata"]["name"])


def read(server: Devcluster, name: str) -> Json:
    found = server.cluster.get("Service", name, NAMESPACE)
    assert found is not None
    return found


def attached(server: Devcluster, name: str) -> Json:
    """A Service that `kubectl apply` made, attached."""
    made = applied(server, service(name, {"app": name}))
    switched = attachment.switched(Attachment("shop", made, {"80": 10001, "81": 10002}))
    return server.cluster.replace(switched)


def test_a_client_side_apply_over_an_attached_service_is_mended(server: Devcluster) -> None:
    before = attached(server, "payment")
    manifest = service("payment", {"app": "payment"})
    manifest["spec"]["ports"][0]["targetPort"] = "other"
    applied(server, manifest)
    wait_until(lambda: attachment.is_attached(read(server, "payment")), 30, "the Service is mended")
    after = read(server, "payment")
    assert after["spec"] == before["spec"]
    original = json.loads(after["metadata"]["annotations"][labels.ORIGINAL])
    assert original["spec"]["ports"][0]["targetPort"] == "other", "what the owner wants now"


def test_after_a_detach_no_field_of_a_service_is_laneways(server: Devcluster) -> None:
    attached(server, "money")
    assert labels.FIELD_MANAGER in managers(read(server, "money"))
    work = Work(server.cluster, RouterSettings("host", 1, "127.0.0.1:18000"), 5.0, settle=0.0)
    list(attaching.detach("shop", [NAMESPACE], work))
    assert managers(read(server, "money")) == {"kubectl-client-side-apply"}


def managers(obj: Json) -> set[str]:
    return {one["manager"] for one in obj["metadata"]["managedFields"]}


def test_what_somebody_restored_stays_restored(server: Devcluster) -> None:
    before = attached(server, "orders")
    server.cluster.replace(attachment.restored(before))
    attached(server, "witness")
    applied(server, service("witness", {"app": "witness"}))
    wait_until(lambda: attachment.is_attached(read(server, "witness")), 30, "the later change is seen to")
    assert read(server, "orders")["spec"]["selector"] == {"app": "orders"}

"""Attaching a running chain and detaching it, on an embedded cluster, under load."""

from __future__ import annotations

import collections
import http.client
import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from provisioner import labels
from provisioner.errors import ForeignObjectError, TemporaryError
from provisioner.routing.router import attach as attaching
from provisioner.routing.router import attachment, difference
from provisioner.routing.router.attach import Work
from provisioner.routing.router.deployment import RouterSettings
from provisioner.routing.router.eligibility import CannotAttachError
from tests.support.devcluster import devcluster
from tests.support.ports import free_port
from tests.support.routing import NAMESPACE, Router, chain, get, lane, wait_until

APPLICATION = """
import asyncio, json, os, sys
async def serve(reader, writer):
    try:
        while True:
            await reader.readuntil(b"\\r\\n\\r\\n")
            body = json.dumps({"name": os.environ["NAME"]}).encode()
            writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\n\\r\\n%s" % (len(body), body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    server = await asyncio.start_server(serve, os.environ["POD_IP"], 8080)
    await server.serve_forever()
asyncio.run(main())
"""


def workload(name: str, marks: dict[str, str], answer: str):
    container = {
        "name": "app",
        "image": "host",
        "command": [sys.executable, "-c", APPLICATION],
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "NAME", "value": answer},
        ],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    template = {"metadata": {"labels": marks}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"replicas": 1, "selector": {"matchLabels": marks}, "template": template},
    }


def service(name: str, selector: dict[str, str], marks: dict[str, str] | None = None, **spec):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": marks or {}},
        "spec": {"selector": selector, "ports": [{"name": "http", "port": 8080, "targetPort": 8080}], **spec},
    }


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    with devcluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture(scope="module")
def running(embedded):
    """A cluster with one service, payment, that answers; and a discovery server."""
    cluster = embedded.cluster
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, force=True)
    cluster.create(workload("payment", {"app": "payment"}, "baseline"))
    cluster.create(service("payment", {"app": "payment"}))
    wait_until(lambda: answers(cluster) == "baseline", 20, "the baseline's first answer")
    router = Router(cluster, chain(["payment", "orders"]))
    yield cluster, work(cluster, router.port)
    router.stop()


def work(cluster, port, **options):
    settings = RouterSettings("host", 1, f"127.0.0.1:{port}")
    return Work(cluster, settings, 30.0, settle=0.0, **options)


def answers(cluster, headers=None, name="payment", namespace=NAMESPACE):
    """Who answers at a Service's own address; empty when nobody does."""
    spec = cluster.get("Service", name, namespace)["spec"]
    try:
        status, _, body = get(spec["clusterIP"], spec["ports"][0]["port"], headers=headers)
    except OSError:
        return ""
    return body.decode().split('"')[3] if status == 200 else f"{status}"


@contextmanager
def meanwhile(traffic):
    """Runs `traffic(seen, stop)` in a thread until it is left; `seen` are the counts that it keeps."""
    seen, stop = collections.Counter(), threading.Event()
    thread = threading.Thread(target=traffic, args=(seen, stop))
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def asking(cluster):
    """Requests to payment all the while; counts of who answered."""

    def ask(seen, stop):
        while not stop.wait(0.005):
            seen[answers(cluster)] += 1

    return meanwhile(ask)


def test_attach_and_detach_harm_no_request_and_leave_nothing(running):
    cluster, work = running
    before = cluster.get("Service", "payment", NAMESPACE)
    with asking(cluster) as seen:
        steps = [str(step) for step in attaching.attach(chain(), work)]
        assert len(steps) == 6, steps
        assert list(attaching.attach(chain(), work)) == [], "attaching again writes nothing"
        open_lane(cluster, "pr-4")
        list(attaching.detach("shop", [NAMESPACE], work))
        assert list(attaching.detach("shop", [NAMESPACE], work)) == [], "detaching again writes nothing"
    assert set(seen) == {"baseline"}, seen
    assert seen["baseline"] > 50
    after = cluster.get("Service", "payment", NAMESPACE)
    assert attachment.canonical(facts(after)) == attachment.canonical(facts(before))
    assert cluster.list("Deployment", NAMESPACE, labels.ROLE) == []
    assert cluster.list("Service", NAMESPACE, labels.ROLE) == []


def test_connections_that_go_through_the_router_are_drained_when_it_goes(running):
    cluster, work = running
    list(attaching.attach(chain(), work))
    with keeping(cluster) as seen:
        wait_until(lambda: seen[200] > 20, 20, "requests over a connection that stays open")
        list(attaching.detach("shop", [NAMESPACE], work))
        wait_until(lambda: seen["connections"] > 1, 20, "the router closes the connection")
    assert set(seen) == {200, "connections"}, seen


def keeping(cluster):
    """Requests over one connection, and over another when the server has closed it; counts of statuses."""
    spec = cluster.get("Service", "payment", NAMESPACE)["spec"]

    def ask(connection, seen):
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        seen[answer.status] += 1
        return not answer.will_close

    def keep(seen, stop):
        while not stop.is_set():
            connection = http.client.HTTPConnection(spec["clusterIP"], spec["ports"][0]["port"], timeout=60)
            seen["connections"] += 1
            try:
                while ask(connection, seen) and not stop.wait(0.005):
                    pass
            except OSError as error:
                seen[repr(error)] += 1
            finally:
                connection.close()

    return meanwhile(keep)


def open_lane(cluster, name):
    """A lane with a copy of payment, as the worker writes it, once it answers."""
    cluster.apply(lane(name), force=True)
    marks = labels.of_copy("shop", name, "payment")
    cluster.create(workload(f"payment--{name}", marks, name))
    cluster.create(service(f"payment--{name}", marks, marks, clusterIP="None"))
    wait_until(lambda: answers(cluster, {"x-preview-lane": name}) == name, 20, "the lane's first answer")


def test_a_service_that_joins_later_rolls_the_router_without_harm(running):
    cluster, work = running
    list(attaching.attach(chain(["payment"]), work))
    before = router_pods(cluster)
    cluster.create(workload("orders", {"app": "orders"}, "orders"))
    cluster.create(service("orders", {"app": "orders"}))
    wait_until(lambda: answers(cluster, name="orders") == "orders", 20, "the first answer of orders")
    with asking(cluster) as seen:
        list(attaching.attach(chain(["payment", "orders"]), work))
        assert answers(cluster, {"x-preview-lane": "pr-9"}, "orders") == "orders"
        assert router_pods(cluster).isdisjoint(before), "new router pods, which waited for the new listener"
        list(attaching.detach("shop", [NAMESPACE], work))
    assert set(seen) == {"baseline"}, seen


def router_pods(cluster):
    pods = cluster.list("Pod", NAMESPACE, f"{labels.ROLE}=router")
    return {pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}


def facts(obj):
    return [obj["spec"], obj["metadata"].get("labels"), obj["metadata"].get("annotations")]


def test_a_dry_run_says_each_step_and_writes_nothing(running):
    cluster, _ = running
    before = cluster.get("Service", "payment", NAMESPACE)
    steps = {str(step): step for step in attaching.attach(chain(), work(cluster, free_port(), dry=True))}
    switch = steps["switch Service shop/payment"]
    shown = difference.unified(switch.before, switch.after).splitlines()
    assert {"-    targetPort: 8080", "+    targetPort: 10001", "-    app: payment"} <= set(shown), shown
    assert "create Deployment shop/laneway-router-shop" in steps
    assert cluster.get("Service", "payment", NAMESPACE) == before
    assert cluster.list("Service", NAMESPACE, labels.ROLE) == []


def test_somebody_elses_object_is_left_alone(running):
    cluster, work = running
    cluster.create(service("payment-baseline", {"app": "other"}))
    with pytest.raises(ForeignObjectError, match="Service shop/payment-baseline"):
        list(attaching.attach(chain(), work))
    cluster.delete("Service", "payment-baseline", NAMESPACE)
    list(attaching.detach("shop", [NAMESPACE], work))


def test_without_discovery_services_stay_as_they_are(running):
    cluster, _ = running
    alone = Work(cluster, RouterSettings("host", 1, f"127.0.0.1:{free_port()}"), 2.0)
    with pytest.raises(TemporaryError, match="0 of 1 pods ready"):
        list(attaching.attach(chain(), alone))
    assert not attachment.is_attached(cluster.get("Service", "payment", NAMESPACE))
    assert answers(cluster) == "baseline"
    list(attaching.detach("shop", [NAMESPACE], alone.__class__(cluster, alone.settings, 30.0)))


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_an_attachment_that_was_interrupted_can_be_undone_or_finished(running, steps):
    cluster, work = running
    before = facts(cluster.get("Service", "payment", NAMESPACE))
    assert len(list(islice(attaching.attach(chain(), work), steps))) == steps
    assert answers(cluster) == "baseline"
    list(attaching.detach("shop", [NAMESPACE], work))
    assert facts(cluster.get("Service", "payment", NAMESPACE)) == before
    assert cluster.list("Service", NAMESPACE, labels.ROLE) == []

    list(islice(attaching.attach(chain(), work), steps))
    list(attaching.attach(chain(), work))
    assert attachment.is_attached(cluster.get("Service", "payment", NAMESPACE))
    assert answers(cluster) == "baseline"
    list(attaching.detach("shop", [NAMESPACE], work))


DOCUMENTED = Path(__file__).parents[3] / "docs" / "attaching.md"


def test_when_laneway_is_gone_the_documented_lines_restore_with_kubectl_alone(running, embedded):
    cluster, work = running
    before = facts(cluster.get("Service", "payment", NAMESPACE))
    list(attaching.attach(chain(), work))
    (lines,) = re.findall(r"```sh\n(chain=shop .*?)```", DOCUMENTED.read_text(), re.DOTALL)
    tools = Path(sys.executable).parent
    environment = {
        **os.environ,
        "KUBECONFIG": str(embedded.kubeconfig),
        "PATH": f"{tools}:{os.environ['PATH']}",
    }
    with asking(cluster) as seen:
        done = subprocess.run(
            ["sh", "-euc", lines], env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert set(seen) == {"baseline"}, seen
    assert facts(cluster.get("Service", "payment", NAMESPACE)) == before
    for kind in ("Service", "Deployment", "PodDisruptionBudget", "ConfigMap", "NetworkPolicy"):
        assert cluster.list(kind, NAMESPACE, labels.ROLE) == []


def test_a_chain_whose_file_names_a_service_no_more_gives_it_back(running):
    cluster, work = running
    cluster.create(service("money", {"app": "payment"}))
    before = facts(cluster.get("Service", "money", NAMESPACE))
    both = chain(["payment", "money"])
    list(attaching.attach(both, work))
    with asking(cluster) as seen:
        list(attaching.attach(chain(["payment"]), work))
    assert set(seen) == {"baseline"}, seen
    assert facts(cluster.get("Service", "money", NAMESPACE)) == before
    assert cluster.get("Service", "money-baseline", NAMESPACE) is None
    list(attaching.detach("shop", [NAMESPACE], work))


def test_what_is_refused_is_said_at_once_before_anything_is_written(running):
    cluster, work = running
    cluster.create(service("bare", {}, clusterIP="None"))
    with pytest.raises(CannotAttachError) as raised:
        list(attaching.attach(chain(["payment", "bare", "nowhere"]), work))
    assert "shop/bare: it is headless" in str(raised.value)
    assert "shop/nowhere: there is no Service of this name" in str(raised.value)
    assert cluster.list("Service", NAMESPACE, labels.ROLE) == []
    assert not attachment.is_noted(cluster.get("Service", "payment", NAMESPACE))


def test_a_namespace_that_is_gone_is_detached_already(running):
    _, work = running
    assert list(attaching.detach("shop", ["gone"], work)) == []


def test_a_chain_in_two_namespaces_has_a_router_in_each(running):
    cluster, work = running
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bank"}}, force=True)
    for made in (workload("vault", {"app": "vault"}, "vault"), service("vault", {"app": "vault"})):
        made["metadata"]["namespace"] = "bank"
        cluster.create(made)
    wait_until(lambda: answers(cluster, name="vault", namespace="bank") == "vault", 20, "the first answer")
    payment, vault = chain(["payment", "vault"]).services
    both = replace(chain(), name="two", services=(payment, replace(vault, namespace="bank")))
    router = Router(cluster, both)
    tagged = {"x-preview-lane": "pr-9"}
    list(
        attaching.attach(both, replace(work, settings=RouterSettings("host", 1, f"127.0.0.1:{router.port}")))
    )
    assert answers(cluster, tagged) == "baseline"
    assert answers(cluster, tagged, "vault", "bank") == "vault"
    for namespace in (NAMESPACE, "bank"):
        assert len(cluster.list("Deployment", namespace, f"{labels.ROLE}=router")) == 1
    list(attaching.detach("two", both.namespaces, work))
    for namespace in (NAMESPACE, "bank"):
        assert cluster.list("Deployment", namespace, labels.ROLE) == []
    router.stop()

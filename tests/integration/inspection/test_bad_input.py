"""What is wrong about a cluster, a chain file or one's rights, as the commands tell it."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from devcluster.dev import accounts
from provisioner.chain.model import Driver
from provisioner.lane import store as lanes
from tests.support import localapi, scene
from tests.support.commands import LANEWAY, environment
from tests.support.devcluster import Devcluster, devcluster
from tests.support.forge import Branch
from tests.support.meshed import install
from tests.support.scene import Scene
from tests.support.shop import baseline
from workers import queue

Laneway = Callable[..., str]
CHAIN = """\
chain: {name}
namespace: {namespace}
repositories: [{{url: "https://x.example/acme/shop"}}]
services:
  payment: {{paths: ["payment/**"], workload: Deployment/{workload}, image: "x:{{sha}}"}}
"""
ODD = """\
  bare: {paths: ["bare/**"], workload: Deployment/second, image: "x:{sha}"}
  misnamed: {paths: ["misnamed/**"], workload: Deployment/third, image: "x:{sha}"}
  disk: {paths: ["disk/**"], workload: Deployment/disk, image: "x:{sha}"}
"""
OLD = {"major": "1", "minor": "24", "gitVersion": "v1.24.3"}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "payment", "namespace": "shop"},
    "spec": {
        "selector": {"app": "payment"},
        "ports": [
            {"name": "http", "port": 8080, "targetPort": "http"},
            {"name": "web", "port": 8081, "targetPort": "http"},
            {"name": "https", "port": 8443, "targetPort": "http"},
        ],
    },
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "payment-1", "namespace": "shop", "labels": {"app": "payment"}},
    "spec": {"containers": [{"name": "payment", "image": "payment:main"}]},
}


def odd() -> list[dict[str, Any]]:
    """A Service without a selector, one that leads to a port that nobody has, one beside payment's, and a
    workload with a disk of its own."""
    bare, misnamed, twin = (baseline(one, "shop")[0] for one in ("bare", "misnamed", "twin"))
    del bare["spec"]["selector"]
    misnamed["spec"] |= {"selector": {"app": "payment"}, "ports": [{"port": 80, "targetPort": "wbe"}]}
    twin["spec"]["selector"] = {"app": "payment"}
    service, disk = baseline("disk", "shop")
    pod = disk["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "shop"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    return [bare, misnamed, twin, service, disk, claim]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devcluster]:
    """One with payment alone, of which a pod runs without a sidecar; both meshes' definitions are there."""
    with devcluster(tmp_path_factory.mktemp("cluster"), "--no-node") as found:
        for driver in (Driver.ISTIO, Driver.GATEWAY_API):
            install(found.cluster, driver)
        found.cluster.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}, force=True
        )
        for one in (*baseline("payment", "shop"), *baseline("second", "shop"), SERVICE, POD, *odd()):
            found.cluster.apply(one, force=True)
        yield found


@pytest.fixture
def laneway(server: Devcluster, tmp_path: Path) -> Laneway:
    """Runs it in a folder of the test's own, and gives what it says."""

    def run(*arguments: str, code: int = 1, kubeconfig: Path = server.kubeconfig) -> str:
        settings = {"LANEWAY_KUBECONFIG": str(kubeconfig), "LANEWAY_CHAINS": str(tmp_path)}
        done = subprocess.run(
            [*LANEWAY, *arguments],
            env=environment(settings),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code and "Traceback" not in said, said
        return said

    return run


def written(folder: Path, more: str = "", name: str = "shop", **instead: str) -> None:
    """A chain file, with something at its end, or another value in the place of one."""
    whole = CHAIN.format(name=name, **{"namespace": "shop", "workload": "payment", **instead}) + more
    (folder / f"{name}.yaml").write_text(whole)


def reasons(said: str) -> set[tuple[str, str, str]]:
    """Severity, chain and reason of all that a check found."""
    return {(one["severity"], one["chain"], one["reason"]) for one in json.loads(said)}


def messages(said: str, reason: str) -> list[str]:
    return [one["message"] for one in json.loads(said) if one["reason"] == reason]


def test_a_namespace_that_is_not_there_is_named_before_anything_is_written(
    laneway: Laneway, tmp_path: Path
) -> None:
    written(tmp_path, namespace="nowhere")
    (found,) = messages(laneway("check", "shop.yaml", "--json"), "NoNamespace")
    assert "does not exist; create it, or mend `namespace` in shop.yaml" in found
    assert "nowhere/payment: there is no Service at all in its namespace" in laneway("attach", "shop")


def test_a_lane_in_a_namespace_that_is_not_there_says_so_in_its_status() -> None:
    local, cluster = localapi.connected()
    try:
        place = Scene(cluster, scene.chain("shop"))
        branch = Branch("acme/shop", "pr-1")
        place.forge.push(branch, ["payment/app.py"])
        place.forge.open(branch, frozenset())
        for event in place.forge.outbox:
            place.run(queue.deliver(event.to_json(), "shop", event.delivery))
        lane = lanes.read(cluster, "shop", "pr-1")
        assert lane is not None and lane.phase == "Degraded"
        ready = next(one for one in lane.status["conditions"] if one["type"] == "Ready")
        assert ready["status"] == "False" and "namespace shop" in ready["message"]
    finally:
        local.close()


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        (("check", "shop.yaml"), 'list resource "services" in API group "" in the namespace "shop"'),
        (("init", "shop", "--output", "new.yaml"), 'list resource "deployments" in API group "apps"'),
        (("attach", "shop"), 'list resource "endpointslices" in API group "discovery.k8s.io"'),
        (("detach", "shop"), 'list resource "services" in API group "" in the namespace "shop"'),
        (("routes", "shop"), 'list resource "services" in API group "" in the namespace "shop"'),
        (("lanes",), 'list resource "lanes" in API group "laneway.dev" at the cluster scope'),
        (("status", "shop", "pr-1"), 'get resource "lanes" in API group "laneway.dev"'),
    ],
    ids=lambda part: part[0] if isinstance(part, tuple) else "",
)
def test_who_has_no_rights_is_told_which_one_is_missing(
    laneway: Laneway, server: Devcluster, tmp_path: Path, command: tuple[str, ...], missing: str
) -> None:
    written(tmp_path)
    nobody = tmp_path / "kubeconfig"
    nobody.write_text(accounts.kubeconfig(server.kubeconfig, "nobody", "laneway-system"))
    said = " ".join(laneway(*command, kubeconfig=nobody).split())
    assert missing in said


@pytest.mark.parametrize(
    ("carrier", "wrong"),
    [
        ("header: 'x lane'", "carriers.header: 'x lane' is no name of a header"),
        ("header: 'x-lane%'", "carriers.header: 'x-lane%' has a %"),
        ("header: host", "carriers.header: 'host' has a meaning of its own; take another"),
        ("baggage: 'a,b'", "carriers.baggage: 'a,b' is no baggage key"),
        ("baggage: 'a;b'", "carriers.baggage: 'a;b' is no baggage key"),
        ("baggage: 'a%20b'", "carriers.baggage: 'a%20b' has a % or +"),
    ],
)
def test_a_carrier_that_cannot_be_one_is_named_with_its_line(
    laneway: Laneway, tmp_path: Path, carrier: str, wrong: str
) -> None:
    written(tmp_path, f"carriers: {{{carrier}}}\n")
    for command in (("check", "shop.yaml"), ("attach", "shop")):
        assert f"shop.yaml:6: {wrong}" in laneway(*command)


@pytest.mark.parametrize("driver", ["istio", "gateway-api"])
def test_what_keeps_requests_of_a_mesh_from_lanes_is_said_by_name(
    laneway: Laneway, tmp_path: Path, driver: str
) -> None:
    written(tmp_path, f"routing: {{driver: {driver}}}\n")
    said = laneway("check", "shop.yaml", "--json", code=0)
    assert reasons(said) == {("warning", "shop", one) for one in ("NoSidecar", "HiddenInTls", "NoProtocol")}
    assert "no proxy runs in payment-1" in messages(said, "NoSidecar")[0]
    assert "port 8443 is https" in messages(said, "HiddenInTls")[0]
    assert "port 8081 says neither by appProtocol nor by its name" in messages(said, "NoProtocol")[0]


def test_services_and_workloads_that_do_not_fit_are_told_all_at_once(
    laneway: Laneway, tmp_path: Path
) -> None:
    written(tmp_path, ODD)
    said = laneway("check", "shop.yaml", "--json")
    told = {(one["where"], one["reason"]): one["message"] for one in json.loads(said)}
    assert "no selector" in told["service bare", "CannotAttach"]
    assert "named wbe" in told["service misnamed", "CannotAttach"]
    assert "Service twin leads to the same pods" in told["service payment", "SecondService"]
    assert "ReadWriteOnce" in told["service disk", "CannotClone"]
    assert "or set `clone: true`" in told["service disk", "CannotClone"], "the setting that resolves it"
    refused = laneway("attach", "shop")
    assert "shop/bare: it has no selector" in refused and "wbe" in refused, "all of them, and nothing done"


def test_a_cluster_older_than_supported_is_told_which_is(laneway: Laneway, tmp_path: Path, old: Path) -> None:
    written(tmp_path)
    (found,) = messages(laneway("check", "shop.yaml", "--json", kubeconfig=old), "ClusterTooOld")
    assert "the cluster is Kubernetes v1.24.3; Laneway supports 1.29 and newer" in found


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of a cluster that is too old, and has nothing else to say."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/version"
            self.send_response(200 if known else 404)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(OLD if known else {"kind": "Status", "code": 404}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as there:
        thread = threading.Thread(target=there.serve_forever)
        thread.start()
        config = {
            "clusters": [{"name": "old", "cluster": {"server": f"http://127.0.0.1:{there.server_port}"}}],
            "users": [{"name": "old", "user": {}}],
            "contexts": [{"name": "old", "context": {"cluster": "old", "user": "old"}}],
            "current-context": "old",
        }
        path = tmp_path / "old"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **config}))
        yield path
        there.shutdown()
        thread.join()


@pytest.mark.parametrize("driver", ["istio", "gateway-api"])
def test_two_chains_on_one_host_are_both_named(laneway: Laneway, tmp_path: Path, driver: str) -> None:
    written(tmp_path, f"routing: {{driver: {driver}}}\n")
    written(tmp_path, f"routing: {{driver: {driver}}}\n", name="other", workload="second")
    said = laneway("check", "shop.yaml", "other.yaml", "--json")
    assert ("error", "shop", "TwoChains") in reasons(said)
    assert "chain other lists it, too, in namespace shop" in messages(said, "TwoChains")[0]


def test_two_chains_with_one_workload_are_refused_with_both_files(laneway: Laneway, tmp_path: Path) -> None:
    written(tmp_path)
    written(tmp_path, name="other")
    said = laneway("check", "shop.yaml", "other.yaml")
    assert "other.yaml: Deployment/payment in namespace shop is that of shop.yaml already" in said

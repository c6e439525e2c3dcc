"""Argo Rollouts' real controller: what it makes of copies beside its Rollouts, of a release's end, and of the
gate between their steps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from bench import rollouts, rollouts_site
from devcluster.dev.cluster import images
from devcluster.dev.cluster.context import Context
from provisioner.chain.model import Chain, Service, WorkloadRef
from provisioner.cluster import Cluster
from provisioner.copies import plan
from provisioner.lane import store
from provisioner.lane.model import Lane
from provisioner.release import baseline, workloads
from provisioner.release.baseline import Order
from provisioner.release.observed import Patch
from provisioner.settings import Settings
from provisioner.status.readiness import Clock
from tests.support import baseline as b
from tests.support.mesh import Place, free_ports
from tests.support.waiting import until
from workers.exposition import Health, Pulse, serve
from workers.gate import Gate

Json = dict[str, Any]

PATIENCE = 180.0
CHAINS = 100  # at each step of the example
KIND = "Rollout"
STEPS = [{"setWeight": 50}, {"pause": {}}]
HARDENED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
RESTRICTED = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
TEMPLATES = {"order": "order", "payment": "payment-template"}  # where each Rollout's template is


@pytest.fixture(autouse=True)
def installed(real: Context) -> None:
    """Skips, and says so, where the cluster has no Argo Rollouts."""
    if "rollouts.argoproj.io" not in real.kubectl("get", "crd", "--output", "name"):
        pytest.skip("this cluster has no Argo Rollouts; nothing of Laneway beside it was proved")


@pytest.fixture(scope="module")
def image(real: Context) -> str:
    return images.builder(real).target("example")


def service(name: str, namespace: str) -> Service:
    return Service(name, WorkloadRef(KIND, name), "", namespace, ())


def template(name: str, image: str, **container: Any) -> Json:
    """Pods that listen; `VERSION` tells one version from another, so that an image can stay."""
    told = {
        "name": "app",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "http.server", "8080", "--directory", "/opt"],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        "securityContext": HARDENED,
        **container,
    }
    pod = {"containers": [told], "securityContext": RESTRICTED, "terminationGracePeriodSeconds": 1}
    return {"metadata": {"labels": {"app": name}}, "spec": pod}


def rollout(name: str, namespace: str, spec: Json, steps: list[Json]) -> Json:
    canary = {"maxSurge": 1, "maxUnavailable": 0, "steps": steps}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 2, "strategy": {"canary": canary}, **spec},
    }


def furnished(cluster: Cluster, namespace: str, image: str, steps: list[Json]) -> Chain:
    """`order` by its own template, `payment` by that of a Deployment, both Healthy, with their Services."""
    selector = {"matchLabels": {"app": "order"}}
    own = {"selector": selector, "template": template("order", image)}
    cluster.create(rollout("order", namespace, own, steps))
    holder = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": TEMPLATES["payment"], "namespace": namespace},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "payment"}},
            "template": template("payment", image),
        },
    }
    cluster.create(holder)
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": TEMPLATES["payment"]}
    cluster.create(rollout("payment", namespace, {"workloadRef": reference}, steps))
    for name in TEMPLATES:
        ports = [{"name": "http", "port": 8080}]
        about = {"name": name, "namespace": namespace}
        spec = {"selector": {"app": name}, "ports": ports}
        cluster.create({"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": spec})
    chain = Chain(f"rollouts-{namespace[-8:]}", (), tuple(service(name, namespace) for name in TEMPLATES))
    until(lambda: all(map(is_healthy, live(cluster, namespace))), "both are Healthy", PATIENCE)
    return chain


def live(cluster: Cluster, namespace: str) -> list[Json]:
    return sorted(cluster.list(KIND, namespace), key=lambda one: str(one["metadata"]["name"]))


def is_healthy(one: Json) -> bool:
    status = one.get("status") or {}
    seen = status.get("observedGeneration") == str(one["metadata"]["generation"])
    return bool(seen and status.get("phase") == "Healthy")


def phases(cluster: Cluster, namespace: str) -> list[str]:
    return [str((one.get("status") or {}).get("phase")) for one in live(cluster, namespace)]


def settled(cluster: Cluster, chain: Chain) -> bool:
    """Whether all have rolled out, as a release sees it."""
    now = Clock(datetime.now(UTC), timedelta(minutes=20))
    found = baseline.read(chain.services, cluster)
    return all(workloads.read(one, found[one.name], now).settled for one in chain.services)


def test_a_copy_leaves_its_rollout_and_its_pods_alone(cluster: Cluster, namespace: str, image: str) -> None:
    chain = furnished(cluster, namespace, image, STEPS)
    wanted = replace(b.lane(uid=""), name=f"pr-{uuid4().hex[:8]}", chain=chain.name)
    lane = Lane.from_object(cluster.create(wanted.to_object()))
    try:
        before = [one["spec"] for one in live(cluster, namespace)]
        around = plan.Snapshot(
            lane,
            (*live(cluster, namespace), *cluster.list("Deployment", namespace)),
            tuple(cluster.list("Service", namespace)),
        )
        made = plan.make(chain, lane, [b.wanted(one, image) for one in chain.services], around)
        assert made.problems == {}
        for write in made.writes:
            cluster.apply(write.body, force=False)
        mine = f"laneway.dev/lane={lane.name}"
        until(lambda: len(ready(cluster, namespace, mine)) == 2, "both copies are ready", PATIENCE)
        assert [one["spec"] for one in live(cluster, namespace)] == before
        assert phases(cluster, namespace) == ["Healthy", "Healthy"]
        for name in TEMPLATES:
            assert len(ready(cluster, namespace, f"app={name}")) == 2, "the baseline's, and no copy's"
    finally:
        cluster.delete("Lane", lane.object_name)


def ready(cluster: Cluster, namespace: str, selector: str) -> list[Json]:
    return [
        pod
        for pod in cluster.list("Pod", namespace, selector)
        if "deletionTimestamp" not in pod["metadata"]
        and any(
            one["type"] == "Ready" and one["status"] == "True"
            for one in (pod.get("status") or {}).get("conditions") or ()
        )
    ]


def test_rollouts_take_an_image_as_a_whole_and_give_it_back(
    cluster: Cluster, namespace: str, image: str
) -> None:
    chain = furnished(cluster, namespace, image, STEPS)
    until(lambda: settled(cluster, chain), "both have rolled out", PATIENCE)
    for wanted in (image.removeprefix("docker.io/library/"), image):  # the same by two names
        for one in chain.services:
            store.on_conflict(lambda one=one, wanted=wanted: give(cluster, one, wanted))
        assert not settled(cluster, chain)
        until(lambda: urged(cluster, chain), "both have the new version", PATIENCE)
        pods = [pod for name in TEMPLATES for pod in ready(cluster, namespace, f"app={name}")]
        assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {wanted}
        assert phases(cluster, namespace) == ["Healthy", "Healthy"]


def give(cluster: Cluster, one: Service, image: str) -> None:
    found = baseline.read([one], cluster)[one.name]
    revision = workloads.read(one, found, Clock(datetime.now(UTC), timedelta(0))).revision
    baseline.carry_out(Order(one, found, Patch(one.name, image, revision)), cluster)


def urged(cluster: Cluster, chain: Chain) -> bool:
    """One look of a release at its end; the controller may write at the same moment."""

    def urge() -> None:
        for name, found in baseline.read(chain.services, cluster).items():
            baseline.urge(chain.service(name), found, cluster)

    store.on_conflict(urge)
    return settled(cluster, chain)


@contextmanager
def asked(real: Context, cluster: Cluster, chain: Chain, folder: Path) -> Iterator[str]:
    """The gate of a chain, where the controller finds it."""

    class Book:
        def chains(self) -> dict[str, Chain]:
            return {chain.name: chain}

    host = Place(real, "").host
    (port,) = free_ports(host, 1)
    gate = Gate(Book(), cluster)  # type: ignore[arg-type]
    serve(
        Settings(metrics_host=host, metrics_port=port), folder / "port", Health(Pulse(600), {}), gate.answer
    )
    yield f"http://{host}:{port}/releases/{chain.name}/gate?rollout={{{{args.rollout}}}}"


def documented(url: str, namespace: str) -> Json:
    """The AnalysisTemplate of docs/argo-rollouts.md, for another address, which waits less long."""
    text = (Path(__file__).parents[2] / "docs" / "argo-rollouts.md").read_text()
    (found,) = [part for part in text.split("```yaml\n") if part.startswith("apiVersion: argoproj.io")]
    made: Json = yaml.safe_load(found.partition("```")[0])
    (metric,) = made["spec"]["metrics"]
    metric["provider"]["web"]["url"] = url
    return {**made, "metadata": {**made["metadata"], "namespace": namespace}}


GATED: list[Json] = [
    {"setWeight": 50},
    {
        "analysis": {
            "templates": [{"templateName": "together"}],
            "args": [{"name": "rollout", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        }
    },
    {"setWeight": 100},
]
AT_GATE = 1  # the step's index


def update(cluster: Cluster, namespace: str, name: str, **container: Any) -> None:
    """Gives a service's template another container."""
    kind = KIND if TEMPLATES[name] == name else "Deployment"
    found = cluster.get(kind, TEMPLATES[name], namespace)
    assert found is not None
    (now,) = found["spec"]["template"]["spec"]["containers"]
    spec = {"template": {"spec": {"containers": [{**now, **container}]}}}
    cluster.merge(kind, TEMPLATES[name], {"spec": spec}, namespace)


def steps(cluster: Cluster, namespace: str) -> list[int]:
    return [int(one["status"].get("currentStepIndex") or 0) for one in live(cluster, namespace)]


@pytest.fixture
def gated(
    real: Context, cluster: Cluster, namespace: str, image: str, tmp_path: Path
) -> Iterator[tuple[Cluster, str]]:
    """Both at a gate: order arrives at once, payment twenty seconds later."""
    chain = Chain(f"rollouts-{namespace[-8:]}", (), tuple(service(name, namespace) for name in TEMPLATES))
    with asked(real, cluster, chain, tmp_path) as url:
        real.apply(documented(url, namespace))
        furnished(cluster, namespace, image, GATED)
        probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "initialDelaySeconds": 20}
        version = [{"name": "VERSION", "value": "2"}]
        update(cluster, namespace, "payment", env=version, readinessProbe=probe)
        update(cluster, namespace, "order", env=version)
        until(lambda: steps(cluster, namespace)[0] == AT_GATE, "order is at the gate", PATIENCE)
        assert steps(cluster, namespace)[1] < AT_GATE, "payment's new pod is not ready yet"
        yield cluster, namespace


def test_no_rollout_passes_a_gate_before_all_have_arrived(gated: tuple[Cluster, str]) -> None:
    cluster, namespace = gated
    seen = []

    def look() -> bool:
        seen.append(steps(cluster, namespace))
        return phases(cluster, namespace) == ["Healthy", "Healthy"]

    until(look, "both have gone through", PATIENCE)
    order, payment = seen[-1]
    assert order == payment == len(GATED)
    assert all(here <= AT_GATE for here, there in seen if there < AT_GATE)


def test_all_rollouts_go_back_when_one_is_aborted_at_a_gate(gated: tuple[Cluster, str]) -> None:
    cluster, namespace = gated
    cluster.merge(KIND, "payment", {"status": {"abort": True}}, namespace, "status")
    until(
        lambda: all(one["status"].get("abort") for one in live(cluster, namespace)),
        "order has been aborted as well",
        PATIENCE,
    )
    assert phases(cluster, namespace) == ["Degraded", "Degraded"]


def test_chains_that_mix_by_the_rollouts_own_weights_do_not_in_a_release(
    real: Context, tmp_path: Path
) -> None:
    if missing := rollouts_site.lacking(real):
        pytest.skip(f"this cluster has no {missing}; the example was not tried")
    told = rollouts.measured(real, tmp_path, CHAINS, print)
    by_weights = {one.what: one for one in told.by_rollouts}
    assert by_weights["50 %"].mixed > CHAINS / 2, "three chains in four"
    for one in told.by_release:
        assert (one.what, one.mixed, dict(one.failed), one.back) == (one.what, 0, {}, 0), json.dumps(
            one.chains
        )
    assert [one.what for one in told.by_release[:5]] == ["10 %", "25 %", "50 %", "75 %", "100 %"]

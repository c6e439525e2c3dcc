"""The chart with everything that a team may have of its own: the queue, the chain files, a forge to ask, the
ways in. One installation, on a real cluster; the cases share it and run in this order."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from devcluster.dev import ports
from devcluster.dev.cluster import images, tunnel
from devcluster.dev.cluster.context import ClusterError, Context
from devcluster.dev.cluster.installation import CHART
from provisioner import labels
from tests.support import deliveries, mesh, ownparts
from tests.support.ownparts import PORT, REDIS_PORT, Places
from tests.support.waiting import until

Json = dict[str, Any]

RELEASE = "laneway-options"
PATIENCE = 300.0
PASSWORD, TOKEN = "a-password-of-the-tests", "a-token-of-the-tests"
HOOKS = "hooks.example.com"
WAY = "way"
MARKS = {"istio": "laneway-options"}


@pytest.fixture(scope="module")
def built(real: Context) -> dict[str, str]:
    return images.product(images.builder(real))


@pytest.fixture(scope="module")
def places() -> Places:
    mark = uuid.uuid4().hex[:6]
    return Places(f"{RELEASE}-{mark}", f"options-chain-{mark}", f"options-team-{mark}")


@pytest.fixture(scope="module")
def values(built: dict[str, str], places: Places) -> Json:
    """What the installation is given, but for the chains."""
    ours = {
        name: {"repository": image.rpartition(":")[0], "tag": image.rpartition(":")[2]}
        for name, image in built.items()
    }
    parents = [{"name": WAY, "namespace": places.team}]
    return {
        "image": ours["laneway"],
        "envoy": {"image": ours["envoy"], "replicas": 1},
        "redis": {"existingSecret": {"name": "queue", "key": "address"}},
        "webhooks": {"github": {"existingSecret": {"name": "hook", "key": "word"}}},
        "github": {
            "tokenSecret": {"name": "forge", "key": "word"},
            "api": f"http://forge.{places.team}:{PORT}",
        },
        "attach": {"automatically": True},
        "hooks": {
            "ingress": {"enabled": True, "className": "own", "host": HOOKS, "tlsSecret": "hooks"},
            "httpRoute": {"enabled": True, "host": HOOKS, "parentRefs": parents},
        },
        **{name: {"replicas": 1} for name in ("serve", "worker", "beat", "router")},
    }


@pytest.fixture(scope="module")
def installed(
    real: Context,
    built: dict[str, str],
    places: Places,
    values: Json,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Json]:
    """The release, with chain files from a ConfigMap of the team's; yields the Service before it."""
    folder = tmp_path_factory.mktemp("options")
    try:
        real.apply(*ownparts.objects(places, built, PASSWORD))
        real.apply(*belongings(places))
        for name, place in (("web", places.chain), ("queue", places.team), ("forge", places.team)):
            real.kubectl(
                "rollout", "status", f"deployment/{name}", "--namespace", place, f"--timeout={PATIENCE:g}s"
            )
        before = real.get("service", "web", "--namespace", places.chain)
        named = {"configMap": "mine", "chains": ["options"], "namespaces": [places.chain]}
        upgrade(real, folder, places, {**values, "chainsFrom": named})
        yield before
    finally:
        real.helm("uninstall", RELEASE, "--namespace", places.system, "--ignore-not-found", "--wait")
        real.kubectl("delete", "lanes", "--selector", f"{labels.CHAIN}=options", "--ignore-not-found")
        real.kubectl("delete", "namespace", *places.all, "--ignore-not-found", "--wait=false")


def belongings(places: Places) -> list[Json]:
    """The team's Secrets and its chain files."""
    address = f"redis://:{PASSWORD}@queue.{places.team}:{REDIS_PORT}/0"
    files = {"options.yaml": yaml.safe_dump(ownparts.chain(places))}
    metadata = {"name": "mine", "namespace": places.system}
    return [
        ownparts.secret("queue", places.system, address=address),
        ownparts.secret("hook", places.system, word=deliveries.SECRET),
        ownparts.secret("forge", places.system, word=TOKEN),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files},
    ]


def upgrade(real: Context, folder: Path, places: Places, values: Json) -> None:
    file = folder / f"{uuid.uuid4().hex}.yaml"
    file.write_text(yaml.safe_dump(values))
    real.helm(
        *("upgrade", "--install", RELEASE, str(CHART), "--namespace", places.system, "--skip-crds"),
        *("--values", str(file), "--wait", "--timeout", f"{PATIENCE:g}s"),
    )


@contextmanager
def way_in(real: Context, places: Places) -> Iterator[httpx.Client]:
    """A Gateway of the team's, and who asks it."""
    if "gateways.gateway.networking.k8s.io" not in real.kubectl("get", "crd", "--output", "name"):
        pytest.skip("the cluster knows no Gateway (`up istio` brings it)")
    place = mesh.Place(real, places.team)
    with mesh.gateway(place, MARKS) as proxy:
        (port,) = mesh.free_ports(place.host, 1)
        real.apply(*mesh.gateway_service(place, WAY, MARKS, port), ownparts.gateway(WAY, places.team, port))
        proxy.wait_for(port)
        with httpx.Client(base_url=f"http://{proxy.address}:{port}", timeout=10) as client:
            yield client


def status(client: httpx.Client, host: str, path: str) -> int:
    return client.get(path, headers={"host": host}).status_code


def test_installing_attaches_the_chains_of_a_configmap(
    real: Context, places: Places, installed: Json
) -> None:
    found = real.get("service", "web", "--namespace", places.chain)
    assert found["spec"]["selector"][labels.ROLE] == "router"
    assert found["spec"]["clusterIP"] == installed["spec"]["clusterIP"]
    assert json.loads(found["metadata"]["annotations"][labels.ORIGINAL])["spec"]["selector"] == {"app": "web"}


def test_a_queue_in_another_namespace_takes_the_place_of_the_bundled_one(
    real: Context, places: Places, installed: Json
) -> None:
    assert real.get("statefulsets", "--namespace", places.system)["items"] == []
    worker = real.get("deployment", f"{RELEASE}-worker", "--namespace", places.system)
    assert worker["status"]["readyReplicas"] == 1  # it is not, while the queue does not answer


def test_the_forge_is_asked_with_the_token_of_the_secret(
    real: Context, places: Places, installed: Json
) -> None:
    """About the pull request of a delivery, whose signature the Secret of the team verifies."""
    ours = {
        f"{place}__full_name": "acme/options"
        for place in ("repository", "pull_request__head__repo", "pull_request__base__repo")
    }
    said = deliveries.payload("pull_request", **ours)
    body = deliveries.body(said)
    selector = ("--selector", "app.kubernetes.io/component=serve", "--namespace", places.system)
    pod = real.get("pods", *selector)["items"][0]["metadata"]["name"]
    ways = ports.settle(("hooks",), {})
    with tunnel.to_pod(real, places.system, pod, {ways["hooks"]: 8080}):
        url = f"http://127.0.0.1:{ways['hooks']}/hooks/github"
        answer = httpx.post(url, content=body, headers=deliveries.headers("pull_request", body), timeout=30)
    assert answer.status_code == 202, answer.text

    def asked() -> str:
        return real.kubectl("logs", "deployment/forge", "--namespace", places.team)

    until(lambda: "/repos/acme/options/pulls" in asked(), "the forge was asked", PATIENCE)
    assert TOKEN in asked()


def test_hooks_are_reached_by_an_httproute_and_described_by_an_ingress(
    real: Context, places: Places, installed: Json
) -> None:
    ingress = real.get("ingress", f"{RELEASE}-hooks", "--namespace", places.system)
    assert ingress["spec"]["tls"] == [{"hosts": [HOOKS], "secretName": "hooks"}]
    with way_in(real, places) as client:
        until(lambda: status(client, HOOKS, "/hooks/github") == 405, "hooks are reached", PATIENCE)
        body = deliveries.body(deliveries.payload("ping"))
        headers = {**deliveries.headers("ping", body), "host": HOOKS}
        said = client.post("/hooks/github", content=body, headers=headers)
        assert said.status_code == 202, said.text
        assert status(client, HOOKS, "/metrics") == 404  # nothing else of serve is outside


def test_preview_hosts_lead_to_the_entry_through_the_router(
    real: Context, places: Places, installed: Json, values: Json, tmp_path: Path
) -> None:
    """After an upgrade from a ConfigMap of one's own to chain files in the values."""
    parents = {"parentRefs": [{"name": WAY, "namespace": places.team}]}
    previews = {
        "ports": {"options": PORT},
        "ingress": {"enabled": True, "tlsSecret": "wildcard"},
        "httpRoute": {"enabled": True, **parents},
    }
    chains = {"options": yaml.safe_dump(ownparts.chain(places))}
    upgrade(real, tmp_path, places, {**values, "chains": chains, "previews": previews})
    ingress = real.get("ingress", f"{RELEASE}-options", "--namespace", places.chain)
    assert ingress["spec"]["rules"][0]["host"] == "*.preview.example.com"
    with way_in(real, places) as client:
        until(lambda: status(client, "a.preview.example.com", "/") == 200, "the entry answers", PATIENCE)
        answer = client.get("/", headers={"host": "feature-x.preview.example.com"})
        assert answer.headers["x-preview-lane-served"] == "web=baseline"  # the host named a lane


@pytest.mark.parametrize("option", ["serviceMonitor", "prometheusRule"])
def test_what_prometheus_reads_is_taken_where_its_operator_is(
    real: Context, places: Places, values: Json, option: str, tmp_path: Path
) -> None:
    kinds = real.kubectl("get", "crd", "--output", "name")
    if f"{option.lower()}s.monitoring.coreos.com" not in kinds:
        pytest.skip(f"the cluster knows no {option}: the Prometheus operator is not installed")
    file = tmp_path / "values.yaml"
    chains = {"options": yaml.safe_dump(ownparts.chain(places))}
    file.write_text(yaml.safe_dump({**values, "chains": chains, "monitoring": {option: {"enabled": True}}}))
    rendered = real.helm(
        *("template", RELEASE, str(CHART), "--namespace", places.system, "--values", str(file)),
        *("--show-only", "templates/monitoring.yaml"),
    )
    real.kubectl("apply", "--server-side", "--dry-run=server", "--filename", "-", given=rendered)


def test_uninstalling_restores_the_service(real: Context, places: Places, installed: Json) -> None:
    real.helm("uninstall", RELEASE, "--namespace", places.system, "--wait")
    after = real.get("service", "web", "--namespace", places.chain)
    assert after["spec"] == installed["spec"]
    assert after["metadata"].get("annotations") == installed["metadata"].get("annotations")
    with pytest.raises(ClusterError, match="not found"):
        real.get("clusterrole", f"{RELEASE}-worker-cluster")

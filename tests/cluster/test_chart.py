"""What Helm makes of the chart, and what it refuses. Needs helm, and of the cluster nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.dev import accounts
from devcluster.dev.cluster import context
from provisioner.chain import folder

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
CHAIN = ROOT / "examples" / "shop" / "laneway.yaml"
SECRET = ("--set", "webhooks.github.secret=long-enough-for-a-secret")
EVERYTHING = """
github: {tokenSecret: {name: forge}}
attach: {automatically: true}
hooks:
  ingress: {enabled: true, host: hooks.example.com, tlsSecret: hooks}
  httpRoute: {enabled: true, host: hooks.example.com, parentRefs: [{name: gateway}]}
previews:
  ports: {shop: 8080}
  ingress: {enabled: true, tlsSecret: wildcard}
  httpRoute: {enabled: true, parentRefs: [{name: gateway}]}
monitoring:
  serviceMonitor: {enabled: true}
  prometheusRule: {enabled: true}
  dashboard: {enabled: true}
settings: {drain_seconds: 0.5, max_lanes_total: 200, mirror_bytes: 21474836480}
"""


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> list[Json]:
    """All objects, with every option on."""
    values = tmp_path_factory.mktemp("chart") / "values.yaml"
    values.write_text(EVERYTHING)
    return rendered(*SECRET, "--values", str(values))


def run(*options: str, chain: Path | None = CHAIN) -> subprocess.CompletedProcess[str]:
    try:
        helm = context.helm()
    except context.ClusterError as error:
        pytest.skip(str(error))
    named = ("--set-file", f"chains.shop={chain}") if chain else ()
    command = [helm, "template", "laneway", str(ROOT / "charts" / "laneway")]
    namespace = ("--namespace", "laneway-system")
    return subprocess.run(
        [*command, *namespace, *named, *options], capture_output=True, text=True, timeout=60
    )


def rendered(*options: str, chain: Path | None = CHAIN) -> list[Json]:
    done = run(*options, chain=chain)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def refused(*options: str, chain: Path | None = CHAIN) -> str:
    done = run(*options, chain=chain)
    assert done.returncode != 0
    return done.stderr


def of_kind(objects: list[Json], *kinds: str) -> list[Json]:
    return [one for one in objects if one["kind"] in kinds]


def pods(objects: list[Json]) -> list[Json]:
    """The pod specs of everything that makes pods."""
    found = []
    for one in of_kind(objects, "Deployment", "StatefulSet", "Job", "CronJob"):
        spec = one["spec"]["jobTemplate"]["spec"] if one["kind"] == "CronJob" else one["spec"]
        found.append(spec["template"]["spec"])
    return found


def test_the_roles_are_those_of_the_list(everything: list[Json]) -> None:
    made = {
        (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): {
            key: one[key] for key in ("rules", "roleRef", "subjects") if key in one
        }
        for one in of_kind(everything, "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
    }
    installed = accounts.of_chains("laneway-system", folder.load(CHAIN))
    wanted = accounts.roles(accounts.rights(), installed)

    assert made == {
        (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): {
            key: one[key] for key in ("rules", "roleRef", "subjects") if key in one
        }
        for one in wanted
    }


@pytest.mark.parametrize("driver", ["gateway-api", "istio"])
def test_the_roles_of_a_chain_behind_a_mesh_are_those_of_the_list(driver: str, tmp_path: Path) -> None:
    file = tmp_path / "laneway.yaml"
    file.write_text(CHAIN.read_text().replace("driver: envoy", f"driver: {driver}"))
    installed = accounts.of_chains("laneway-system", folder.load(file))
    wanted = {
        (one["metadata"].get("namespace", ""), one["metadata"]["name"]): one["rules"]
        for one in accounts.roles(accounts.rights(), installed)
        if "rules" in one
    }
    made = {
        (one["metadata"].get("namespace", ""), one["metadata"]["name"]): one["rules"]
        for one in of_kind(rendered(*SECRET, chain=file), "Role", "ClusterRole")
    }
    assert made == wanted
    groups = {group for rule in made["shop", "laneway-worker-chains"] for group in rule["apiGroups"]}
    assert {"gateway.networking.k8s.io", "networking.istio.io"} <= groups


def test_a_responder_runs_where_gateway_api_routes_and_may_be_led_to(tmp_path: Path) -> None:
    file = tmp_path / "laneway.yaml"
    file.write_text(CHAIN.read_text().replace("driver: envoy", "driver: gateway-api"))
    objects = rendered(*SECRET, chain=file)
    (grant,) = of_kind(objects, "ReferenceGrant")
    assert [one["namespace"] for one in grant["spec"]["from"]] == ["shop"]
    (service,) = [one for one in of_kind(objects, "Service") if "responder" in one["metadata"]["name"]]
    assert grant["spec"]["to"] == [{"group": "", "kind": "Service", "name": service["metadata"]["name"]}]
    settings = next(one for one in objects if one["metadata"]["name"] == "laneway-settings")["data"]
    assert settings["LANEWAY_RESPONDER_SERVICE"] == service["metadata"]["name"]
    (pod,) = [pod for pod in pods(objects) if pod["containers"][0]["name"] == "responder"]
    assert not pod["automountServiceAccountToken"] and "envFrom" not in pod["containers"][0]


def test_every_pod_meets_the_restricted_level_and_writes_to_volumes_alone(everything: list[Json]) -> None:
    assert len(pods(everything)) == 10
    for pod in pods(everything):
        security = pod["securityContext"]
        assert security["runAsNonRoot"] and security["runAsUser"] and security["runAsGroup"]
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
            assert container["resources"]["requests"] and container["resources"]["limits"]["memory"]


def test_who_never_asks_the_cluster_has_no_token(everything: list[Json]) -> None:
    tokens = {pod["containers"][0]["name"]: pod["automountServiceAccountToken"] for pod in pods(everything)}
    assert tokens == {
        **dict.fromkeys(("serve", "valkey"), False),
        **dict.fromkeys(("worker", "beat", "router", "sweep", "attach", "detach"), True),
    }


def test_settings_keep_their_form(everything: list[Json]) -> None:
    settings = next(one for one in everything if one["metadata"]["name"] == "laneway-settings")["data"]
    assert settings["LANEWAY_DRAIN_SECONDS"] == "0.5"
    assert settings["LANEWAY_MAX_LANES_TOTAL"] == "200"
    assert settings["LANEWAY_MIRROR_BYTES"] == "21474836480"


def test_the_chain_file_arrives_as_it_was_written(everything: list[Json]) -> None:
    files = next(one for one in everything if one["metadata"]["name"] == "laneway-chains")["data"]
    assert files == {"shop.yaml": CHAIN.read_text()}


def test_previews_lead_a_wildcard_to_the_entry_in_its_namespace(everything: list[Json]) -> None:
    ingress = next(one for one in of_kind(everything, "Ingress") if one["metadata"]["namespace"] == "shop")
    rule = ingress["spec"]["rules"][0]
    assert rule["host"] == "*.shop.localhost"
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "frontend", "port": {"number": 8080}}
    assert ingress["spec"]["tls"] == [{"hosts": ["*.shop.localhost"], "secretName": "wildcard"}]


def test_uninstalling_detaches_first(everything: list[Json]) -> None:
    job = next(
        one
        for one in of_kind(everything, "Job")
        if one["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete"
    )
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["detach", "--all"]


def test_a_typo_is_refused_with_its_path() -> None:
    assert "/serve" in (said := refused(*SECRET, "--set", "serve.replica=3")) and "replica" in said
    assert "/settings" in (said := refused(*SECRET, "--set", "settings.drain=3")) and "drain" in said


def test_without_a_webhook_secret_nothing_is_rendered() -> None:
    assert "no webhook secret is given" in refused()
    assert "webhooks.github" in refused("--set", "webhooks.github.secret=short").replace("/", ".")


def test_notices_of_releases_need_a_key_that_the_worker_alone_has(tmp_path: Path) -> None:
    told = tmp_path / "told.yaml"
    told.write_text(CHAIN.read_text() + 'release: {notify: ["https://hooks.example.com/x"]}\n')
    assert "notices.keySecret.name" in refused(*SECRET, chain=told)
    found = rendered(*SECRET, "--set", "notices.keySecret.name=own", chain=told)
    mounted = [one for one in of_kind(found, "Deployment") if "/etc/laneway/notices" in str(one)]
    assert [one["metadata"]["name"] for one in mounted] == ["laneway-worker"]


def test_without_a_chain_nothing_is_rendered() -> None:
    assert "no chain is given" in refused(*SECRET, chain=None)


def test_a_chain_file_that_is_none_is_refused_by_its_key(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("{")
    assert "chains.shop is not YAML" in refused(*SECRET, chain=wrong)
    wrong.write_text("chain: shop")
    assert "chains.shop is no chain file" in refused(*SECRET, chain=wrong)
    wrong.write_text("chain: shop\nservices: {web: {}}")
    assert "services.web: no namespace" in refused(*SECRET, chain=wrong)


def test_an_old_cluster_is_refused_with_what_is_needed() -> None:
    said = refused(*SECRET, "--kube-version", "1.28.0")
    assert ">=1.29.0-0" in said and "1.28.0" in said


def test_an_own_redis_takes_the_place_of_the_bundled_valkey() -> None:
    found = rendered(*SECRET, "--set", "redis.existingSecret.name=queue")
    assert not of_kind(found, "StatefulSet")
    worker = next(one for one in of_kind(found, "Deployment") if "worker" in one["metadata"]["name"])
    env = {one["name"]: one for one in worker["spec"]["template"]["spec"]["containers"][0]["env"]}
    wanted = {"secretKeyRef": {"name": "queue", "key": "url"}}
    assert env["LANEWAY_REDIS_URL"]["valueFrom"] == wanted


def test_chain_files_of_ones_own_are_described_in_values() -> None:
    own = ("--set", "chainsFrom.configMap=mine")
    assert "chainsFrom.chains" in run(*SECRET, *own, chain=None).stderr
    hosts = ("--set", "previews.ingress.enabled=true")
    assert "previews: the chart cannot read" in refused(*SECRET, *own, *hosts, chain=None)
    described = ("--set", "chainsFrom.chains={shop}", "--set", "chainsFrom.namespaces={a,b}")
    done = run(*SECRET, *own, *described, chain=None)
    found = [one for one in yaml.safe_load_all(done.stdout) if one]
    assert {one["metadata"]["namespace"] for one in of_kind(found, "Role")} >= {"a", "b"}

"""What attaching writes, against a real API server: it takes all of it, says which rights are missing, and
treats attached Services as the documentation says when other tools write to them. Nothing runs here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.dev.cluster.context import ClusterError, Context
from provisioner import labels
from provisioner.chain.model import Chain, Service, WorkloadRef
from provisioner.cluster import Cluster, connect
from provisioner.errors import PermanentError
from provisioner.routing.router import attach as attaching
from provisioner.routing.router import attachment, mending, policies
from provisioner.routing.router.attach import Work
from provisioner.routing.router.attachment import Attachment
from provisioner.routing.router.backends import backend
from provisioner.routing.router.deployment import RouterSettings
from provisioner.routing.router.policies import Scene

Json = dict[str, Any]
SETTINGS = RouterSettings("example.invalid/envoy:1", 2, "router.example.invalid:18000")
NOTES = {"80": 10001, "81": 10002}


def manifest(namespace: str, target: str = "web") -> Json:
    ports = [
        {"name": "http", "port": 80, "targetPort": target},
        {"name": "admin", "port": 81, "targetPort": 9090},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "payment", "namespace": namespace, "annotations": {"team": "money"}},
        "spec": {"selector": {"app": "payment"}, "ports": ports},
    }


def deny(namespace: str) -> Json:
    out = [{"to": [{"podSelector": {"matchLabels": {"app": "payment"}}}], "ports": [{"port": 9090}]}]
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": out}
    metadata = {"name": "deny", "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def chain(namespace: str) -> Chain:
    only = Service("payment", WorkloadRef("Deployment", "payment"), "a:{sha}", namespace, ("**",))
    return Chain("shop", (), (only,))


def read(cluster: Cluster, namespace: str) -> Json:
    found = cluster.get("Service", "payment", namespace)
    assert found is not None
    return found


def said(service: Json) -> list[Any]:
    metadata = service["metadata"]
    return [service["spec"], metadata.get("labels"), metadata.get("annotations")]


def switched(cluster: Cluster, namespace: str) -> Json:
    """The Service, attached as far as it goes without a router."""
    found = Attachment("shop", read(cluster, namespace), NOTES)
    return cluster.replace(attachment.switched(found))


def manage(real: Context, how: str, wanted: Json) -> str:
    """`kubectl apply` of a manifest, by a client-side merge or server-side."""
    options = ("--server-side", "--field-manager=helm") if how == "server" else ()
    return real.kubectl("apply", *options, "--filename", "-", given=yaml.safe_dump(wanted))


def test_a_rehearsal_is_taken_whole_and_has_no_effect(
    real: Context, cluster: Cluster, namespace: str
) -> None:
    real.apply(manifest(namespace), deny(namespace))
    before = read(cluster, namespace)
    steps = [str(one) for one in attaching.attach(chain(namespace), Work(cluster, SETTINGS, dry=True))]
    kinds = {step.split()[1] for step in steps}
    assert kinds == {"Service", "NetworkPolicy", "ConfigMap", "PodDisruptionBudget", "Deployment"}
    assert read(cluster, namespace) == before
    for kind in kinds:
        assert cluster.list(kind, namespace, labels.CHAIN) == []


def test_a_rehearsed_detach_has_no_effect_either(real: Context, cluster: Cluster, namespace: str) -> None:
    real.apply(manifest(namespace))
    attached = switched(cluster, namespace)
    cluster.apply(attachment.twin(Attachment("shop", attached, NOTES)), force=True)
    work = Work(cluster, SETTINGS, dry=True)
    steps = [str(one) for one in attaching.detach("shop", [namespace], work)]
    assert steps[-1] == f"delete Service {namespace}/payment-baseline"
    assert read(cluster, namespace) == attached
    assert cluster.get("Service", "payment-baseline", namespace) is not None


def test_every_missing_right_is_named_before_anything_is_written(
    real: Context, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    real.apply(manifest(namespace), *reader(namespace))
    weak = connect(str(kubeconfig(real, namespace, tmp_path)))
    with pytest.raises(PermanentError) as refused:
        list(attaching.attach(chain(namespace), Work(weak, SETTINGS)))
    missing = set(re.findall(r'cannot (\w+) resource "(\w+)"', str(refused.value)))
    assert {("update", "services"), ("patch", "services"), ("patch", "deployments")} <= missing
    assert {("get", "configmaps"), ("get", "poddisruptionbudgets")} <= missing
    assert said(read(cluster, namespace))[2] == {"team": "money"}


def reader(namespace: str) -> list[Json]:
    """An account that may look at what attaching looks at, and no more."""
    groups = {"": ["services", "pods"], "apps": ["deployments"], "networking.k8s.io": ["networkpolicies"]}
    groups |= {"discovery.k8s.io": ["endpointslices"]}
    rules = [
        {"apiGroups": [group], "resources": kinds, "verbs": ["get", "list"]}
        for group, kinds in groups.items()
    ]
    metadata = {"name": "reader", "namespace": namespace}
    rbac = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": namespace}
    role = {"apiGroup": rbac, "kind": "Role", "name": "reader"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": role,
            "subjects": [subject],
        },
    ]


def kubeconfig(real: Context, namespace: str, folder: Path) -> Path:
    """The cluster as that account reaches it."""
    token = real.kubectl("--namespace", namespace, "create", "token", "reader").strip()
    config = yaml.safe_load(real.kubeconfig.read_text())
    config["users"] = [{"name": one["name"], "user": {"token": token}} for one in config["users"]]
    place = folder / "reader.kubeconfig"
    place.write_text(yaml.safe_dump(config))
    return place


def test_a_client_side_apply_merges_the_selectors_and_is_mended(
    real: Context, cluster: Cluster, namespace: str
) -> None:
    manage(real, "client", manifest(namespace))
    attached = switched(cluster, namespace)
    manage(real, "client", manifest(namespace))
    merged = read(cluster, namespace)
    assert merged["spec"]["selector"] == {**attached["spec"]["selector"], "app": "payment"}
    mending.mend(cluster, merged)
    assert read(cluster, namespace)["spec"] == attached["spec"]


def test_a_server_side_apply_stops_at_laneways_fields_until_it_is_detached(
    real: Context, cluster: Cluster, namespace: str
) -> None:
    manage(real, "server", manifest(namespace))
    before = read(cluster, namespace)
    switched(cluster, namespace)
    with pytest.raises(ClusterError, match='conflicts with "laneway"'):
        manage(real, "server", manifest(namespace))
    list(attaching.detach("shop", [namespace], Work(cluster, SETTINGS, settle=0.0)))
    assert said(read(cluster, namespace)) == said(before)
    manage(real, "server", manifest(namespace, target="other"))
    assert read(cluster, namespace)["spec"]["ports"][0]["targetPort"] == "other"


def test_the_noted_patch_restores_with_kubectl(real: Context, cluster: Cluster, namespace: str) -> None:
    real.apply(manifest(namespace))
    before = read(cluster, namespace)
    note = switched(cluster, namespace)["metadata"]["annotations"][labels.RESTORE]
    arguments = ("--namespace", namespace, "patch", "service", "payment", "--type=json", "--patch", note)
    real.kubectl(*arguments)
    assert said(read(cluster, namespace)) == said(before)


def test_the_noted_patch_refuses_a_service_whose_ports_have_moved(
    real: Context, cluster: Cluster, namespace: str
) -> None:
    real.apply(manifest(namespace))
    attached = switched(cluster, namespace)
    note = attached["metadata"]["annotations"][labels.RESTORE]
    attached["spec"]["ports"].pop(0)
    changed = cluster.replace(attached)
    with pytest.raises(ClusterError, match=r"(?i)test"):
        real.kubectl("--namespace", namespace, "patch", "service", "payment", "--type=json", "--patch", note)
    assert said(read(cluster, namespace)) == said(changed)


def test_every_addition_to_networkpolicies_is_valid(cluster: Cluster, namespace: str) -> None:
    found = cluster.create(manifest(namespace))
    one = backend(Attachment("shop", found, NOTES), [])
    scene = Scene("shop", namespace, (one,), (deny(namespace),), 18000)
    made = [cluster.rehearse(policy, force=True) for policy in policies.extensions(scene)]
    assert len(made) == 3
    assert json.dumps(made).count(f'"{labels.ROLE}": "router"') >= len(made)

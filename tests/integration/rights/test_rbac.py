"""A ServiceAccount of devcluster may do what Roles grant, and is refused else in Kubernetes' words."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster.dev import accounts
from devcluster.dev.accounts import Installation
from provisioner.cluster import Cluster, connect
from provisioner.errors import PermanentError
from tests.support.devcluster import Devcluster, devcluster

Json = dict[str, Any]
KUBECTL = Path(sys.executable).with_name("kubectl")
INSTALLED = Installation("laneway-system", ["shop"], ["laneway-system"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devcluster]:
    with devcluster(tmp_path_factory.mktemp("cluster"), "--no-node") as found:
        yield found


def account(server: Devcluster, folder: Path, name: str, *rules: Json) -> Cluster:
    """A client of that account, which has these rules."""
    for one in accounts.roles({name: rules}, INSTALLED):
        command = [str(KUBECTL), "--kubeconfig", str(server.kubeconfig), "apply", "--filename", "-"]
        subprocess.run(command, input=json.dumps(one), text=True, check=True, capture_output=True, timeout=60)
    path = folder / name
    path.write_text(accounts.kubeconfig(server.kubeconfig, name, INSTALLED.namespace))
    return connect(str(path))


def rule(*verbs: str, scope: str = "installation", **more: Any) -> Json:
    return {"scope": scope, "apiGroups": [""], "resources": ["configmaps"], "verbs": list(verbs), **more}


def config_map(name: str) -> Json:
    metadata = {"name": name, "namespace": INSTALLED.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def test_without_a_role_nothing_is_allowed_and_the_refusal_says_what_is_missing(
    server: Devcluster, tmp_path: Path
) -> None:
    nobody = account(server, tmp_path, "nobody")

    with pytest.raises(PermanentError) as refused:
        nobody.get("ConfigMap", "some", INSTALLED.namespace)
    assert (
        'configmaps "some" is forbidden: User "system:serviceaccount:laneway-system:laneway-nobody" cannot '
        'get resource "configmaps" in API group "" in the namespace "laneway-system"'
    ) in str(refused.value)
    with pytest.raises(PermanentError, match=r'cannot list resource "lanes" .* at the cluster scope'):
        nobody.list("Lane")


def test_a_watch_without_the_right_is_refused_in_the_same_words(server: Devcluster, tmp_path: Path) -> None:
    lister = account(server, tmp_path, "lister", rule("list"))
    _, version = lister.snapshot("ConfigMap", INSTALLED.namespace)

    with pytest.raises(PermanentError, match=r'cannot watch resource "configmaps"'):
        next(lister.watch("ConfigMap", INSTALLED.namespace, since=version))


def test_a_role_holds_in_its_namespace_alone(server: Devcluster, tmp_path: Path) -> None:
    reader = account(server, tmp_path, "reader", rule("list"))

    assert reader.list("ConfigMap", INSTALLED.namespace) == []
    for namespace in ("default", ""):
        with pytest.raises(PermanentError, match="cannot list"):
            reader.list("ConfigMap", namespace)


def test_a_rule_with_names_holds_for_them_alone(server: Devcluster, tmp_path: Path) -> None:
    keeper = account(server, tmp_path, "keeper", rule("get", names=["mine-{chain}"]))

    assert keeper.get("ConfigMap", "mine-shop", INSTALLED.namespace) is None
    with pytest.raises(PermanentError, match="cannot get"):
        keeper.get("ConfigMap", "mine-other", INSTALLED.namespace)


def test_to_apply_what_is_not_there_takes_create_too(server: Devcluster, tmp_path: Path) -> None:
    writer = account(server, tmp_path, "writer", rule("patch"))

    with pytest.raises(PermanentError, match="cannot create"):
        writer.apply(config_map("new"), force=True)
    server.cluster.apply(config_map("new"), force=True)
    writer.apply(config_map("new"), force=True)


def test_who_brings_no_token_is_an_administrator(server: Devcluster) -> None:
    assert server.cluster.list("Namespace")

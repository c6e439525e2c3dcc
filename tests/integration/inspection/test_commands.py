"""`laneway init`, `laneway check` and `laneway attach` as a person runs them, against an API server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import web
from tests.support.devcluster import Devcluster, devcluster

Laneway = Callable[..., "subprocess.CompletedProcess[str]"]
PROGRAM = Path(sys.executable).with_name("laneway")
MANIFESTS = Path(__file__).parents[3] / "examples" / "shop" / "manifests"
NAMESPACE = "shop"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devcluster]:
    """One with the shop's objects; nothing runs."""
    with devcluster(tmp_path_factory.mktemp("cluster"), "--no-node") as found:
        found.cluster.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, force=True
        )
        for file in sorted(MANIFESTS.glob("*.yaml")):
            for one in yaml.safe_load_all(file.read_text()):
                one["metadata"]["namespace"] = NAMESPACE
                found.cluster.create(one)
        yield found


@pytest.fixture
def laneway(server: Devcluster, tmp_path: Path) -> Laneway:
    """Runs it in a folder of the test's own; `laneway.yaml` there is the chain file."""

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        settings = {
            "LANEWAY_KUBECONFIG": str(server.kubeconfig),
            "LANEWAY_CHAINS": str(tmp_path / "laneway.yaml"),
        }
        done = subprocess.run(
            [str(PROGRAM), *arguments],
            env={**os.environ, **settings},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def test_what_init_drafts_is_what_check_finds_right(laneway: Laneway) -> None:
    assert "4 services, 0 left out" in laneway("init", NAMESPACE).stdout
    found: list[dict[str, Any]] = json.loads(laneway("check", "laneway.yaml", "--json").stdout)
    assert {one["reason"] for one in found} == {"NotAttached", "NoPods"}
    assert {one["severity"] for one in found} == {"warning"}


def test_init_leaves_a_file_that_exists_as_it_is(laneway: Laneway, tmp_path: Path) -> None:
    (tmp_path / "laneway.yaml").write_text("mine")
    said = laneway("init", NAMESPACE, code=1).stderr
    assert "laneway.yaml: exists and is left as it is" in said
    assert (tmp_path / "laneway.yaml").read_text() == "mine"


def test_init_of_a_namespace_that_is_not_there_or_empty_says_so(laneway: Laneway, tmp_path: Path) -> None:
    assert "no such namespace" in laneway("init", "nowhere", code=1).stderr
    assert "no Service of it can be in a chain" in laneway("init", "laneway-system", code=1).stderr
    assert list(tmp_path.iterdir()) == []


def test_check_says_all_that_is_wrong_and_ends_with_1(laneway: Laneway, tmp_path: Path) -> None:
    laneway("init", NAMESPACE)
    file = tmp_path / "laneway.yaml"
    wrong = file.read_text().replace("Deployment/orders", "Deployment/order").replace("  payment:", "  pay:")
    file.write_text(wrong)
    said = laneway("check", "laneway.yaml", code=1).stdout
    assert "did you mean Deployment/orders?" in said
    assert "there is no Service of this name" in said


def test_a_right_that_is_missing_is_named_and_nothing_is_half_done(
    laneway: Laneway, server: Devcluster
) -> None:
    laneway("init", NAMESPACE)
    refused = {
        "action": "fail",
        "method": "PATCH",
        "path": "/apis/apps/v1/namespaces/shop/deployments",
        "status": 403,
    }
    web.post(f"{server.admin}/faults", json=refused).raise_for_status()
    said = laneway("attach", NAMESPACE, code=1).stderr
    assert "PATCH /apis/apps/v1/namespaces/shop/deployments/laneway-router-shop" in said
    web.delete(f"{server.admin}/faults").raise_for_status()
    services = server.cluster.list("Service", NAMESPACE)
    assert len(services) == 4
    assert not any("annotations" in one["metadata"] for one in services)


def test_a_dry_run_of_attach_shows_a_diff_of_each_write(laneway: Laneway) -> None:
    laneway("init", NAMESPACE)
    said = laneway("attach", "--all", "--dry-run").stdout
    assert "would switch Service shop/payment" in said
    assert "\n-    targetPort: http\n" in said
    assert "\n+kind: Deployment\n" in said
    assert laneway("detach", "--all").stdout == "chain shop is not attached\n"


def test_attach_wants_one_chain_or_all(laneway: Laneway) -> None:
    laneway("init", NAMESPACE)
    laneway("attach", code=2)
    laneway("attach", NAMESPACE, "--all", code=2)
    assert "no chain 'cafe'; there is shop" in laneway("attach", "cafe", code=1).stderr


def test_of_all_chains_one_that_fails_does_not_keep_the_next_from_its_turn(
    laneway: Laneway, tmp_path: Path
) -> None:
    laneway("init", NAMESPACE, "--output", "shop.yaml")
    text = (tmp_path / "shop.yaml").read_text()
    other = text.replace("chain: shop", "chain: cafe").replace("namespace: shop", "namespace: gone")
    folder = tmp_path / "laneway.yaml"  # what the settings name may be a folder
    folder.mkdir()
    (folder / "shop.yaml").write_text(text)
    (folder / "cafe.yaml").write_text(other)
    done = laneway("attach", "--all", "--dry-run", code=1)
    assert "chain cafe: gone/frontend: there is no Service at all in its namespace" in done.stderr
    assert "would switch Service shop/payment" in done.stdout
    said = laneway("detach", "--all").stdout.splitlines()
    assert said == ["chain cafe is not attached", "chain shop is not attached"]


def test_a_chain_of_another_driver_is_not_attached(laneway: Laneway, tmp_path: Path) -> None:
    laneway("init", NAMESPACE)
    file = tmp_path / "laneway.yaml"
    file.write_text(file.read_text() + "routing: {driver: istio}\n")
    assert "its routing.driver is istio" in laneway("attach", NAMESPACE, code=1).stderr
    assert laneway("attach", "--all").stdout == ""

"""Manifests as they are applied to the embedded cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devcluster.dev import manifests
from provisioner.chain.model import Chain, Repository, Service, WorkloadRef


def a_service(name: str, container: str = "") -> Service:
    return Service(
        name=name,
        workload=WorkloadRef("Deployment", name),
        image="git+{repository}@{sha}#" + name,
        namespace="shop",
        paths=(f"{name}/**",),
        container=container,
    )


def a_deployment(name: str, *containers: str) -> dict[str, Any]:
    pod = {"containers": [{"name": one, "image": "any", "env": []} for one in containers]}
    return {"kind": "Deployment", "metadata": {"name": name}, "spec": {"template": {"spec": pod}}}


def images(workload: dict[str, Any]) -> list[str]:
    return [one["image"] for one in workload["spec"]["template"]["spec"]["containers"]]


def prepared(service: Service, *objects: dict[str, Any]) -> list[dict[str, Any]]:
    chain = Chain("shop", (Repository("/r", "laneway/shop"),), (service,))
    return manifests.prepare(objects, chain, "/r", "abc")


def test_a_services_first_container_runs_the_commit() -> None:
    (workload,) = prepared(a_service("payment"), a_deployment("payment", "app", "sidecar"))

    assert images(workload) == ["git+/r@abc#payment", "any"]


def test_the_container_that_the_chain_names_runs_the_commit() -> None:
    (workload,) = prepared(a_service("payment", "app"), a_deployment("payment", "sidecar", "app"))

    assert images(workload) == ["any", "git+/r@abc#payment"]


def test_other_workloads_and_the_given_objects_stay_as_they_are() -> None:
    given = a_deployment("payment", "app")
    other = a_deployment("database", "app")

    assert other in prepared(a_service("payment"), given, other)
    assert images(given) == ["any"]


def test_services_come_before_the_pods_that_learn_of_them() -> None:
    service = {"kind": "Service", "metadata": {"name": "payment"}}

    ready = prepared(a_service("payment"), a_deployment("payment", "app"), service)

    assert [one["kind"] for one in ready] == ["Service", "Deployment"]


def test_a_file_with_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("just: text\n")

    with pytest.raises(ValueError, match=r"odd\.yaml"):
        manifests.read(tmp_path)
